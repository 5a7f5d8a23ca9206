"""What stands in the way of writing rows one after another: values handed on, and references in a circle."""

from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

__all__ = ["Contest", "Cut"]


@dataclass(frozen=True, slots=True)
class Contest:
    """A unique rule of which one row of a plan takes a value that another one gives up."""

    table: str
    rule: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    """What their values are, in the same order."""
    nulls_distinct: bool = True
    deferrable: bool = False
    """The database can look at it when the transaction ends."""
    tied: tuple[str, ...] = ()
    """Columns that refer to rows which the plan inserts: who changes one of them cannot come before those."""
    referred: bool = False
    """Rows of the plan refer to rows of this table, so that none of these is deleted before them."""
    column: str = ""
    """Where a row is parked that is in the way; empty where it cannot be."""
    why_not: str = ""
    spares: pa.Array = field(default_factory=lambda: pa.nulls(0))
    """Values of that column that nobody has, one for each row that may have to be parked."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A reference that has to wait, because its tables refer to each other in a circle."""

    table: str
    name: str
    """The foreign key, as the database calls it; SQLite's may have no name."""
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    """What their values are, in the same order."""
    parent: str
    parent_columns: tuple[str, ...]
    how: Literal["deferred", "later", "never"]
    """The database looks at it when the transaction ends; it is NULL at first and set later; neither is possible."""
    empty: tuple[str, ...] = ()
    """later: which of its columns are NULL at first."""
