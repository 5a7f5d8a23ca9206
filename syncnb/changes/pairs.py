"""Which table meets which, column by column, and by what rule."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from syncnb.schema import Column, Table
from syncnb.values.rules import Rule
from syncnb.values.sides import Side, of_side

__all__ = ["ColumnPair", "Link", "TablePair", "Uncompared"]


@dataclass(frozen=True, slots=True)
class Uncompared:
    """Something that a verdict does not cover, and why."""

    what: Literal["column", "rows"]
    name: str
    """The column, or a word for the rows."""
    rows: int | None
    """How many rows it concerns; None where nobody can know."""
    why: str

    def __str__(self) -> str:
        name = "" if self.name == self.what else f"{self.what} {self.name} "
        count = "some rows" if self.rows is None else f"{self.rows:,} rows"
        return f"{name}({count}) not compared: {self.why}" if name else f"{count} not compared: {self.why}"


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """A local column and the remote one that holds the same fact."""

    local: Column
    remote: Column
    rule: Rule
    tolerance: Decimal | None = None
    """The greatest distance that counts as the same: in units, or in seconds for stamps."""

    @property
    def name(self) -> str:
        """What the pair is called in every frame: the local name."""
        return self.local.name

    def on(self, side: Side) -> Column:
        """The column of one side."""
        return of_side(side, self.local, self.remote)


@dataclass(frozen=True, slots=True)
class Link:
    """A column that holds ids of another compared table."""

    column: ColumnPair
    parent: str
    """The name of that table's pair."""


@dataclass(frozen=True, slots=True)
class TablePair:
    """A local table and the remote one that holds the same rows."""

    local: Table
    remote: Table
    columns: tuple[ColumnPair, ...]
    """All that are compared, the key among them, in local order."""
    key: tuple[ColumnPair, ...]
    """What identifies a row; empty: rows are compared as a multiset."""
    key_from: str
    """Where the key comes from, in words."""
    nulls_match: bool = False
    """Whether NULL in the key matches NULL: told keys, and rules that are NULLS NOT DISTINCT."""
    left_out: tuple[Uncompared, ...] = ()
    """Columns that cannot or shall not be compared."""
    surrogate: bool = False
    """Whether the key is an id that a machine made, which need not mean the same thing on both sides."""
    natural: tuple[ColumnPair, ...] = ()
    """What identifies the thing behind a surrogate id; empty where nothing does."""
    natural_from: str = ""
    """Where the natural key comes from, in words."""
    links: tuple[Link, ...] = ()
    """The columns that hold ids of other compared tables, or of this one."""
    touch: tuple[str, ...] = ()
    """Columns of remote that a plan stamps in every row that local has."""

    @property
    def name(self) -> str:
        """What the pair is called: the local name."""
        return self.local.label

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.key)

    def on(self, side: Side) -> Table:
        """The table of one side."""
        return of_side(side, self.local, self.remote)
