"""The grid: a table that a person pages, sorts, filters and, over a plan, edits and decides."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from syncnb.changes import Diff, TableDiff
from syncnb.changes.sheets import table_sheet
from syncnb.errors import PlanError, SchemaError
from syncnb.panels.grid import changing
from syncnb.panels.grid.differences import Differences
from syncnb.panels.grid.previews import Preview
from syncnb.panels.grid.view import View
from syncnb.planning import Plan
from syncnb.rendering import Sheet

if TYPE_CHECKING:
    from syncnb.panels.grid.widget import GridWidget

__all__ = ["Grid", "grid"]

WITHOUT = (
    "run this cell in JupyterLab or Notebook 7 for a grid to page, sort, filter and edit "
    '(pip install "syncnb[lab]")'
)
IN_SIGHT = 8
"""Lines of the table that stands where no widget comes up."""
FACTS = "differences are facts, and take no side: show sn.grid(sn.plan(d, into=...)) to edit and decide"


def grid(shown: TableDiff | Diff | Plan, *, by: str = "", size: int = 50) -> "Grid":
    """The same as showing it, as a table to page, sort and filter; a plan can be edited and decided in it.

    shown: a table of a diff (`d["hosts"]`), a diff in which one table differs, or a plan.
    by: who decides; it is kept with each reason. size: rows a page, up to 500.

    Reads nothing and writes nothing. Over a plan, `g.plan` is the plan as decided, `g.code` the lines of
    Python that decide the same. Raises SchemaError for anything else.
    """
    if not 1 <= size <= 500:
        raise SchemaError(f"a page of {size} rows", hint="size is between 1 and 500")
    if isinstance(shown, Diff):
        shown = _only_table(shown)
    if isinstance(shown, TableDiff):
        return Grid(Differences(shown), size=size)
    if isinstance(shown, Plan):
        return Grid(Preview(shown), by=by, size=size)
    raise SchemaError(
        f"a {type(shown).__name__} is not shown as a grid",
        hint='pass d["hosts"], a table of a diff, or a plan',
    )


def _only_table(d: Diff) -> TableDiff:
    different = [table for table in d.tables if table.verdict == "different"]
    if len(different) == 1:
        return different[0]
    names = ", ".join(table.name for table in different)
    raise SchemaError(
        f"{len(different)} tables differ: {names}" if different else "no table differs",
        hint=f'name one: sn.grid(d["{(different or d.tables)[0].name}"])'
        if d.tables
        else "show the diff itself",
    )


class Grid:
    """What `sn.grid` gives: each thing that can be clicked is a method here, and the widget calls them."""

    def __init__(self, source: Differences | Preview, *, by: str = "", size: int = 50) -> None:
        self.source = source
        self.view = View(source, size)
        self.by = by
        self.heard: Callable[[], None] | None = None
        """Who wants to know when something was edited or decided."""
        self._plan: Plan | None = None

    def __len__(self) -> int:
        """How many rows match the filter."""
        return len(self.view)

    def sort(self, column: str | None = None, *, side: str = "", descending: bool = False) -> "Grid":
        """Sort by a column (of one side: local, remote); None: as the rows come."""
        self.view.sort(None if column is None else self._all(column, side)[0], descending=descending)
        return self._shown_again()

    def filter(self, text: str = "", *, column: str | None = None, side: str = "", state: str = "") -> "Grid":
        """Only rows that hold this text in any case, in any column or in this one, and are in this state.

        `∅` finds NULL, `''` the empty text. state: changed, only local, only remote; over a plan what is
        decided (apply, open, keep), or edited.
        """
        self.view.filter(text, columns=self._all(column, side) if column else (), choice=state)
        return self._shown_again()

    def turn(self, page: int) -> "Grid":
        """Go to a page, counted from 1."""
        self.view.turn(page - 1)
        return self._shown_again()

    def edit(self, table: str, key: Any, column: str, value: Any) -> "Grid":
        """Another value for a cell of a plan, as it would be typed; None is NULL.

        Raises PlanError, with the reason, for a value that the column cannot hold exactly.
        """
        line = changing.line_of(self.preview, table, str(key), column)
        changing.edit(self.preview, line, None if value is None else str(value))
        return self._changed()

    def decide(self, table: str, key: Any, decision: str, *, reason: str = "") -> "Grid":
        """`apply`, `keep` or `open` for a row of a plan; or `local` or `remote`: whose row it shall be."""
        line = changing.line_of(self.preview, table, str(key))
        changing.decide(self.preview, line, decision)
        if reason:
            changing.give_reason(self.preview, line, reason)
        return self._changed()

    @property
    def preview(self) -> Preview:
        """The lines of the plan. Raises PlanError over differences."""
        if isinstance(self.source, Preview):
            return self.source
        raise PlanError("this grid shows differences", hint=FACTS)

    @property
    def plan(self) -> Plan:
        """The plan as decided in the grid by now."""
        if self._plan is None:
            self._plan = changing.decided(self.preview, self.by)
        return self._plan

    @property
    def code(self) -> str:
        """The lines of Python that decide the same about `p`."""
        return changing.code(self.preview, self.by)

    def _all(self, column: str, side: str = "") -> list[int]:
        found = [
            at
            for at, heading in enumerate(self.source.headings)
            if heading.name == column and side in ("", heading.side)
        ]
        if found:
            return found
        names = dict.fromkeys(heading.name for heading in self.source.headings)
        raise SchemaError(f"the grid has no column {column!r}", hint=f"columns: {', '.join(names)}")

    def _changed(self) -> "Grid":
        self._plan = None
        if self.heard is not None:
            self.heard()
        return self._shown_again()

    def _shown_again(self) -> "Grid":
        if "widget" in self.__dict__:
            self.widget.show()
        return self

    @cached_property
    def widget(self) -> "GridWidget":
        """The widget, made when it is first shown."""
        from syncnb.panels.grid.widget import GridWidget

        return GridWidget(self)

    def _sheet(self) -> Sheet:
        sheet = self._facts(self.source) if isinstance(self.source, Differences) else self.plan._sheet()
        return replace(sheet, notes=[*sheet.notes, WITHOUT])

    @staticmethod
    def _facts(source: Differences) -> Sheet:
        return table_sheet(source.diff, in_sight=IN_SIGHT)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()

    def _bundles(self) -> list[dict[str, Any]]:
        """What is shown: the table as it stands without widgets, and the widget.

        They are two outputs, because JupyterLab shows an error in place of a widget whose kernel is gone, not
        the table in the same output. Where the widget comes up, its style sheet hides the table.
        """
        sheet = self._sheet()
        twin = {"text/plain": sheet.text(), "text/html": f'<div class="syncnb-twin">{sheet.html()}</div>'}
        try:
            made: Any = self.widget._repr_mimebundle_()
        except Exception:  # whatever ails the widgets of this machine, the table is shown
            return [twin]
        widget = made[0] if isinstance(made, tuple) else made
        # An empty text for who shows no widgets: the table is above.
        return [twin, {**widget, "text/plain": "", "text/html": ""}] if widget else [twin]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for bundle in self._bundles():
            display(bundle, raw=True)  # type: ignore[no-untyped-call]
