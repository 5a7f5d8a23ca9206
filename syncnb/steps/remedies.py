"""Remedies: one schema step that a finding asks for, as a plain value; `migrating` makes a plan of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from syncnb.errors import PlanError

__all__ = ["REMEDIES", "Remedy", "remedy"]

REMEDIES = {
    "add_column": "add the column {columns} ({type}) to {table}",
    "backfill": "fill {columns} of {table} from {source}, where it is NULL",
    "dedupe": "remove the duplicates of ({columns}) from {table}: which row stays must be told",
    "unique": "add a unique rule on {table} ({columns}){tail}",
    "replace_unique": "replace {name} on {table} by a unique rule on ({columns}){tail}; the new one stands first",
    "index": "add an index on {table} ({columns}){tail}",
    "drop_constraint": "drop the constraint {name} of {table}",
    "drop_index": "drop the index {name} of {table}",
    "rebuild_index": "drop the index {name} of {table} and build it again",
    "not_null": "forbid NULL in {columns} of {table}",
    "drop_not_null": "allow NULL in {columns} of {table}",
    "set_default": "give {columns} of {table} the default {source}",
    "alter_type": "make {columns} of {table} {type}",
    "foreign_key": "let {columns} of {table} refer to {source}",
    "validate": "validate the constraint {name} of {table}",
    "set_sequence": "set the sequence behind {table}.{columns} forward, past its greatest value",
}
"""Every verb there is, in the order in which steps make sense, and the sentence a person reads."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One step that would mend a finding. It says what, never how: no SQL, no lock, no order of stages."""

    verb: str
    """One of `REMEDIES`."""
    table: str
    """As the catalogue labels it."""
    columns: tuple[str, ...] = ()
    """Column names; for a unique rule also expressions, as text."""
    name: str | None = None
    """Of the constraint or index that is replaced, dropped, built again or validated; what a new index is called."""
    type: str | None = None
    """Of a new column, or the new type of an old one."""
    source: str | None = None
    """Where a back-fill takes its values from: a column. For a foreign key: `parent (columns)`."""
    where: str | None = None
    """The predicate of a partial unique rule."""
    nulls_distinct: bool = True
    """False: NULL equals NULL under the new unique rule."""

    def __post_init__(self) -> None:
        if self.verb not in REMEDIES:
            raise PlanError(f"there is no step {self.verb!r}", hint=f"steps are {', '.join(REMEDIES)}")

    def __str__(self) -> str:
        tail = "" if self.nulls_distinct else " NULLS NOT DISTINCT"
        tail += f" WHERE {self.where}" if self.where else ""
        words = {
            "table": self.table,
            "columns": ", ".join(self.columns),
            "name": self.name or "",
            "type": self.type or "type to be told",
            "source": self.source or "a value to be told",
            "tail": tail,
        }
        return REMEDIES[self.verb].format(**words)


def remedy(
    verb: str,
    table: str,
    columns: str | Sequence[str] = (),
    *,
    name: str | None = None,
    type: str | None = None,
    source: str | None = None,
    where: str | None = None,
    nulls_distinct: bool = True,
) -> Remedy:
    """A remedy, with one column or several."""
    named = (columns,) if isinstance(columns, str) else tuple(columns)
    return Remedy(verb, table, named, name, type, source, where, nulls_distinct)
