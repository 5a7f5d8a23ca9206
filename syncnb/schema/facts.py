"""The facts themselves: columns, rules, references, tables and schemas."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from syncnb.errors import SchemaError
from syncnb.rendering import Sheet
from syncnb.schema import sheets

__all__ = ["Column", "ForeignKey", "Schema", "Table", "Trigger", "UniqueRule", "fold"]

TableType = Literal["table", "partitioned table", "view", "materialized view", "foreign table", "frame"]


def fold(name: str) -> str:
    """A name without case, `_`, spaces and punctuation: `InvoiceLine` and `invoice_line` fold alike.

    A name made of nothing else (such as `%`) folds to itself.
    """
    return re.sub(r"[\W_]+", "", name.casefold()) or name


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the catalogue has it."""

    name: str
    type: str
    """As declared: `numeric(10,2)`, `NVARCHAR(160)`, or empty."""
    kind: str
    """What its values are: a `syncnb.values.Kind`."""
    nullable: bool = True
    default: str | None = None
    generated: str | None = None
    """The expression of a generated column."""
    identity: Literal["always", "by default"] | None = None
    collation: str | None = None
    """Where it is not the database's own."""
    readable: bool = True
    """False where this role may not SELECT it."""


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """A primary key, unique constraint or unique index."""

    name: str
    columns: tuple[str, ...]
    """Plain key columns in order; empty where `expressions` says more."""
    primary: bool = False
    expressions: tuple[str, ...] = ()
    """All key parts as text, where at least one is an expression."""
    where: str | None = None
    """The predicate of a partial index."""
    nulls_distinct: bool = True
    valid: bool = True
    deferrable: bool = False
    constraint: bool = True
    """False for a bare unique index."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference from `columns` here to `parent_columns` of `parent`."""

    name: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    on_update: str = "NO ACTION"
    deferrable: bool = False
    deferred: bool = False
    """Looked at when the transaction ends, unless told otherwise."""
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that a person made (not the ones behind foreign keys)."""

    name: str
    definition: str
    enabled: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """A table, view or frame and everything that its catalogue says about it."""

    name: str
    columns: tuple[Column, ...]
    schema: str | None = None
    """PostgreSQL's schema; None for SQLite and frames."""
    visible: bool = True
    """Found by its bare name (on the search path)."""
    type: TableType = "table"
    rules: tuple[UniqueRule, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[str, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    row_security: bool = False
    """True where policies hide rows from this role."""
    options: tuple[str, ...] = ()
    """Such as STRICT, WITHOUT ROWID, AUTOINCREMENT."""
    text_order: Literal["code point", "other"] = "code point"
    """How BINARY / "C" orders text: other in a UTF-16 SQLite file."""
    text_encoding: str = "utf-8"
    """As its text arrives: utf-8, unchecked where the database promises nothing (SQL_ASCII), or its own encoding."""

    @property
    def label(self) -> str:
        """The name a person uses: bare where that finds it, else with its schema."""
        return self.name if self.visible or self.schema is None else f"{self.schema}.{self.name}"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key; empty where there is none."""
        return next((rule.columns for rule in self.rules if rule.primary), ())

    @property
    def natural_rules(self) -> tuple[UniqueRule, ...]:
        """The unique rules by which a row can be known without its id: of columns alone, and of all rows."""
        return tuple(
            rule
            for rule in self.rules
            if rule.columns and rule.valid and not (rule.primary or rule.expressions or rule.where)
        )

    def _sheet(self) -> Sheet:
        return sheets.table_sheet(self)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()

    @property
    def is_view(self) -> bool:
        return self.type in ("view", "materialized view")

    def column(self, name: str) -> Column:
        """The column of that name. Raises SchemaError with the names there are."""
        for column in self.columns:
            if column.name == name:
                return column
        raise SchemaError(
            f"{self.label} has no column {name!r}",
            hint=f"its columns are {', '.join(column.name for column in self.columns)}",
        )


@dataclass(frozen=True, slots=True, repr=False)
class Schema:
    """All tables that one store shows, in name order."""

    tables: tuple[Table, ...]

    def _sheet(self) -> Sheet:
        return sheets.overview("", self)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __getitem__(self, name: str) -> Table:
        return self.find(name)

    def find(self, name: str) -> Table:
        """The table of that name: as written, with its schema, or else regardless of case and `_`.

        Raises SchemaError where there is none, or where the name folds onto several.
        """
        for wanted in (
            [t for t in self.tables if name == t.label],
            [t for t in self.tables if name in (t.name, f"{t.schema}.{t.name}")],
            [t for t in self.tables if fold(name) in (fold(t.label), fold(t.name))],
        ):
            if len(wanted) == 1:
                return wanted[0]
            if wanted:
                raise SchemaError(
                    f"{name!r} could be {' or '.join(table.label for table in wanted)}",
                    hint="write the name exactly as one of them",
                )
        hint = f"tables here: {', '.join(table.label for table in self.tables) or 'none'}"
        schema = name.rpartition(".")[0]
        if schema and all(schema != table.schema for table in self.tables):
            hint += f"; schemas=[{schema!r}] looks into that schema too"
        raise SchemaError(f"there is no table {name!r}", hint=hint)
