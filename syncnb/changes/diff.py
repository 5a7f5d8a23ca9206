"""What differs between two stores: one value for all tables."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa

from syncnb.changes.conflicts import ConflictClass, conflicts_frame
from syncnb.changes.table_diff import TableDiff, Verdict
from syncnb.errors import SchemaError
from syncnb.rendering import Cell, Sheet, frame
from syncnb.schema import fold

__all__ = ["Diff"]

HOW = {
    "strategy": pa.string(), "why": pa.string(), "rows": pa.int64(), "seconds": pa.float64(),
    "rounds": pa.int64(), "bytes": pa.int64(),
}  # fmt: skip
LOOKS = {"equal": "good", "equal_except": "partial", "different": "bad"}


@dataclass(frozen=True)
class Diff(Mapping[str, TableDiff]):
    """All differences between two stores, table by table: `d["hosts"].rows`, `d.summary`.

    A fact: it takes no side, and later changes of either database do not change it.
    """

    local: str
    """The local store's name."""
    remote: str
    tables: tuple[TableDiff, ...]
    unmatched_local: tuple[str, ...] = ()
    """Tables that only the local store has."""
    unmatched_remote: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    clocks_apart: timedelta = field(default=timedelta(0), repr=False, compare=False)
    """How far the clocks of the two sides and of this machine are apart, as measured; 0 where nothing showed."""
    stores: tuple[Any, Any] | None = field(default=None, repr=False, compare=False)
    """The two stores compared: how to open them, nothing open."""

    def __getitem__(self, name: str) -> TableDiff:
        for wanted in (
            [t for t in self.tables if name == t.pair.local.label],
            [t for t in self.tables if name in (t.pair.remote.label, t.pair.local.name, t.pair.remote.name)],
            [t for t in self.tables if fold(name) in (fold(t.pair.local.name), fold(t.pair.remote.name))],
        ):
            if len(wanted) == 1:
                return wanted[0]
        raise SchemaError(f"no table {name!r} was compared", hint=f"compared: {', '.join(self) or 'none'}")

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and bool(self[name])
        except SchemaError:
            return False

    def __iter__(self) -> Iterator[str]:
        return (table.name for table in self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def verdict(self) -> Verdict:
        """`equal` only when every column of every row of every table was compared and is the same."""
        verdicts = {table.verdict for table in self.tables}
        if "different" in verdicts:
            return "different"
        partly = "equal_except" in verdicts or self.unmatched_local or self.unmatched_remote
        return "equal_except" if partly else "equal"

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A line a table: rows, what is same, changed and only on one side, and how far the verdict reaches.

        `by_rule` counts cells that are equal only thanks to a rule (3.0 and 3.00).
        """
        columns: dict[str, list[Any]] = {name: [] for name in SUMMARY}
        for table in self.tables:
            for name, value in zip(SUMMARY, _summary_row(table), strict=True):
                columns[name].append(value)
        return frame(
            {
                name: pa.array(values, pa.string() if name in TEXTS else pa.int64())
                for name, values in columns.items()
            }
        )

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """Ids that do not mean the same thing on both sides, and rows that both have changed, a line each.

        Columns: table, class, local_id, remote_id, natural_key, local, remote, local_children,
        remote_children, why. class: `id collision` (one id, two things), `twin` (one thing, two ids),
        `rename or collision` (nobody can tell: `ids=` of `diff` does), `renamed`, `duplicate natural key`,
        `natural key is NULL`;
        where it is known what both last agreed on, also `both updated` and `deleted and updated`.
        """
        return conflicts_frame(conflict for table in self.tables for conflict in table.conflicts)

    @cached_property
    def how(self) -> pd.DataFrame:
        """How each table was compared: strategy, why, rows, seconds, rounds, bytes.

        rounds and bytes: questions one after the other, and what went to and fro for them, as far as that is
        counted (`digests`).
        """
        told: dict[str, Any] = {"table": pa.array([table.name for table in self.tables], pa.string())}
        for name, kind in HOW.items():
            told[name] = pa.array([table.how.get(name) for table in self.tables], kind)
        return frame(told)

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(str(value), _look(name, value))
                for name, value in zip(SUMMARY, _summary_row(table), strict=True)
                if name in IN_SHEET
            ]
            for table in self.tables
        ]
        notes = [f"{table.name}: {note}" for table in self.tables for note in _row_notes(table)]
        notes += [f"{table.name}: {entry}" for table in self.tables for entry in table.uncompared]
        for side, names in (("local", self.unmatched_local), ("remote", self.unmatched_remote)):
            if names:
                notes.append(f"only in {side}, not compared: {', '.join(names)}")
        title = f"{self.local} against {self.remote}: {self.verdict}"
        return Sheet(title, [name.replace("_", " ") for name in IN_SHEET], rows, [*notes, *self.notes])

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def _row_notes(table: TableDiff) -> Iterator[str]:
    if table.ids.mapped:
        rows = "1 row is" if table.ids.mapped == 1 else f"{table.ids.mapped:,} rows are"
        yield f"{rows} the same under another id (mapped)"
    if table.accepted:
        rows = "1 row differs" if len(table.accepted) == 1 else f"{len(table.accepted):,} rows differ"
        yield f"{rows} and {'is' if len(table.accepted) == 1 else 'are'} accepted (.accepted_rows)"
    kinds = table.conflicts.counted
    for values, words in (
        (False, "same id is not always same thing"),
        (True, "both sides changed it since they agreed"),
    ):
        found = [f"{n:,} {kind.value}" for kind, n in kinds.items() if (kind in OF_VALUES) is values]
        if found:
            yield f"{words}: {', '.join(found)} (.conflicts)"


OF_VALUES = (ConflictClass.UPDATED, ConflictClass.DELETED)

SUMMARY = (
    "table", "key", "rows_local", "rows_remote", "same", "changed", "only_local", "only_remote",
    "conflicts", "accepted", "uncompared", "verdict", "by_rule",
)  # fmt: skip
TEXTS = ("table", "key", "verdict")
IN_SHEET = (
    "table",
    "key",
    "rows_local",
    "rows_remote",
    "same",
    "changed",
    "only_local",
    "only_remote",
    "verdict",
)


def _summary_row(table: TableDiff) -> tuple[Any, ...]:
    counts = table.counts
    return (
        table.name, ", ".join(table.pair.key_names), counts.rows_local, counts.rows_remote, counts.same,
        counts.changed, counts.only_local, counts.only_remote, len(table.conflicts), counts.accepted,
        counts.uncompared_local + counts.uncompared_remote, table.verdict, sum(table.by_rule.values()),
    )  # fmt: skip


def _look(name: str, value: Any) -> str:
    if name == "verdict":
        return LOOKS[value]
    return "" if name in TEXTS else "number"
