"""Rows of a difference as blocks of a plan: each value as the target holds it, and the rows that it cannot hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb.changes import ColumnPair, RowSet, TableDiff
from syncnb.planning.filling import filled_by_database
from syncnb.planning.parts import or_else
from syncnb.planning.rekeying import Rekeying
from syncnb.schema import Column, Table
from syncnb.steps import Block, Verb
from syncnb.values.raw import concat
from syncnb.values.sides import Side, other_side
from syncnb.values.writing import write_column

__all__ = ["Forming", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """Rows of a difference that shall be written alike."""

    columns: Sequence[int]
    """The places of the columns that are written, or guarded."""
    rows: "np.ndarray[Any, Any]"
    """Their numbers in `target` and in `source`."""
    why: str | list[str]
    """One reason, or one for each row."""
    target: RowSet | None = None
    """The rows that are there; None for those that are inserted."""
    source: RowSet | None = None
    """What they shall be; None for those that are deleted."""

    @property
    def verb(self) -> Verb:
        if self.source is None:
            return "delete"
        return "insert" if self.target is None else "update"

    @property
    def shown(self) -> RowSet:
        """The side by which a person is told of a row."""
        return self.source or self.target or RowSet(())


@dataclass
class Forming:
    """The rows of one table, on their way into the target."""

    diff: TableDiff
    side: Side
    """Which one is written."""
    table: Table
    dialect: str
    rekeying: Rekeying
    outside: bool
    """Whether the source is no database: then it is told which columns the target fills."""
    lossy: dict[str, int] = field(default_factory=dict)
    """By column of the target: how many values it cannot hold exactly."""

    @property
    def writable(self) -> list[int]:
        """The places of the columns that the target does not compute."""
        return [at for at, column in enumerate(self._columns) if column.on(self.side).generated is None]

    def block(self, wanted: Wanted) -> tuple[Block | None, dict[int, str]]:
        """These rows, without those whose values cannot be written: by their place in `wanted.rows`, and why."""
        columns, rows, target, source = wanted.columns, wanted.rows, wanted.target, wanted.source
        take = pa.array(rows, pa.int64())
        key_at = [self._columns.index(column) for column in self.diff.pair.key]
        before = {at: target.columns[at].take(take) for at in {*columns, *key_at}} if target else {}
        after: dict[int, pa.Array] = {}
        refused: dict[int, str] = {}
        if source:
            for at in columns:
                after[at], problems = self._written(at, source, take, before.get(at))
                refused |= problems
                if (
                    source.ungiven is not None
                    and at in before
                    and (lacking := source.ungiven[rows, at]).any()
                ):
                    after[at] = or_else(after[at], before[at], lacking)
        keys = tuple((before if target else after)[at] for at in key_at)
        names = tuple(self._columns[at].on(self.side).name for at in columns)
        block = Block(
            table=self.table.label,
            verb=wanted.verb,
            key=tuple(self._columns[at].on(self.side).name for at in key_at),
            columns=names,
            keys=keys,
            before=tuple(before[at] for at in columns) if target else (),
            after=tuple(after[at] for at in columns) if source else (),
            why=wanted.why if isinstance(wanted.why, str) else "",
            whys=() if isinstance(wanted.why, str) else tuple(wanted.why),
            path=(self.table.schema, self.table.name) if self.table.schema else (self.table.name,),
            defaults=filled_by_database(self.table, names)
            if wanted.verb == "insert" and self.outside
            else (),
        )
        kept = [row for row in range(len(rows)) if row not in refused]
        if not kept:
            return None, refused
        return block if len(kept) == len(rows) else block.take(pa.array(kept, pa.int64())), refused

    @property
    def _columns(self) -> tuple[ColumnPair, ...]:
        return self.diff.pair.columns

    def _written(
        self, at: int, source: RowSet, take: pa.Array, before: pa.Array | None
    ) -> tuple[pa.Array, dict[int, str]]:
        """One column in the target's form, and the rows whose value cannot be written, with the reason."""
        column, target, came_from = self._columns[at], self._columns[at].on(self.side), other_side(self.side)
        there = [
            rows.columns[at]
            for rows in (self.diff.changed(self.side), self.diff.alone(self.side))
            if rows.columns
        ]
        values, nowhere = self.rekeying.column(self.diff, at, source.columns[at].take(take))
        written = write_column(
            column.rule,
            values,
            came_from,
            target,
            self.dialect,
            source=column.on(came_from),
            before=before,
            sample=concat(there),
            strict=self._strict(target),
        )
        key = column in self.diff.pair.key  # a key that became another would be another row
        lossy = sum(problem.what == "lossy" for problem in written.problems)
        if lossy and not key:
            self.lossy[target.name] = self.lossy.get(target.name, 0) + lossy
        refused = {
            p.row: f"column {target.name}: {p.why}" for p in written.problems if key or p.what == "refused"
        }
        return written.array, refused | nowhere

    def _strict(self, column: Column) -> bool:
        """Whether SQLite refuses values that are not of the column's type."""
        rowid = self.table.primary_key == (column.name,) and column.type.upper() == "INTEGER"
        return "STRICT" in self.table.options or rowid
