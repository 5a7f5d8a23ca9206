"""All steps of a desk in one place, one of them in sight."""

import html
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from syncnb.panels.desk import sheets
from syncnb.panels.widgets.says import Says
from syncnb.panels.widgets.step import StepBox
from syncnb.rendering.tables import visible

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["PanelWidget"]


class Stop(w.Button):  # type: ignore[misc]
    """Stops what is going on."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__(description="Stop", disabled=True)
        self.on_click(lambda _: desk.stop())


class PanelWidget:
    """The widgets over one desk."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk
        self.says = Says()
        self.stop = Stop(desk)
        self.title = w.HTML()
        self.code = w.HTML()
        self.by = w.Text(
            desk.by, description="Who decides", placeholder="ann", style={"description_width": "11em"}
        )
        self.by.observe(lambda change: setattr(desk, "by", change["new"]), names="value")
        self.turns = {step: self._turn(step, at) for at, step in enumerate(desk.steps, 1)}
        self.body = w.VBox()
        self.boxes: dict[str, StepBox] = {}
        self._last: Any = None
        nav = w.HBox(list(self.turns.values()) if len(self.turns) > 1 else [])
        nav.add_class("row")
        line = w.HBox([self.stop, self.says])
        line.add_class("row")
        self.root = w.VBox([self.title, nav, self.by, line, self.body, self.code])
        self.root.add_class("syncnb-desk")
        self.step = desk.steps[0] if desk.local is None or len(desk.steps) == 1 else "diff"
        self.turn(self.step)
        desk.on_change(self.refresh)

    def _turn(self, step: str, at: int) -> w.Button:
        button = w.Button(description=f"{at} {sheets.titles[step]}")
        button.on_click(lambda _: self.turn(step))
        return button

    def turn(self, step: str) -> None:
        """Bring a step into sight."""
        self.step = step
        for name, button in self.turns.items():
            (button.add_class if name == step else button.remove_class)("here")
            button.description = f"{button.description.rstrip(' ◂')}{' ◂' if name == step else ''}"
        self.body.children = [self.box(step)]
        self._last = None
        self.refresh()

    def box(self, step: str) -> StepBox:
        """The widgets of a step, made when it is first looked at."""
        if step not in self.boxes:
            self.boxes[step] = StepBox(self.desk, step)
        elif step != self.step:
            self.boxes[step].refresh()  # while it was out of sight nobody told it anything
        return self.boxes[step]

    def button(self, action: str) -> Any:
        """The button of an action: `desk.widget.button("apply").click()`."""
        from syncnb.panels.desk.actions import find

        return self.box(find(action).step).presses[action]

    def refresh(self) -> None:
        """Show the desk as it is now; called from whichever thread something happened in."""
        with self.desk.lock:
            text, bad = sheets.outcome(self.desk)
            at, busy = self.desk.progress, bool(self.desk.busy)
            self.says.said = {
                "text": text[:2_000], "bad": bad, "busy": busy, "done": at.done, "total": at.total,
            }  # fmt: skip
            self.stop.disabled = not busy
            names = [self.desk.hand[name].name for name in ("local", "remote") if name in self.desk.hand]
            # Of a word that comes ten times a second only the line above is drawn anew.
            state = (busy, len(self.desk.calls), names, bad, text if not busy else "", self._decided())
            if state == self._last:
                return
            self._last = state
            title = " and ".join(visible(name)[:80] for name in names) or "nothing is connected yet"
            self.title.value = f"<h2>{html.escape(title)}</h2>"
            self.boxes[self.step].refresh()
            code = self.desk.code
            self.code.value = (
                f"<details><summary>The Python that does the same</summary><pre>{html.escape(code[:50_000])}</pre></details>"
                if code
                else ""
            )

    def _decided(self) -> Any:
        found = self.desk.decisions
        return None if found is None else (id(found), found.by, found.stamp)

    def bundle(self) -> dict[str, Any]:
        """What a notebook is given to show it."""
        made: Any = self.root._repr_mimebundle_()
        return dict(made[0] if isinstance(made, tuple) else made)
