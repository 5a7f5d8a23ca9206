"""The line that says what is going on: a live region that stays in the page, and a bar."""

from importlib import resources

import anywidget
import traitlets

__all__ = ["Says"]


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


class Says(anywidget.AnyWidget):
    """One line, and how far it is."""

    _esm = _file("says.js")
    _css = _file("panel.css")
    said = traitlets.Dict({"text": "", "bad": False, "busy": False, "done": 0, "total": None}).tag(sync=True)
