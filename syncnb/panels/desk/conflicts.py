"""The rows that wait for a person: both sides of each, what both once agreed on, and what was decided."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from syncnb.changes import TableDiff
from syncnb.changes.keys import key_text
from syncnb.errors import PlanError
from syncnb.panels.desk.decisions import Decisions, Place, Row
from syncnb.rendering import Cell, Sheet, frame
from syncnb.values.raw import to_python
from syncnb.values.reading import NULL, as_text
from syncnb.values.sides import other_side

if TYPE_CHECKING:
    import pandas as pd

    from syncnb.panels.desk.desk import Desk

__all__ = ["Conflicts"]

COLUMNS = ("table", "key", "column", "base", "local", "remote", "decision", "by", "reason", "why", "children")
IN_SHEET = COLUMNS[:-2]
IN_SIGHT = 8
IDENTITIES = ("same", "different", "both")


class Conflicts:
    """The conflicts of one desk. `choose` decides one, `rule` all that are left."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._known: tuple[Any, dict[tuple[str, str], dict[str, int]]] = (None, {})

    def choose(
        self,
        key: Any,
        side: str | Mapping[str, str],
        *,
        table: str | None = None,
        reason: str = "",
    ) -> "Conflicts":
        """Decide one row: `choose(225, "local", reason="rescanned today")`. Nothing is written.

        side: `local` or `remote`, whose row it shall be; `open` takes that back; `{column: side}` cell by cell,
        where those that are not named stay as the target has them.
        Of an id that may be two things: `same`, `different`, or `both` (two things, and both are kept, as all such
        of this table are): then both databases are compared again.

        A row that a rule has decided can be chosen too. Raises PlanError for one that does not differ, or that
        cannot be decided so.
        """
        row = self.row(key, table)
        if side in IDENTITIES:
            self._desk.press("identify", row=row, said=side).result()
            return self
        if row not in self._of_desk().rows() and row not in self._of_desk().planned(row[1]):
            # The rule left it to the target, so that it is not in the plan: it is drawn again, and this row asked for.
            self._desk.press("ask", row=row).result()
        self._of_desk().choose(row, side, reason)
        self._desk._changed()
        return self

    def rule(self, resolve: Any = None, **words: Any) -> "Conflicts":
        """Decide all that are left by a rule, as `sn.plan` takes it; what was decided by hand stays."""
        self._desk.press("plan", resolve=resolve, **words).result()
        return self

    def row(self, key: Any, table: str | None = None) -> Row:
        """Table and key of a row. Raises PlanError where none such differs, or one in several tables."""
        text = f"({', '.join(map(str, key))})" if isinstance(key, tuple) else str(key)
        found = self._of_desk()
        for rows in (found.rows(), found.planned(text), self._differing(text)):
            there = [row for row in rows if row[1] == text and table in (None, row[0])]
            if len(there) == 1:
                return there[0]
            if there:
                names = ", ".join(name for name, _ in there)
                raise PlanError(
                    f"{text} is in several tables: {names}", hint=f"name it: table={there[0][0]!r}"
                )
        raise PlanError(
            f"{' '.join(filter(None, [table, text]))} does not differ",
            hint="desk.conflicts.frame has the rows that wait for a decision",
        )

    def _differing(self, text: str) -> Iterator[Row]:
        """Rows that both sides have and that differ, and that a rule left to the target."""
        for table in self._desk.diff.tables if self._desk.diff is not None else ():
            if text in self._numbers(table):
                yield (
                    table.pair.on(self._of_desk().drawn.into).label,
                    text,
                )

    def _of_desk(self) -> Decisions:
        if self._desk.decisions is None or self._desk.decisions.drawn.stages:
            raise PlanError("there is no plan to decide on", hint='draw one: desk.press("plan")')
        return self._desk.decisions

    def __len__(self) -> int:
        """How many rows wait or were decided by hand."""
        found = self._desk.decisions
        return 0 if found is None else sum(1 for _ in found.places())

    @property
    def open(self) -> list[Row]:
        """The rows that still wait."""
        found = self._desk.decisions
        return (
            [] if found is None else [each.row for each in found.places() if found.decision(each) == "open"]
        )

    @property
    def frame(self) -> "pd.DataFrame":
        """A line for each cell of these rows.

        Columns: table, key, column, base, local, remote, decision, by, reason, why, children.
        """
        import pyarrow as pa

        lines = list(self._lines())
        return frame(
            {name: pa.array([line[at] for line in lines], pa.string()) for at, name in enumerate(COLUMNS)}
        )

    def _lines(self) -> Iterator[tuple[str | None, ...]]:
        found = self._desk.decisions
        for place in () if found is None else found.places():
            yield from self._row_lines(found, place)  # type: ignore[arg-type]

    def _row_lines(self, found: Decisions, place: Place) -> Iterator[tuple[str | None, ...]]:
        row, part, number, block = place.row, place.part, place.number, place.part.block
        edits = found.preview.edits
        own, other = found.drawn.into, other_side(found.drawn.into)
        by = found.by if row in edits.decisions or edits.of_row(row) else ""
        reason = edits.reasons.get(row, found.preview.reason_drawn(part, number))
        tail = (found.decision(place), by, reason)
        why = part.open[number].why if block is None else (block.whys[number] if block.whys else block.why)
        rest = (why, self._children(row))
        if block is None or not (block.before or block.after):
            yield (*row, None, None, None, None, *tail, *rest)
            return
        for at, column in enumerate(block.columns):
            sides = {own: _value(block.before, at, number), other: _value(block.after, at, number)}
            if sides["local"] == sides["remote"]:
                continue
            edit = edits.values.get((*row, column))
            told = (f"= {NULL if edit.value is None else as_text(edit.value)}", *tail[1:]) if edit else tail
            both = (sides["local"], sides["remote"])
            yield (*row, column, self._base(row, column), *both, *told, *rest)

    def _base(self, row: Row, column: str) -> str | None:
        """What both sides last agreed on, where that is known."""
        table = self._table(row[0])
        if table is None or table.since is None:
            return None
        number = self._numbers(table).get(row[1])
        names = [each.name for each in table.pair.columns]
        targets = [each.remote.name for each in table.pair.columns]
        at = names.index(column) if column in names else targets.index(column) if column in targets else None
        return None if number is None or at is None else table.since.text(number, at)

    def _numbers(self, table: TableDiff) -> dict[str, int]:
        """Where the rows that both sides have stand in the diff, by key."""
        known = self._of_diff("numbers", table)
        if not known and len(table.changed_remote):
            at = [table.pair.columns.index(column) for column in table.pair.key]
            values = [to_python(table.changed_remote.columns[each]) for each in at]
            keys = (key_text(table.pair, list(each)) for each in zip(*values, strict=True))
            known.update((key, number) for number, key in enumerate(keys))
        return known

    def _children(self, row: Row) -> str:
        """How many rows refer to it on each side, where that was counted."""
        table = self._table(row[0])
        if table is None or not len(table.conflicts):
            return ""
        known = self._of_diff("conflicts", table)
        if not known:
            for number, ids in enumerate(table.conflicts.ids):
                known.update((as_text(each), number) for each in ids if each is not None)
        if row[1] not in known:
            return ""
        found = table.conflicts[known[row[1]]]
        return f"{found.local_children} in local, {found.remote_children} in remote"

    def _of_diff(self, what: str, table: TableDiff) -> dict[str, int]:
        """What was looked up in the diff in hand; empty for another one."""
        if self._known[0] is not self._desk.diff:
            self._known = self._desk.diff, {}
        return self._known[1].setdefault((what, table.name), {})

    def _table(self, name: str) -> TableDiff | None:
        d = self._desk.diff
        return d[name] if d is not None and name in d else None

    def _sheet(self) -> Sheet:
        found = self._desk.decisions
        rows = [
            [_cell(name, value) for name, value in zip(COLUMNS, line, strict=True) if name in IN_SHEET]
            for line in islice(self._lines(), IN_SIGHT + 1)
        ]
        waiting, decided = (0, 0) if found is None else (found.waiting, len(found.preview.edits))
        notes = ["… more: see .frame"] if len(rows) > IN_SIGHT else []
        notes += (
            []
            if found is None
            else [
                f"{t} {key} was decided, and is not in this plan, or not as it was"
                for t, key in found.dropped
            ]
        )
        title = f"conflicts: {waiting:,} wait for a decision, {decided:,} decided" if rows else "no conflicts"
        return Sheet(title, IN_SHEET if rows else (), rows[:IN_SIGHT], notes)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def _value(columns: Any, at: int, row: int) -> str | None:
    if not columns:
        return None
    value = to_python(columns[at].slice(row, 1))[0]
    return None if value is None else as_text(value)


def _cell(name: str, value: str | None) -> Cell:
    if value is None:
        return Cell("", "absent") if name in ("column", "base") else Cell(NULL, "null")
    looks = {"key": "key", "local": "local", "remote": "remote"}
    return Cell(value, looks.get(name, "")) if value else Cell("", "absent")
