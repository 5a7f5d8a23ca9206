"""The incident's tables, the steps of its repair, and a catalogue to compare by."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import syncnb as sn
from syncnb.examples.missing_constraint import INDEXES, TARGETS
from syncnb.stores.alterers import objects

__all__ = ["COUNTS", "INDEXES", "catalogue", "repair"]

COUNTS = {"integration_products": 425, "integration_modifiers": 685, "integration_discounts": 10}


def repair(store: sn.Store) -> list[Any]:
    """What diagnose found, the rule for old callers, and the seven indexes."""
    found: Any = sn.diagnose(store, tables=list(TARGETS), target=TARGETS)
    if store.dialect == "sqlite":  # where it cannot make NULL equal NULL, it asks for NOT NULL instead
        found = [
            replace(step, nulls_distinct=False) if step.verb == "unique" else step
            for step in found.remedies
            if step.verb != "not_null"
        ]
    rules = [rule for rule in store.inspect()["integration_products"].rules if "source_id" in rule.columns]
    old = ("source_id", "external_id")
    step = (
        sn.remedy("replace_unique", "integration_products", old, name=rules[0].name, nulls_distinct=False)
        if rules
        else sn.remedy("unique", "integration_products", old, nulls_distinct=False)
    )
    return [found, step, *(sn.remedy("index", table, c, name=name) for name, (table, c) in INDEXES.items())]


def catalogue(store: sn.Store) -> dict[str, Mapping[str, str]]:
    """Every object of every table, by its definition."""
    with store.reading() as reader:
        return {
            table.label: objects(reader, (table.schema, table.name) if table.schema else (table.name,))
            for table in reader.schema()
        }
