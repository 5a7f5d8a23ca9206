"""A table's catalogue facts as one short text, so that a plan knows the world it was drawn on."""

import hashlib
import json
from dataclasses import asdict

from syncnb.schema import Table

__all__ = ["fingerprint"]

OF_THE_ROLE = ("visible", "row_security")
"""What depends on who looks, not on the table."""


def fingerprint(table: Table) -> str:
    """A digest of columns, types, rules, references, checks and triggers; equal for equal tables."""
    facts = asdict(table)
    for name in OF_THE_ROLE:
        del facts[name]
    for column in facts["columns"]:
        del column["readable"]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
