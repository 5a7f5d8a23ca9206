"""What waits to be passed on: keys, not values, and what is known of each."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from syncnb.rendering import Cell, Sheet, frame
from syncnb.tracking.checking import Gap, Mark
from syncnb.values.raw import Raw
from syncnb.values.reading import as_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Key", "Pending", "Touched"]

Key = tuple[Raw, ...]
IN_SIGHT = 20
COLUMNS = ("table", "key", "first", "last", "times", "what", "told", "since", "at")


@dataclass(frozen=True, slots=True)
class Touched:
    """One row that somebody touched, once or often."""

    table: str
    key: Key
    columns: tuple[str, ...]
    """The names of the key's columns."""
    first: int
    """The number in the log of its first change that was not acknowledged."""
    last: int
    """The number of its last one: acknowledging it leaves any later one in the log."""
    times: int
    present: bool
    """Whether the row is there now."""
    since: str | None = None
    """When it was first touched, as the log has it: the age of the backlog."""
    at: str | None = None
    """When it was last touched, as the log has it."""
    told: str | None = None
    """The operation that a queue such as `sync_tracking` told; a log of keys tells none."""
    in_base: bool | None = None
    """Whether both sides had agreed on the row before; None where nobody remembers."""

    @property
    def what(self) -> str:
        """What happened in sum, whatever the single steps were: inserted and deleted again is nothing."""
        if self.in_base is None:
            return "there" if self.present else "gone"
        if self.in_base:
            return "update" if self.present else "delete"
        return "insert" if self.present else "nothing"

    @property
    def key_text(self) -> str:
        parts = [as_text(value) for value in self.key]
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


@dataclass(frozen=True, repr=False)
class Pending:
    """Rows of a local store that changed since they were last acknowledged, in the order of their first change."""

    store: str
    source: str
    """`capture`: our triggers. Else the table that told it, such as `sync_tracking`."""
    rows: tuple[Touched, ...]
    gaps: tuple[Gap, ...] = ()
    """What the log may lack."""
    mark: Mark | None = None
    """Where the log stood when this was read."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Touched]:
        return iter(self.rows)

    @property
    def complete(self) -> bool:
        """Whether every change is in it. If not, only a full diff knows what else changed."""
        return not any(gap.lost for gap in self.gaps)

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that have pending rows, in order of appearance."""
        return tuple(dict.fromkeys(row.table for row in self.rows))

    def of(self, table: str) -> tuple[Touched, ...]:
        """The pending rows of one table."""
        return tuple(row for row in self.rows if row.table == table)

    def against(self, base: Mapping[str, Collection[Key]]) -> "Pending":
        """The same, knowing which keys both sides had agreed on: then `what` is insert, update, delete or nothing.

        A table that `base` does not name stays as it was.
        """
        known = tuple(
            replace(row, in_base=row.key in base[row.table]) if row.table in base else row
            for row in self.rows
        )
        return replace(self, rows=known)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A line a row: table, key, first, last, times, what, told, since, at."""
        import pyarrow as pa

        def column(name: str) -> "pa.Array":
            values = [getattr(row, "key_text" if name == "key" else name) for row in self.rows]
            return pa.array(values, pa.int64() if name in ("first", "last", "times") else pa.string())

        return frame({name: column(name) for name in COLUMNS})

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(row.table),
                Cell(row.key_text, "key"),
                *(Cell(str(number), "number") for number in (row.first, row.last, row.times)),
                Cell(row.what),
                Cell(row.told, "") if row.told else Cell("", "absent"),
            ]
            for row in self.rows[:IN_SIGHT]
        ]
        count = len(self.rows)
        told = (
            "nothing is pending"
            if not count
            else "1 row is pending"
            if count == 1
            else f"{count:,} rows are pending"
        )
        notes = [f"… {count - IN_SIGHT:,} more: see .frame"] if count > IN_SIGHT else []
        notes += [str(gap) for gap in self.gaps]
        notes += [] if self.complete else ["changes may be missing here: compare whole (sn.diff)"]
        headers = ("table", "key", "first", "last", "times", "what", "told")
        return Sheet(f"{self.store}: {told} ({self.source})", headers if rows else (), rows, notes)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()
