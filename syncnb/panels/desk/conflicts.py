"""The rows that wait for a person: both sides of each, what both once agreed on, and what was decided."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from syncnb.changes import TableDiff
from syncnb.changes.keys import key_text
from syncnb.errors import PlanError
from syncnb.panels.desk.decisions import Decisions, Row
from syncnb.rendering import Cell, Sheet, frame
from syncnb.values.raw import to_python
from syncnb.values.reading import NULL, as_text

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
        self._bases: tuple[int, dict[str, dict[str, int]]] = (0, {})

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

        Raises PlanError for a row that does not wait, or that cannot be decided so.
        """
        row = self.row(key, table)
        if side in IDENTITIES:
            self._desk.press("identify", row=row, said=side).result()
            return self
        self._of_desk().choose(row, side, reason)
        self._desk._changed()
        return self

    def rule(self, resolve: Any = None, **words: Any) -> "Conflicts":
        """Decide all that are left by a rule, as `sn.plan` takes it; what was decided by hand stays."""
        self._desk.press("plan", resolve=resolve, **words).result()
        return self

    def row(self, key: Any, table: str | None = None) -> Row:
        """Table and key of a row that waits. Raises PlanError where there is none, or one in several tables."""
        text = f"({', '.join(map(str, key))})" if isinstance(key, tuple) else str(key)
        there = [row for row in self._of_desk().rows() if row[1] == text and table in (None, row[0])]
        if len(there) == 1:
            return there[0]
        if not there:
            raise PlanError(
                f"{' '.join(filter(None, [table, text]))} does not wait for a decision",
                hint="desk.conflicts.frame has those that do",
            )
        names = ", ".join(table for table, _ in there)
        raise PlanError(f"{text} waits in several tables: {names}", hint=f"name it: table={there[0][0]!r}")

    def _of_desk(self) -> Decisions:
        if self._desk.decisions is None or self._desk.decisions.drawn.stages:
            raise PlanError("there is no plan to decide on", hint='draw one: desk.press("plan")')
        return self._desk.decisions

    def __len__(self) -> int:
        """How many rows wait or were decided."""
        return 0 if self._desk.decisions is None else len(list(self._desk.decisions.rows()))

    @property
    def open(self) -> list[Row]:
        """The rows that still wait."""
        found = self._desk.decisions
        return [] if found is None else [row for row in found.rows() if self._decision(found, row) == "open"]

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

    def _lines(self, most: int | None = None) -> Iterator[tuple[str | None, ...]]:
        found = self._desk.decisions
        for number, row in enumerate(() if found is None else found.rows()):
            if most is not None and number >= most:
                return
            yield from self._row_lines(found, row)  # type: ignore[arg-type]

    def _row_lines(self, found: Decisions, row: Row) -> Iterator[tuple[str | None, ...]]:
        from syncnb.panels.grid import changing

        preview, edits = found.preview, found.preview.edits
        first = changing.line_of(preview, *row)
        part, number, _ = preview.find(first)
        block = part.block
        own, other = ("remote", "local") if found.drawn.into == "remote" else ("local", "remote")
        decision = self._decision(found, row)
        reason = preview.reason(first)
        tail = (decision, found.by if row in edits.decisions or edits.of_row(row) else "", reason)
        why = part.open[number].why if block is None else (block.whys[number] if block.whys else block.why)
        children = self._children(row)
        if block is None or not (block.before or block.after):
            yield (*row, None, None, None, None, *tail, why, children)
            return
        for at, column in enumerate(block.columns):
            sides = {
                own: _value(block.before, at, number),
                other: _value(block.after, at, number),
            }
            if sides["local"] == sides["remote"]:
                continue
            edit = edits.values.get((*row, column))
            told = (f"= {NULL if edit.value is None else as_text(edit.value)}", *tail[1:]) if edit else tail
            yield (
                *row,
                column,
                self._base(row, column),
                sides["local"],
                sides["remote"],
                *told,
                why,
                children,
            )

    @staticmethod
    def _decision(found: Decisions, row: Row) -> str:
        from syncnb.panels.grid import changing

        said = found.preview.decision(changing.line_of(found.preview, *row))
        return found.word(said) or "open"

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
        d = self._desk.diff
        if self._bases[0] != id(d):
            self._bases = id(d), {}
        if table.name not in self._bases[1]:
            at = [table.pair.columns.index(column) for column in table.pair.key]
            values = (
                [to_python(table.changed_remote.columns[each]) for each in at]
                if len(table.changed_remote)
                else []
            )
            keys = [key_text(table.pair, list(each)) for each in zip(*values, strict=True)]
            self._bases[1][table.name] = {key: number for number, key in enumerate(keys)}
        return self._bases[1][table.name]

    def _children(self, row: Row) -> str:
        """How many rows refer to it on each side, where that was counted."""
        table = self._table(row[0])
        for number, ids in enumerate(() if table is None else table.conflicts.ids):
            if row[1] in [as_text(each) for each in ids if each is not None]:
                found = table.conflicts[number]  # type: ignore[union-attr]
                return f"{found.local_children} in local, {found.remote_children} in remote"
        return ""

    def _table(self, name: str) -> TableDiff | None:
        d = self._desk.diff
        return d[name] if d is not None and name in d else None

    def _sheet(self) -> Sheet:
        rows = [
            [_cell(name, value) for name, value in zip(COLUMNS, line, strict=True) if name in IN_SHEET]
            for line in self._lines(IN_SIGHT)
        ][:IN_SIGHT]
        waiting, total = len(self.open), len(self)
        notes = [] if total <= IN_SIGHT else ["… more: see .frame"]
        dropped = [] if self._desk.decisions is None else self._desk.decisions.dropped
        notes += [f"{table} {key} was decided, and is not in this plan" for table, key in dropped]
        title = (
            f"conflicts: {waiting:,} wait for a decision, {total - waiting:,} decided"
            if total
            else "no conflicts"
        )
        return Sheet(title, IN_SHEET if rows else (), rows, notes)

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
