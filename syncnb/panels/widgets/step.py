"""One step of a desk: its fields, its buttons with the Python that they run, and what is in hand of it."""

import html
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from syncnb.changes import TableDiff
from syncnb.errors import SyncnbError
from syncnb.panels.desk import actions, sheets
from syncnb.panels.desk.fields import ABOUT, FIELDS, words_of
from syncnb.panels.grid.differences import Differences
from syncnb.panels.grid.showing import Grid
from syncnb.panels.widgets.inputs import LAYOUT, WIDE, Press, made, offer
from syncnb.planning import Plan
from syncnb.rendering.tables import visible

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["StepBox"]

ONCE = {
    "choose": ("row", "columns", "reason"),
    "apply": ("allow", "confirm"),
    "undo": ("run", "allow", "confirm"),
    "sync": ("allow", "confirm"),
}
"""Fields that hold for one press of an action."""
SQL = 20_000
"""Characters of SQL that are shown."""


class StepBox(w.VBox):  # type: ignore[misc]
    """The widgets of one step."""

    def __init__(self, desk: "Desk", step: str) -> None:
        self.desk, self.step = desk, step
        self.fields = {field.name: made(field) for field in FIELDS[step]}
        self.presses = {
            action.name: Press(desk, action, lambda name=action.name: self.words(name))  # type: ignore[misc]
            for action in actions.ACTIONS.values()
            if action.step == step and action.button
        }
        self.twins = {name: w.HTML() for name in self.presses}
        self.shown = w.VBox()
        self._finished = Counter(desk.finished)
        self._texts: list[tuple[Any, str]] = []
        self._about: tuple[Any, ...] = (None, None, None)
        self._grid: Grid | None = None
        self._edits: Any = None
        self._table: Any = self._chooser() if step == "diff" else None
        super().__init__(children=list(self._parts()))
        for field in self.fields.values():
            field.observe(lambda _: self.refresh(), names="value")
        self.refresh()

    def _parts(self) -> Iterator[Any]:
        """From top to bottom, which is the order in which Tab goes: what a button is told stands above it."""
        title = html.escape(sheets.titles[self.step])
        yield w.HTML(f"<h3>{title}</h3><p class='about'>{html.escape(ABOUT[self.step])}</p>")
        left = list(FIELDS[self.step])
        for name, press in self.presses.items():
            for field in [each for each in left if not each.actions or name in each.actions]:
                left.remove(field)
                yield self.fields[field.name]
            yield press
            yield self.twins[name]
        yield self.shown

    def _chooser(self) -> Any:
        chooser = w.Dropdown(description="Look at", options=(), style=WIDE, layout=w.Layout(**LAYOUT))
        chooser.observe(lambda _: self.refresh(), names="value")
        return chooser

    def words(self, action: str) -> dict[str, Any]:
        """What an action is told. Raises SyncnbError for a field that cannot be read."""
        return words_of({name: field.value for name, field in self.fields.items()}, self.step, action)

    # --- what it shows ---

    def refresh(self) -> None:
        """Show it as the desk has it now."""
        with self.desk.lock:
            self._empty()
            for field in FIELDS[self.step]:
                offer(self.fields[field.name], field, self.desk)
            for name in self.presses:
                self._button(name)
            self._results()

    def _empty(self) -> None:
        """What was meant for one press alone is gone after it: a reason, a permission, a name that was typed."""
        for action, names in ONCE.items():
            if action in self.presses and self.desk.finished[action] != self._finished[action]:
                self._finished[action] = self.desk.finished[action]
                for name in names:
                    widget = self.fields[name]
                    widget.value = () if isinstance(widget, w.SelectMultiple) else ""

    def _button(self, name: str) -> None:
        try:
            words = self.words(name)
            python = self.desk.python(name, **words)
            actions.confirmed(self.desk, name, words, sure=False)
        except SyncnbError as error:
            python, why = "", f"{visible(error.message)} ({visible(error.hint)})"
        else:
            why = f"{self.desk.busy} is going on" if self.desk.busy else ""
        self.presses[name].disabled = bool(why)
        told = f"<p class='why'>not yet: {html.escape(why[:600])}</p>" if why and not python else ""
        self.twins[name].value = told + (f"<pre>{html.escape(python[:4_000])}</pre>" if python else "")

    def _results(self) -> None:
        desk = self.desk
        if self._table is not None:
            self._offer_tables()
        table = self._table.value if self._table is not None else None
        about = (table, desk.diff, desk.decisions)
        if any(now is not then for now, then in zip(about, self._about, strict=True)):
            # Another table or plan is another grid; else it stays, with its page and what has the focus.
            self._about, self._grid = about, self._made_grid(table)
        elif self._grid is not None and desk.decisions is not None and self._edits != desk.decisions.stamp:
            self._grid._plan = None
            self._grid._shown_again()
        self._edits = None if desk.decisions is None else desk.decisions.stamp
        grids = [self._grid.widget] if self._grid is not None else []
        chooser = [self._table] if self._table is not None and grids else []
        children = (*self._pages(sheets.results(desk, self.step)), *chooser, *grids)
        if children != self.shown.children:
            self.shown.children = children

    def _pages(self, things: list[Any]) -> list[Any]:
        # One page each, kept as it is where it says the same: a page that is made anew loses the place of who reads.
        texts = [
            next((text for known, text in self._texts if known is thing), None) or _page(thing)
            for thing in things
        ]
        # Of what cannot change; the conflicts do.
        self._texts = [each for each in zip(things, texts, strict=True) if each[0] is not self.desk.conflicts]
        old = [each for each in self.shown.children if isinstance(each, w.HTML)]
        pages = [old[at] if at < len(old) else w.HTML() for at in range(len(texts))]
        for page, text in zip(pages, texts, strict=True):
            if page.value != text:
                page.value = text
        return pages

    def _offer_tables(self) -> None:
        d = self.desk.diff
        names = [] if d is None else [table.name for table in d.tables if table.verdict == "different"]
        options = tuple((visible(name)[:80], name) for name in names[:500])
        if tuple(self._table.options) != options:
            kept = self.desk.table
            self._table.options = options
            most = max(d.tables, key=_size).name if d is not None and names else None
            self._table.value = kept if kept in names else most

    def _made_grid(self, table: str | None) -> Grid | None:
        desk, found = self.desk, self.desk.decisions
        if self.step == "diff" and table is not None and desk.diff is not None:
            return Grid(Differences(desk.diff[table]), size=20)
        rows = found is not None and not found.drawn.stages and len(found.preview)
        if found is None or not rows or self.step not in ("conflicts", "plan"):
            return None
        if self.step == "conflicts" and not len(desk.conflicts):
            return None
        grid = Grid(found.preview, by=desk.by, size=20)
        if self.step == "conflicts":
            grid.filter(state="open")
        grid.heard = desk._changed
        return grid


def _size(table: TableDiff) -> int:
    return table.counts.changed + table.counts.only_local + table.counts.only_remote


def _page(thing: Any) -> str:
    page = str(thing._sheet().html())
    if isinstance(thing, Plan) and len(thing):
        sql = thing.sql() if len(thing) < 2_000 else "-- too many rows to be shown here: p.sql() has them"
        cut = f"{sql[:SQL]}\n-- … p.sql() has the rest" if len(sql) > SQL else sql
        page += f"<details><summary>SQL</summary><pre>{html.escape(cut)}</pre></details>"
    return page
