"""The fields and the buttons of a step as ipywidgets. A press from code waits, a press in the browser does not."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from syncnb.errors import SyncnbError
from syncnb.panels.desk.actions import Action
from syncnb.panels.desk.fields import Field

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["LAYOUT", "WIDE", "Press", "made", "offer"]

WIDE = {"description_width": "11em"}
LAYOUT = {"width": "min(44em, 100%)"}


def made(field: Field) -> Any:
    """The widget of a field."""
    told: dict[str, Any] = {"description": field.label, "style": WIDE, "layout": w.Layout(**LAYOUT)}
    if field.kind == "check":
        return w.Checkbox(value=False, indent=True, **told)
    if field.kind == "choice":
        return w.Dropdown(options=(), **told)
    if field.kind == "many":
        return w.SelectMultiple(options=(), rows=3, **told)
    if field.kind == "area":
        return w.Textarea(placeholder=field.hint, rows=6, **told)
    return w.Text(placeholder=field.hint, continuous_update=False, **told)


def offer(widget: Any, field: Field, desk: "Desk") -> None:
    """Give a list what can be chosen by now; what was chosen stays, where it is still there."""
    if field.kind not in ("choice", "many"):
        return
    options = tuple(field.options(desk))
    if tuple(widget.options) == options:
        return
    values = [value for _, value in options]
    if field.kind == "many":
        kept = tuple(value for value in widget.value if value in values)
        widget.options, widget.value = options, kept
        widget.rows = min(max(len(options), 2), 6)
    else:
        kept = widget.value
        widget.options = options
        widget.value = kept if kept in values else values[0] if values else None


class Press(w.Button):  # type: ignore[misc]
    """The button of an action."""

    def __init__(self, desk: "Desk", action: Action, words: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__(description=action.label)
        if action.heavy:
            self.add_class("writes")
        self.action = action
        self._desk = desk
        self._words = words

    def click(self) -> None:
        """Press it from Python: comes back when it is over. `desk.error` says whether it went well."""
        self._desk.wait(self.start())

    def start(self) -> "Future[Any]":
        """Press it, and go on."""
        try:
            words = self._words()
        except SyncnbError as error:
            return self._desk.refuse(error)
        return self._desk.press(self.action.name, **words)

    def _handle_button_msg(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        if content.get("event") == "click":
            self.start()
