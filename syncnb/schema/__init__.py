"""Catalogue facts, frozen: what a database says about its tables, compared with `==`.

A table is its own fingerprint: two inspections are equal exactly when nothing changed.
"""

from syncnb.schema.facts import Column, ForeignKey, Schema, Table, Trigger, UniqueRule, fold

__all__ = ["Column", "ForeignKey", "Schema", "Table", "Trigger", "UniqueRule", "fold"]
