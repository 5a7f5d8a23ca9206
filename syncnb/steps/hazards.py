"""Hazards: what a person must allow by name, in the call, before it is done."""

from dataclasses import dataclass

__all__ = ["HAZARDS", "Hazard"]

HAZARDS = {
    "deletes": "rows are deleted",
    "many_changes": "more than a tenth, and more than 20, of a table's rows change",
    "lossy": "the target cannot hold these values exactly",
    "cascades": "a delete takes rows of other tables with it",
    "trigger_rewrites": "a trigger of the target may change what is written, or write elsewhere",
    "journal_outside_target": "the journal is in a local file, where the target lets this role keep none",
    "row_security": "row-level security hides rows of the target from this role",
}
"""Every name, and the sentence that a person reads."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """Something about a plan that a person must have seen."""

    name: str
    """One of `HAZARDS`; allowed by `allow=(name,)`."""
    table: str
    count: int
    """Rows it concerns; 0 where that is not a count of rows."""
    what: str
    """One line: which trigger, which values, which tables."""
