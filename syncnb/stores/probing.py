"""What a diagnosis asks of a snapshot. It reads, counts and lets the engine plan; it never writes.

Engines differ in what they can be asked, so each answer may be "unknown" (None, or nothing found).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import pyarrow as pa

from syncnb.schema import ForeignKey, Table
from syncnb.stores.sqlite_text import TOKEN

__all__ = [
    "Arbiters", "Groups", "IndexFacts", "Prober", "Probing", "SequenceFacts", "Surroundings", "Trial", "Unfit",
    "is_bound", "is_expression",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """One index, unique or not, with all that decides whether an upsert can use it."""

    name: str
    parts: tuple[str, ...]
    """Key parts in order: a column's name, or the text of an expression."""
    plain: tuple[bool, ...]
    """For each part, whether it is a column."""
    unique: bool = True
    primary: bool = False
    valid: bool = True
    ready: bool = True
    """False: it takes no new rows yet, so it does not even reject duplicates."""
    building: bool = False
    """A build is still running."""
    deferrable: bool = False
    exclusion: bool = False
    constraint: str | None = None
    """The constraint it stands behind."""
    where: str | None = None
    nulls_distinct: bool = True
    collations: tuple[str | None, ...] = ()
    """For each part, where it is not the column's own."""
    opclasses: tuple[str | None, ...] = ()
    """For each part, where it is not the type's default."""
    partition: str | None = None
    """The partition that has it, where the table itself does not."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The plain columns among the parts."""
        return tuple(part for part, plain in zip(self.parts, self.plain, strict=True) if plain)


@dataclass(frozen=True, slots=True)
class Arbiters:
    """What the engine itself says about a conflict target."""

    matches: bool
    names: tuple[str, ...] | None = None
    """The indexes that it would use; None where it does not say which."""
    code: str | None = None
    why: str = ""
    """Its own words, where it refuses."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of rows: how many, how many rows in them, and the first few as text with their count."""

    groups: int = 0
    rows: int = 0
    columns: tuple[str, ...] = ()
    samples: tuple[tuple[str | int | None, ...], ...] = ()
    """Values of `columns` as text, and last the number of rows."""


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """The sequence behind a column."""

    column: str
    name: str
    next: int
    """What it would give next."""
    greatest: int | None
    """The greatest value of the column; None in an empty table."""
    most: int

    @property
    def behind(self) -> bool:
        """Whether the next value is taken, or lies below one that is."""
        return self.greatest is not None and self.next <= self.greatest


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What else stands around a table and changes what a write does."""

    rules: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    not_valid: tuple[tuple[str, str], ...] = ()
    """Constraints that were never validated: name and definition."""
    rebuilt: bool = False
    """SQLite: its text shows that another table was renamed into its place."""
    referring: tuple[tuple[str, ForeignKey], ...] = ()


@dataclass(frozen=True, slots=True)
class Unfit:
    """A value that the type of its column does not take."""

    row: int
    column: str
    code: str
    why: str


class Trial(Protocol):
    """Given rows, held against a table by the engine's own types, collations and checks."""

    def unfit(self) -> list[Unfit]:
        """Values that do not become the type of their column. The other questions leave these out."""
        ...

    def failing(self, check: str) -> list[int]:
        """Rows for which a CHECK, as the catalogue has it, is false."""
        ...

    def repeated(self, index: IndexFacts) -> list[tuple[int, ...]]:
        """Groups of rows that are one under this index."""
        ...

    def present(self, index: IndexFacts) -> dict[int, tuple[str, ...]]:
        """For each row that the table has under this index, that row's identity as text."""
        ...

    def without_parent(self, key: ForeignKey, parent: Table) -> list[int]:
        """Rows whose parent is not in the database."""
        ...


class Prober(Protocol):
    """Questions about one snapshot."""

    @property
    def nulls_can_be_equal(self) -> bool:
        """Whether a unique rule may count NULL as equal to NULL: NULLS NOT DISTINCT."""
        ...

    def settings(self) -> Mapping[str, str]:
        """Who, where, which version, which limits."""
        ...

    def indexes(self, table: Table) -> tuple[IndexFacts, ...]:
        """All indexes of a table, and those of its partitions that it lacks."""
        ...

    def arbiters(self, table: Table, target: Sequence[str], where: str | None) -> Arbiters | None:
        """Let the engine plan an upsert with this target. None where it cannot be asked.

        Each part is a column's name, or an expression that `is_expression` lets pass.
        """
        ...

    def counts(self, table: Table, columns: Sequence[str]) -> tuple[int, dict[str, int]]:
        """All rows, and how many are NULL in each column."""
        ...

    def duplicates(self, table: Table, columns: Sequence[str], *, nulls_equal: bool) -> Groups:
        """Rows that agree in these columns, as the engine compares them."""
        ...

    def orphans(self, table: Table, key: ForeignKey, parent: Table) -> Groups:
        """Rows that refer to nothing, by the values they refer to."""
        ...

    def find(
        self, table: Table, columns: Sequence[str], values: Sequence[str | None]
    ) -> list[dict[str, str | None]]:
        """At most five rows with these values, all columns as text. NULL finds NULL."""
        ...

    def sequences(self, table: Table) -> tuple[SequenceFacts, ...]:
        """The sequences behind its columns that this role may look at."""
        ...

    def surroundings(self, table: Table) -> Surroundings:
        """Rules, policies, constraints that were not validated."""
        ...

    def elsewhere(self, name: str) -> list[str]:
        """Tables of that name in any schema, with their schema."""
        ...

    def table_of(self, constraint: str) -> list[str]:
        """Tables that have a constraint or index of that name."""
        ...

    def breaking(self, table: Table, check: str) -> int:
        """How many rows break a CHECK, as the catalogue has it."""
        ...

    def trial(self, table: Table, batch: pa.RecordBatch) -> Trial:
        """Hold these rows, in raw form and by the names of the table's columns, against it."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A reader that can be asked. A reader of frames cannot."""

    def probe(self) -> Prober:
        """Questions about this snapshot; they end with it."""
        ...


FORBIDDEN = frozenset(
    {
        *("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "FROM", "VALUES", "TABLE", "DO", "ON", "CONFLICT"),
        *("RETURNING", "UNION", "INTO", "DROP", "ALTER"),
    }
)
BOUND = frozenset("?%$@:")


@dataclass(slots=True)
class _Words:
    """What an expression is made of, outside its quotes."""

    marks: str = ""
    words: set[str] = field(default_factory=set)


def _words(text: str) -> _Words:
    found = _Words()
    for match in TOKEN.finditer(text):
        if match.lastgroup == "word":
            found.words.add(match.group().upper())
        elif match.lastgroup == "mark":
            found.marks += match.group()
        elif match.lastgroup == "space" and not match.group().isspace():
            found.marks += ";"  # a comment: nothing that belongs into a conflict target
    return found


def is_bound(text: str) -> bool:
    """Whether it holds a bound parameter: `$1`, `?`, `%s`, `%(name)s`, `:name`, `@name`."""
    return bool(BOUND & set(_words(text).marks.replace("::", "")))


def is_expression(text: str) -> bool:
    """Whether a text can be nothing but one expression, so that it may stand in a conflict target.

    A pasted log is nobody's friend: no second statement, comment, subquery, parameter or escape passes.
    """
    if "\\" in text or not text.strip() or len(text) > 2000:
        return False
    found = _words(text)
    depth = 0
    for mark in found.marks:
        depth += (mark == "(") - (mark == ")")
        if depth < 0:
            return False
    quotes = set(found.marks) & set("'\"`[]")
    return not (depth or quotes or ";" in found.marks or is_bound(text) or FORBIDDEN & found.words)
