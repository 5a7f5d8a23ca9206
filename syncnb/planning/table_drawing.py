"""The plan of one table, while it is being drawn: every differing row becomes a block, an open row or a note."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from syncnb import clock
from syncnb.changes import ColumnPair, RowSet, TableDiff
from syncnb.changes.ids import names
from syncnb.changes.keys import key_text
from syncnb.planning.admitting import Admitted
from syncnb.planning.beside import with_beside
from syncnb.planning.doubles import unplaced
from syncnb.planning.fates import Fates, Standing
from syncnb.planning.filling import filler
from syncnb.planning.forming import Forming, Wanted
from syncnb.planning.hazards import counted, hazards_of
from syncnb.planning.losses import (
    ASKED,
    arriving_cells,
    clashes_of,
    computed_notes,
    one_reason,
    only_there,
)
from syncnb.planning.parts import alike
from syncnb.planning.plans import OpenRow
from syncnb.planning.previewing import key_of
from syncnb.planning.rekeying import RENAME, Rekeying
from syncnb.planning.touching import Touching
from syncnb.planning.whole_rows import rest_of_rows
from syncnb.resolving import Decisions, Fate, Policy, decide
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Clash, Hazard
from syncnb.stores.port import Store
from syncnb.values.raw import to_python
from syncnb.values.sides import Side, of_side, other_side

__all__ = ["Drawing"]


@dataclass
class Drawing:
    """The plan of one table, while it is being drawn."""

    diff: TableDiff
    side: Side
    table: Table
    into: Store
    rekeying: Rekeying
    apart: timedelta
    """How far the clocks of the two sides are apart."""
    fates: Fates
    touching: Touching | None = None
    """Stamps that are set in every row of the source; None where none were told."""
    payload: Store | None = None
    """The source, where it is no database: rows as somebody sends them."""
    asked: frozenset[str] = frozenset()
    """Keys of rows that no policy decides, because a person wants to."""
    met: set[str] = field(default_factory=set)
    blocks: list[Block] = field(default_factory=list)
    """As decided, not yet in order."""
    undecided: list[Block] = field(default_factory=list)
    open: list[OpenRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clashes: list[Clash] = field(default_factory=list)

    @property
    def source(self) -> Side:
        return other_side(self.side)

    @cached_property
    def forming(self) -> Forming:
        """What makes blocks of rows."""
        outside = self.payload is not None
        return Forming(self.diff, self.side, self.table, self.into.dialect, self.rekeying, outside)

    @property
    def rows(self) -> int:
        """How many rows the target's table holds."""
        counts = self.diff.counts
        return of_side(self.side, counts.rows_local, counts.rows_remote + self.diff.beyond)

    @property
    def concerned(self) -> bool:
        """Whether the plan writes this table, or may after a person's decision."""
        return bool(self.blocks or self.undecided)

    def draw(self, policy: Policy, *, deletes: bool | None, how_to_delete: str) -> None:
        """Decide every differing row: a block, an open row or a note."""
        if not self.diff.pair.key:
            self._leave("a table without a key: no single row can be named")
            return
        self._updates(policy)
        self._inserts()
        self._deletes(deletes=deletes, how=how_to_delete)
        for key, why in unplaced(self.diff, self.payload, self.source) if self.payload else ():
            self.open.append(OpenRow(self.table.label, key, why))
        if self.touching is not None:
            self._touch(self.touching)
        label, strange = self.table.label, sorted(self.asked - self.met)
        self.notes += [f"{label} {key} does not differ: nobody is asked" for key in strange]
        fired = [trigger.name for trigger in self.table.triggers if trigger.enabled]
        if fired and self.concerned:
            self.notes.append(f"{label}: triggers fire: {', '.join(fired)}")

    def _touch(self, touching: Touching) -> None:
        """Stamp the rows that are written, and those that are the same."""
        seen = touching.found(touching.seen(self.diff.seen))  # first: it knows how stamps are written there
        found = [seen, touching.along(self.blocks), touching.along(self.undecided)]
        self.blocks = [*found[1].blocks, *seen.blocks]
        self.undecided = found[2].blocks
        self.notes += touching.notes
        for key in (key for each in found for key in each.gone):
            self.open.append(OpenRow(self.table.label, key, "it is gone since the diff: compare again"))

    def admit(self, found: Admitted) -> None:
        """Take over which rows can be written."""
        self.blocks, self.undecided = found.blocks, found.undecided
        for block, why in found.left:
            keys = zip(*map(to_python, block.keys), strict=True)
            self.open += [OpenRow(self.table.label, key_of(key), why, block.verb) for key in keys]
        later = [block for block in self.undecided if block.verb == "insert"]
        self.rekeying.forget(self.diff, [*later, *(block for block, _ in found.left)])

    def _deletes(self, *, deletes: bool | None, how: str) -> None:
        rows, standing = self.diff.alone(self.side), self.fates.of(self.diff, self.side)
        self._asked_of(rows, range(len(rows)))
        if not len(rows):
            return
        self._clashing(rows, standing)
        for at in standing.rows(Fate.OPEN):
            self._open(rows, at, standing.whys[at], "delete")
        self._delete(rows, standing.rows(Fate.NEW), f"only in {self.side}", kept=None if deletes else how)
        known = standing.rows(Fate.GONE, Fate.LOST)
        self._delete(rows, known, [standing.whys[at] for at in known], kept=how if deletes is False else None)

    def _delete(self, rows: RowSet, which: Sequence[int], why: str | list[str], *, kept: str | None) -> None:
        """Delete these rows of the target, unless something speaks against it; then a note says what.

        kept: where nobody told to delete them, by which word that is told; else None.
        """
        if not which:
            return
        source = self.diff.pair.on(self.source)
        against = (
            f"{kept} would delete them" if kept else "",
            "row-level security may hide them in the source" if source.row_security else "",
            "tables that inherit may hold more columns" if "HAS CHILDREN" in self.table.options else "",
            ""
            if all(c.readable for c in self.table.columns)
            else "this role cannot read all columns of them",
        )
        reasons = "; ".join(filter(None, against))
        if reasons or kept is not None:
            told = f"{self.table.label}: {only_there(len(which))} kept"
            self.notes.append(f"{told}: {reasons}" if reasons else told)
            return
        columns = self.forming.writable
        asked = self._asked_of(rows, which)
        for at in asked:
            self._open(rows, at, ASKED, "delete")
        unsure = self._uncertain(rows) | asked
        certain = np.array([at for at in which if at not in unsure], dtype=np.int64)
        told_why = why if isinstance(why, str) else [why[which.index(at)] for at in certain.tolist()]
        self._whole_deletes(columns, rows, certain, told_why)

    def _whole_deletes(
        self, columns: list[int], gone: RowSet, certain: "np.ndarray[Any, Any]", why: str | list[str]
    ) -> None:
        """Deletes that guard every column, those too that were not compared: they are read now."""
        rest = self._left_out()
        if not rest:
            self.blocks += self._block(Wanted(columns, certain, one_reason(why), target=gone))
            return
        names = [column.on(self.side).name for column in self._columns]
        chosen = [column.take(pa.array(certain)) for column in gone.columns]
        found, extra = rest_of_rows(self.into, self.table, names, chosen, rest) if len(certain) else ([], [])
        whys = one_reason(why if isinstance(why, str) else [why[at] for at in found])
        wanted = Wanted(columns, certain[found], whys, target=gone) if found else None
        for block in self._block(wanted) if wanted else ():
            self.blocks.append(
                replace(block, columns=(*block.columns, *rest), before=(*block.before, *extra))
            )
        for at in np.delete(certain, found).tolist():
            self._open(gone, at, "it has changed since the diff: compare again")

    def _left_out(self) -> list[str]:
        """Columns of the target that the diff did not read, though they can be."""
        read = {column.on(self.side).name for column in self._columns}
        return [
            c.name for c in self.table.columns if c.readable and c.generated is None and c.name not in read
        ]

    def _uncertain(self, rows: RowSet) -> set[int]:
        """The rows of which it is not known what they are."""
        unsure = self.diff.ids.unsure
        if not unsure:
            return set()
        at = self._columns.index(self.diff.pair.key[0])
        own = names(self._columns[at].rule, rows.columns[at], self.side).to_pylist()
        return {row for row, name in enumerate(own) if name in unsure}

    def _clashing(self, rows: RowSet, standing: Standing) -> None:
        """Rows that one side deleted and the other changed are conflicts, decided or not."""
        for at in standing.clashes:
            self.clashes.append(Clash(self.table.label, self._key_text(rows, at)))

    def all_hazards(self, schema: Schema) -> Iterator[Hazard]:
        """Hazards of the values, then of the table."""
        for column, rows in self.forming.lossy.items():
            yield Hazard(
                "lossy", self.table.label, rows, f"column {column} cannot hold {rows:,} values exactly"
            )
        yield from hazards_of(self.table, self.rows, self.blocks, schema, self.undecided)

    @property
    def _columns(self) -> tuple[ColumnPair, ...]:
        return self.diff.pair.columns

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
        won = diff.differs & decisions.taken(of_side(self.source, 1, -1))
        self.blocks += self._update_blocks(np.flatnonzero(won.any(axis=1)), won, decisions)
        self.undecided += self._update_blocks(
            np.flatnonzero(decisions.open), arriving_cells(diff, self.source), decisions
        )
        kept = len(decisions) - int((won.any(axis=1) | decisions.open).sum())
        if kept:
            stay = "1 row that differs stays" if kept == 1 else f"{kept:,} rows that differ stay"
            self.notes.append(f"{self.table.label}: {stay} as the target has {'it' if kept == 1 else 'them'}")
        self.notes += computed_notes(diff, self.side, won | decisions.open[:, None])
        self.clashes += clashes_of(diff, self.side, self.table.label)

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
        if self.asked:
            wanted = self._asked_of(self.diff.changed("local"), range(len(decisions)))
            held |= {row: ASKED for row in wanted if row not in held}
        held |= self.rekeying.doubtful(self.diff, range(len(decisions)))
        return decisions.held_back(held)

    def _update_blocks(
        self, chosen: "np.ndarray[Any, Any]", cells: "np.ndarray[Any, Any]", decisions: Decisions
    ) -> Iterator[Block]:
        """Rows that change the same columns go together, each with its own reason where there is one."""
        target, source = self.diff.changed(self.side), self.diff.changed(self.source)
        masks = cells[chosen] & np.isin(np.arange(len(self._columns)), self.forming.writable)
        if len(chosen):
            wide = with_beside(self.diff, self.side, self.table, chosen, masks)
            # What goes along is set to what it is: never to a value that the target has changed since.
            masks = wide & (masks | ~self.diff.differs[chosen])
        shapes, which = np.unique(masks, axis=0, return_inverse=True)
        for number, shape in enumerate(shapes):
            columns = [int(at) for at in np.flatnonzero(shape)]
            rows = chosen[which.reshape(-1) == number]
            if columns:
                why = one_reason([decisions.why_of(row) for row in rows.tolist()])
                yield from self._block(Wanted(columns, rows, why, target, source))

    def _inserts(self) -> None:
        source, standing = self.diff.alone(self.source), self.fates.of(self.diff, self.source)
        self._clashing(source, standing)
        asked = self._asked_of(source, range(len(source)))
        if not len(source):
            return
        names = {column.on(self.side).name for column in self._columns}
        needed = [
            column.name
            for column in self.table.columns
            if column.name not in names and not column.nullable
            if column.generated is None and not filler(self.table, column)
        ]
        if needed:
            why = f"column {needed[0]} of the target needs a value, has no default and was not compared"
            for at in range(len(source)):
                self._open(source, at, why)
            return
        columns = self.forming.writable
        stamps = self.diff.pair.touch if self.touching is not None else ()
        if rest := [name for name in self._left_out() if name not in stamps]:
            self.notes.append(
                f"{self.table.label}: inserts leave out {', '.join(rest)}: the database fills them (a default, or NULL)"
            )
        left, gone = self.rekeying.kept_back(self.diff), standing.rows(Fate.GONE, Fate.LOST)
        if gone:
            self.notes.append(
                f"{self.table.label}: {counted(len(gone), 'row')} not brought back: deleted here since both agreed"
            )
        for at, reason in left.items():
            if at not in gone:
                self._open(source, at, reason)
        asked -= set(left)
        arriving = np.setdiff1d(np.arange(len(source)), [*left, *asked])
        whys = one_reason([standing.whys[at] for at in arriving.tolist()])
        waiting = np.array(sorted(asked), dtype=np.int64)
        for chosen, reasons, blocks in ((arriving, whys, self.blocks), (waiting, ASKED, self.undecided)):
            for part, without in alike(source.ungiven, chosen) if len(chosen) else ():
                told = reasons if isinstance(reasons, str) else [reasons[at] for at in part.tolist()]
                given = [at for at in columns if at not in without]
                blocks += self._block(Wanted(given, chosen[part], told, source=source))

    def _asked_of(self, rows: RowSet, which: Iterable[int]) -> set[int]:
        """Those of these rows that a person wants to decide."""
        found = {at: self._key_text(rows, at) for at in which} if self.asked else {}
        self.met |= set(found.values())
        return {at for at, key in found.items() if key in self.asked}

    def _open(self, rows: RowSet, at: int, why: str, verb: str = "none") -> None:
        self.open.append(OpenRow(self.table.label, self._key_text(rows, at), why, verb))

    def _key_text(self, rows: RowSet, at: int) -> str:
        row = rows.row(at)
        return key_text(self.diff.pair, [row[self._columns.index(column)] for column in self.diff.pair.key])

    def _block(self, wanted: Wanted) -> Iterator[Block]:
        """These rows, without those whose values cannot be written, which are left open."""
        block, refused = self.forming.block(wanted)
        for row, problem in refused.items():
            self._open(wanted.shown, int(wanted.rows[row]), problem)
        if block is not None:
            yield block
