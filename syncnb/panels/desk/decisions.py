"""What a person decided about a plan, over the plan as it was drawn: edits that grids and panels share."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from syncnb.errors import PlanError
from syncnb.panels.desk.calls import Call
from syncnb.panels.grid import changing
from syncnb.panels.grid.plan_lines import Part
from syncnb.panels.grid.previews import Preview
from syncnb.planning import Plan
from syncnb.values.raw import to_python
from syncnb.values.sides import other_side

__all__ = ["Decisions", "Place"]

Row = tuple[str, str]
GREAT = 20_000
"""Cells of a plan that is not made anew at each press of a key."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row, and where it stands in the plan as it was drawn."""

    row: Row
    part: Part
    number: int
    drawn: str
    """What the plan says about it by itself: apply, keep or open."""


class Decisions:
    """The decisions about one plan. Those about an earlier plan stay, where the row is still in this one."""

    def __init__(self, plan: Plan, by: str, earlier: "Decisions | None" = None) -> None:
        self.drawn = plan
        self.by = by
        self.preview = Preview(plan)
        self.dropped: list[Row] = []
        """Rows that were decided, and that are not in this plan, or not as they were when they were decided."""
        self._cached: tuple[tuple[str, ...], Plan] | None = None
        if earlier is not None and not plan.stages and plan.undo_of is None:
            self._carry(earlier)

    def _carry(self, earlier: "Decisions") -> None:
        edits = earlier.preview.edits
        for table, key in edits.rows:
            try:
                line = changing.line_of(self.preview, table, key)
                if not _alike(earlier.preview, self.preview, (table, key)):
                    raise PlanError("it has changed", hint="decide it again")
                if word := edits.decisions.get((table, key)):
                    changing.decide(self.preview, line, word)
                for place in edits.of_row((table, key)):
                    self._carry_cell(earlier, place)
                if reason := edits.reasons.get((table, key)):
                    changing.give_reason(self.preview, line, reason)
            except PlanError:
                self.dropped.append((table, key))

    def _carry_cell(self, earlier: "Decisions", place: tuple[str, str, str | None]) -> None:
        table, key, column = place
        edit = earlier.preview.edits.values[place]
        try:
            line = changing.line_of(self.preview, table, key, column)
        except PlanError:
            was = earlier.preview.value(changing.line_of(earlier.preview, table, key, column), after=False)
            if edit.value != was:
                raise
            return  # the cell is not written, and was to stay as it is
        changing.edit(self.preview, line, edit.typed)

    @property
    def calls(self) -> list[Call]:
        """The lines that decide the same about `p`; rows that are decided alike share one."""
        found: dict[str, tuple[Any, list[Any], dict[str, Any]]] = {}
        for table, key in self.preview.edits.rows:
            side, words = self._said((table, key))
            same = found.setdefault(repr((table, side, words)), (table, [], {"side": side, **words}))
            same[1].append(_plain(key))
        return [
            Call("p", "p.choose", _args(table, keys, words.pop("side")), words)
            for table, keys, words in found.values()
        ]

    @property
    def stamp(self) -> tuple[str, ...]:
        """What is decided by now, to be compared with what was."""
        return tuple(call.line for call in self.calls)

    @property
    def asked(self) -> dict[str, list[Any]]:
        """The rows that were decided by hand, by table: no rule shall decide them."""
        found: dict[str, list[Any]] = {}
        if self.drawn.undo_of is None and not self.drawn.stages:
            for table, key in self.preview.edits.rows:
                found.setdefault(table, []).append(_plain(key))
        return found

    def _said(self, row: Row) -> tuple[str | None, dict[str, Any]]:
        edits = self.preview.edits
        values = {place[2]: edits.values[place].typed for place in edits.of_row(row)}
        side = self.word(edits.decisions.get(row))
        words: dict[str, Any] = {"values": values, "reason": edits.reasons.get(row, "")}
        return (None if values and side == self.word("apply") else side), {**words, "by": self.by}

    def word(self, decision: str | None) -> str | None:
        """A decision by the side that it takes: `apply` is the other side's row, `keep` the target's own."""
        if decision in (None, "open") or self.drawn.undo_of is not None:
            return decision
        other = other_side(self.drawn.into)
        return self.drawn.into if decision == "keep" else other

    @property
    def plan(self) -> Plan:
        """The plan with all of it, made by those very lines."""
        calls = self.calls
        lines = self.stamp
        if self._cached is None or self._cached[0] != lines:
            hand: dict[str, Any] = {"p": self.drawn}
            for call in calls:
                call.run(hand)
            self._cached = lines, hand["p"]
        return self._cached[1]

    @property
    def likely(self) -> Plan:
        """The plan with all of it, where that is made at once; of a great one as it was drawn, until it is asked for."""
        small = len(self.preview) <= GREAT
        known = self._cached is not None and self._cached[0] == self.stamp
        return self.plan if small or known or not self.preview.edits else self.drawn

    def copy(self) -> "Decisions":
        """The same, to try something on."""
        return Decisions(self.drawn, self.by, self)

    def choose(self, row: Row, said: str | Mapping[str, str], reason: str) -> None:
        """One row for a side, or cell by cell: `{column: side}`; cells that are not named stay as the target has them.

        Raises PlanError, and then nothing is decided.
        """
        line = changing.line_of(self.preview, *row)
        with self._whole():
            if isinstance(said, Mapping):
                self._cells(row, said)
            else:
                for place in self.preview.edits.of_row(row):
                    del self.preview.edits.values[place]
                changing.decide(self.preview, line, said)
            if reason:
                changing.give_reason(self.preview, line, reason)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """All of what is done in this block, or nothing."""
        edits = self.preview.edits
        kept = dict(edits.values), dict(edits.decisions), dict(edits.reasons), set(edits.lines)
        try:
            yield
        except PlanError:
            edits.values, edits.decisions, edits.reasons, edits.lines = kept
            raise

    def _cells(self, row: Row, said: Mapping[str, str]) -> None:
        for column, side in said.items():
            if side not in ("local", "remote"):
                raise PlanError(f"{side!r} is no side", hint="write local or remote for each cell")
            changing.line_of(self.preview, *row, column)
        part, number, _ = self.preview.find(changing.line_of(self.preview, *row))
        lines = [part.start + at for at in part.of_row(number)]
        for line in lines:
            side = said.get(self.preview.place(line)[2] or "", self.drawn.into)
            text = changing.text_of_side(self.preview, line, own=side == self.drawn.into)
            changing.edit(self.preview, line, text)
        changing.decide(self.preview, lines[0], "apply")

    def edit(self, row: Row, column: str, value: Any) -> None:
        """Another value for a cell, as it would be typed; None is NULL. Raises PlanError for what cannot be held."""
        line = changing.line_of(self.preview, *row, column)
        changing.edit(self.preview, line, None if value is None else str(value))

    # --- the rows that wait, and those that were decided by hand ---

    def places(self) -> Iterator[Place]:
        """The rows that wait for a decision as the plan was drawn, and those that were decided by hand."""
        seen: set[Row] = set()
        decided = self.preview.edits.rows
        wanted = set(decided)
        for part in self.preview.parts:
            if part.decision == "open":
                for place in _open(part):
                    if place.row in wanted:
                        seen.add(place.row)
                    yield place
        for row in decided:
            if row not in seen:
                part, number, _ = self.preview.find(changing.line_of(self.preview, *row))
                yield Place(row, part, number, "apply" if part.block is not None else "keep")

    def rows(self) -> Iterator[Row]:
        """The same, by table and key."""
        return (place.row for place in self.places())

    def decision(self, place: Place) -> str:
        """What is decided by now about such a row: a side, or `open`."""
        return self.word(self.preview.edits.decisions.get(place.row, place.drawn)) or "open"

    @property
    def waiting(self) -> int:
        """How many rows wait."""
        drawn = sum(_waiting(part) for part in self.preview.parts)
        decided = {
            row for row in self.preview.edits.rows if self.preview.edits.decisions.get(row, "open") != "open"
        }
        return drawn - sum(place.drawn == "open" for place in map(self.place, decided))

    def place(self, row: Row) -> Place:
        """Where a row stands in the plan. Raises PlanError where it does not."""
        part, number, _ = self.preview.find(changing.line_of(self.preview, *row))
        return Place(row, part, number, _drawn(part, number))

    def planned(self, key: str) -> list[Row]:
        """The rows of this key that the plan writes, as far as it was drawn."""
        found = []
        for table in self.drawn.fingerprint:
            try:
                changing.line_of(self.preview, table, key)
            except PlanError:
                continue
            found.append((table, key))
        return found


def _alike(earlier: Preview, now: Preview, row: Row) -> bool:
    """Whether a row has the values by which it was decided, in the columns that both plans write."""
    before, after = (_cells(preview, row) for preview in (earlier, now))
    return all(before[name] == after[name] for name in before if name in after)


def _cells(preview: Preview, row: Row) -> dict[str, tuple[Any, ...]]:
    part, number, _ = preview.find(changing.line_of(preview, *row))
    if part.block is None:
        return {}
    sides = [
        [column.slice(number, 1) for column in columns] for columns in (part.block.before, part.block.after)
    ]
    told = [[(str(column.type), to_python(column)) for column in columns] for columns in sides]
    return {
        name: tuple(values[at] for values in told if values) for at, name in enumerate(part.block.columns)
    }


def _drawn(part: Part, number: int) -> str:
    return part.open[number].decision if part.block is None else part.decision


def _open(part: Part) -> Iterator[Place]:
    """The rows of a part that nobody has decided, as the plan was drawn."""
    keys = part.key_texts
    for number in range(len(keys)):
        if _drawn(part, number) == "open":
            table = part.open[number].table if part.block is None else part.table
            yield Place((table, keys[number].as_py()), part, number, "open")


def _waiting(part: Part) -> int:
    if part.block is None:
        return sum(row.decision == "open" for row in part.open)
    return len(part.block) if part.decision == "open" else 0


def _args(table: str, keys: list[Any], side: str | None) -> tuple[Any, ...]:
    named = keys[0] if len(keys) == 1 else keys
    return (table, named) if side is None else (table, named, side)


def _plain(key: str) -> int | str:
    """A key that reads as a whole number, as one."""
    return int(key) if re.fullmatch(r"-?[1-9]\d*|0", key) else key
