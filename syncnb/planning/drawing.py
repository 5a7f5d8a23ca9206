"""The verb `plan`: from differences and a policy to what shall be written into one side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb import clock
from syncnb.changes import ColumnPair, Diff, RowSet, TableDiff
from syncnb.changes.ids import names
from syncnb.changes.keys import key_text
from syncnb.errors import PlanError
from syncnb.journal import journal_for
from syncnb.matching import families
from syncnb.planning.admitting import Admitted
from syncnb.planning.arranging import arranged
from syncnb.planning.beside import with_beside
from syncnb.planning.fingerprint import fingerprint
from syncnb.planning.hazards import hazards_of, journal_notes
from syncnb.planning.plans import OpenRow, Plan
from syncnb.planning.previewing import key_of
from syncnb.planning.rekeying import RENAME, Collisions, Rekeying, check_collisions
from syncnb.planning.sides import greatest, identity_of, present_schema, side_of, target_of
from syncnb.planning.whole_rows import rest_of_rows
from syncnb.resolving import Decisions, Policy, check_tables, decide
from syncnb.schema import Column, Schema, Table
from syncnb.steps import Block, Hazard, Verb
from syncnb.stores.port import Store, WritableStore
from syncnb.values.raw import concat, to_python
from syncnb.values.rules import Side
from syncnb.values.writing import write_column

__all__ = ["plan"]


def plan(
    d: Diff,
    *,
    into: Store,
    resolve: Policy = None,
    deletes: bool = False,
    collisions: Collisions = None,
) -> Plan:
    """What shall be written into one side, so that it agrees with the other as far as was decided.

    d: the differences. into: one of the two stores that were compared; only it will be written.
    resolve: who wins where a row differs: `sn.take_local`, `sn.take_remote`, `sn.insert_only`,
        `sn.newest(column)`, or `{table: policy, "*": policy}`. By default nobody: rows that differ stay
        open, and only rows that the target lacks are inserted.
    deletes: whether rows that only the target has are deleted.
    collisions: what becomes of ids that are different things on the two sides. `"keep_both"`: the arriving row
        gets a fresh id in the target, and what refers to it follows. `"rename"`: where nobody can tell whether
        a row was renamed, it was. Both in a list, or `{table: ...}`. By default such rows stay open.

    Rows that exchange unique values and tables that refer to each other in a circle are solved, with steps of
    their own where the database cannot wait. A row whose unique value another row of the target has stays open,
    with that row named.

    Reads the target's catalogue and looks up single rows, writes nothing. Raises PlanError where the tables
    have changed since the diff.
    """
    side = side_of(d, into)
    if not isinstance(into, WritableStore):
        raise PlanError(f"{into.name} cannot be written to", hint="plan into the database, not into a frame")
    schema = present_schema(d, side, into)
    check_tables(resolve, [table.pair for table in d.tables])
    check_collisions(collisions)
    source: Side = "remote" if side == "local" else "local"
    rekeying = Rekeying(d, source, collisions, lambda pair: greatest(d, pair))
    drawn = list(_drawn(d, side, schema, into, rekeying))
    for drawing in drawn:
        drawing.draw(resolve, deletes=deletes)
    drawn.sort(key=lambda drawing: d.tables.index(drawing.diff))
    admitted = [Admitted(drawing.table, drawing.blocks, drawing.undecided) for drawing in drawn]
    order = arranged(admitted, schema, into)
    for drawing, rows in zip(drawn, admitted, strict=True):
        drawing.admit(rows)
    after_run, lacking = journal_for(into)
    return Plan(
        target=into.identity(),
        into=side,
        source=d.remote if side == "local" else d.local,
        fingerprint={
            drawing.table.label: fingerprint(drawing.table) for drawing in drawn if drawing.concerned
        },
        order=order.order,
        sizes={drawing.table.label: drawing.rows for drawing in drawn if drawing.concerned},
        columns={drawing.table.label: drawing.table.columns for drawing in drawn if drawing.concerned},
        blocks=order.ordered.blocks,
        undecided=tuple(block for drawing in drawn for block in drawing.undecided),
        hazards=tuple(hazard for drawing in drawn for hazard in drawing.all_hazards(schema)),
        open=tuple(row for drawing in drawn for row in drawing.open),
        after_run=after_run,
        notes=(
            *dict.fromkeys([*(note for drawing in drawn for note in drawing.notes), *order.ordered.notes]),
            *journal_notes(lacking),
        ),
        contests=tuple(order.contests),
        cuts=order.cuts,
        deferred=order.ordered.deferred,
        maps=tuple(
            found for drawing in drawn if (found := rekeying.maps(drawing.diff, drawing.table)) is not None
        ),
        source_id=identity_of(d, source),
    )


def _drawn(d: Diff, side: Side, schema: Schema, into: Store, rekeying: Rekeying) -> "Iterator[_Drawing]":
    """The tables that differ, parents first, with what became of their ids."""
    by_name = {table.name: table for table in d.tables}
    for family in families([table.pair for table in d.tables]):
        different = [table for pair in family if (table := by_name[pair.name]).verdict == "different"]
        rekeying.arrive(different)
        for table in different:
            there = schema.find(target_of(table, side).label)
            yield _Drawing(table, side, there, into, rekeying, d.clocks_apart)


@dataclass
class _Drawing:
    """The plan of one table, while it is being drawn."""

    diff: TableDiff
    side: Side
    table: Table
    into: Store
    rekeying: Rekeying
    apart: timedelta
    """How far the clocks of the two sides are apart."""
    blocks: list[Block] = field(default_factory=list)
    """As decided, not yet in order."""
    undecided: list[Block] = field(default_factory=list)
    open: list[OpenRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lossy: dict[str, int] = field(default_factory=dict)

    @property
    def source(self) -> Side:
        return "remote" if self.side == "local" else "local"

    @property
    def rows(self) -> int:
        """How many rows the target's table holds."""
        counts = self.diff.counts
        return counts.rows_local if self.side == "local" else counts.rows_remote

    @property
    def concerned(self) -> bool:
        """Whether the plan writes this table, or may after a person's decision."""
        return bool(self.blocks or self.undecided)

    def draw(self, policy: Policy, *, deletes: bool) -> None:
        """Decide every differing row: a block, an open row or a note."""
        if not self.diff.pair.key:
            self._leave("a table without a key: no single row can be named")
            return
        self._updates(policy)
        self._inserts()
        self._deletes(deletes=deletes)
        fired = [trigger.name for trigger in self.table.triggers if trigger.enabled]
        if fired and self.concerned:
            self.notes.append(f"{self.table.label}: triggers fire: {', '.join(fired)}")

    def admit(self, found: Admitted) -> None:
        """Take over which rows can be written."""
        self.blocks, self.undecided = found.blocks, found.undecided
        for block, why in found.left:
            keys = zip(*map(to_python, block.keys), strict=True)
            self.open += [OpenRow(self.table.label, key_of(key), why, block.verb) for key in keys]
        later = [block for block in self.undecided if block.verb == "insert"]
        self.rekeying.forget(self.diff, [*later, *(block for block, _ in found.left)])

    def _deletes(self, *, deletes: bool) -> None:
        gone = self._rows_of(self.side)
        if not len(gone):
            return
        source = self.diff.pair.remote if self.side == "local" else self.diff.pair.local
        why = (
            "" if deletes else "deletes=True would delete them",
            "row-level security may hide them in the source" if source.row_security else "",
            "tables that inherit may hold more columns" if "HAS CHILDREN" in self.table.options else "",
            ""
            if all(c.readable for c in self.table.columns)
            else "this role cannot read all columns of them",
        )
        reasons = "; ".join(filter(None, why))
        if reasons:
            self.notes.append(
                f"{self.table.label}: {len(gone):,} rows that only the target has are kept: {reasons}"
            )
            return
        columns = [at for at in range(len(self._columns)) if self._writable(at)]
        self._whole_deletes(columns, gone, self._certain(gone), f"only in {self.side}")

    def _whole_deletes(
        self, columns: list[int], gone: RowSet, certain: "np.ndarray[Any, Any]", why: str
    ) -> None:
        """Deletes that guard every column, those too that were not compared: they are read now."""
        rest = self._left_out()
        if not rest:
            self.blocks += self._block("delete", columns, gone, None, certain, why)
            return
        names = [self._on_target(column).name for column in self._columns]
        chosen = [column.take(pa.array(certain)) for column in gone.columns]
        found, extra = rest_of_rows(self.into, self.table, names, chosen, rest) if len(certain) else ([], [])
        for block in self._block("delete", columns, gone, None, certain[found], why) if found else ():
            self.blocks.append(
                replace(block, columns=(*block.columns, *rest), before=(*block.before, *extra))
            )
        for at in np.delete(certain, found).tolist():
            self._open(gone, at, "it has changed since the diff: compare again")

    def _left_out(self) -> list[str]:
        """Columns of the target that the diff did not read, though they can be."""
        read = {self._on_target(column).name for column in self._columns}
        return [
            c.name for c in self.table.columns if c.readable and c.generated is None and c.name not in read
        ]

    def _certain(self, rows: RowSet) -> "np.ndarray[Any, Any]":
        """The rows of which it is known what they are."""
        unsure = self.diff.ids.unsure
        if not unsure:
            return np.arange(len(rows))
        at = self._columns.index(self.diff.pair.key[0])
        own = names(self._columns[at].rule, rows.columns[at], self.side).to_pylist()
        return np.array([row for row, name in enumerate(own) if name not in unsure], dtype=np.int64)

    def all_hazards(self, schema: Schema) -> Iterator[Hazard]:
        """Hazards of the values, then of the table."""
        for column, rows in self.lossy.items():
            yield Hazard(
                "lossy", self.table.label, rows, f"column {column} cannot hold {rows:,} values exactly"
            )
        yield from hazards_of(self.table, self.rows, self.blocks, schema, self.undecided)

    @property
    def _columns(self) -> tuple[ColumnPair, ...]:
        return self.diff.pair.columns

    def _on_target(self, column: ColumnPair) -> Column:
        return column.local if self.side == "local" else column.remote

    def _rows_of(self, side: Side) -> RowSet:
        return self.diff.only_local if side == "local" else self.diff.only_remote

    def _writable(self, at: int) -> bool:
        return self._on_target(self._columns[at]).generated is None

    def _leave(self, why: str) -> None:
        for mismatch in self.diff.mismatches():
            self.open.append(OpenRow(self.table.label, key_text(self.diff.pair, mismatch.key), why))

    def _updates(self, policy: Policy) -> None:
        diff = self.diff
        if not diff.counts.changed:
            return
        decisions = decide(diff, policy, clock_offset=self.apart, now=clock.now())
        self.notes += [f"{self.table.label}: {note}" for note in decisions.notes]
        decisions = self._held_back(decisions)
        chosen = np.flatnonzero(decisions.winner == (1 if self.source == "local" else -1))
        self.blocks += self._update_blocks(chosen, decisions)
        self.undecided += self._update_blocks(np.flatnonzero(decisions.open), decisions)
        kept = len(decisions) - len(chosen) - int(decisions.open.sum())
        if kept:
            self.notes.append(f"{self.table.label}: {kept:,} rows that differ stay as the target has them")

    def _held_back(self, decisions: Decisions) -> Decisions:
        """No policy decides a row of which nobody knows what it is."""
        words = self.rekeying.words(self.diff.pair)
        held = {
            row: conflict_why
            for row in np.flatnonzero(self.diff.unsure).tolist()
            if RENAME not in words
            for conflict_why in [
                "one thing, renamed, or two: .conflicts has the evidence, ids= in diff says it"
            ]
        }
        held |= self.rekeying.doubtful(self.diff, range(len(decisions)))
        return decisions.held_back(held)

    def _update_blocks(self, chosen: "np.ndarray[Any, Any]", decisions: Decisions) -> Iterator[Block]:
        """Rows that change the same columns go together, each with its own reason where there is one."""
        ours, theirs = self.diff.changed_local, self.diff.changed_remote
        target, source = (ours, theirs) if self.side == "local" else (theirs, ours)
        writable = np.array([self._writable(at) for at in range(len(self._columns))])
        masks = self.diff.differs[chosen] & writable
        if len(chosen):
            masks = with_beside(self.diff, self.side, self.table, chosen, masks)
        shapes, which = np.unique(masks, axis=0, return_inverse=True)
        for number, shape in enumerate(shapes):
            columns = [int(at) for at in np.flatnonzero(shape)]
            rows = chosen[which.reshape(-1) == number]
            if columns:
                whys = [decisions.why_of(row) for row in rows.tolist()]
                why: str | list[str] = whys if len(set(whys)) > 1 else whys[0]
                yield from self._block("update", columns, target, source, rows, why)

    def _inserts(self) -> None:
        source = self._rows_of(self.source)
        if not len(source):
            return
        names = {self._on_target(column).name for column in self._columns}
        needed = [
            column.name
            for column in self.table.columns
            if column.name not in names and not column.nullable and column.default is None
            if column.generated is None and column.identity is None
        ]
        if needed:
            why = f"column {needed[0]} of the target needs a value, has no default and was not compared"
            for at in range(len(source)):
                self._open(source, at, why)
            return
        columns = [at for at in range(len(self._columns)) if self._writable(at)]
        why = f"only in {self.source}"
        if rest := self._left_out():
            self.notes.append(
                f"{self.table.label}: inserts leave out {', '.join(rest)}: the database fills them (a default, or NULL)"
            )
        left = self.rekeying.kept_back(self.diff)
        for at, reason in left.items():
            self._open(source, at, reason)
        arriving = np.array([at for at in range(len(source)) if at not in left], dtype=np.int64)
        self.blocks += self._block("insert", columns, None, source, arriving, why)

    def _open(self, rows: RowSet, at: int, why: str) -> None:
        row = rows.row(at)
        key = [row[self._columns.index(column)] for column in self.diff.pair.key]
        self.open.append(OpenRow(self.table.label, key_text(self.diff.pair, key), why))

    def _written(
        self, at: int, source: RowSet, take: pa.Array, before: pa.Array | None
    ) -> tuple[pa.Array, dict[int, str]]:
        """One column in the target's form, and the rows whose value cannot be written, with the reason."""
        column, target = self._columns[at], self._on_target(self._columns[at])
        changed = self.diff.changed_local if self.side == "local" else self.diff.changed_remote
        there = [rows.columns[at] for rows in (changed, self._rows_of(self.side)) if rows.columns]
        values, nowhere = self.rekeying.column(self.diff, at, source.columns[at].take(take))
        written = write_column(
            column.rule,
            values,
            self.source,
            target,
            self.into.dialect,
            source=column.remote if self.side == "local" else column.local,
            before=before,
            sample=concat(there),
            strict=self._strict(target),
        )
        lossy = sum(problem.what == "lossy" for problem in written.problems)
        if lossy:
            self.lossy[target.name] = self.lossy.get(target.name, 0) + lossy
        refused = {p.row: f"column {target.name}: {p.why}" for p in written.problems if p.what == "refused"}
        return written.array, refused | nowhere

    def _strict(self, column: Column) -> bool:
        """Whether SQLite refuses values that are not of the column's type."""
        rowid = self.table.primary_key == (column.name,) and column.type.upper() == "INTEGER"
        return "STRICT" in self.table.options or rowid

    def _block(
        self,
        verb: Verb,
        columns: Sequence[int],
        target: RowSet | None,
        source: RowSet | None,
        rows: "np.ndarray[Any, Any]",
        why: str | list[str],
    ) -> Iterator[Block]:
        """These rows and columns, without the rows whose values cannot be written, which are left open."""
        take = pa.array(rows, pa.int64())
        key_at = [self._columns.index(column) for column in self.diff.pair.key]
        before = {at: target.columns[at].take(take) for at in {*columns, *key_at}} if target else {}
        after: dict[int, pa.Array] = {}
        refused: dict[int, str] = {}
        if source:
            for at in columns:
                after[at], problems = self._written(at, source, take, before.get(at))
                refused |= problems
        keys = tuple((before if target else after)[at] for at in key_at)
        block = Block(
            table=self.table.label,
            verb=verb,
            key=tuple(self._on_target(self._columns[at]).name for at in key_at),
            columns=tuple(self._on_target(self._columns[at]).name for at in columns),
            keys=keys,
            before=tuple(before[at] for at in columns) if target else (),
            after=tuple(after[at] for at in columns) if source else (),
            why=why if isinstance(why, str) else "",
            whys=() if isinstance(why, str) else tuple(why),
            path=(self.table.schema, self.table.name) if self.table.schema else (self.table.name,),
        )
        for row, problem in refused.items():
            self._open(source or target or RowSet(()), int(rows[row]), problem)
        kept = [row for row in range(len(rows)) if row not in refused]
        if kept:
            yield block if len(kept) == len(rows) else block.take(pa.array(kept, pa.int64()))
