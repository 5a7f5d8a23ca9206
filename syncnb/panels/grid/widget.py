"""The widget over a grid: it hands messages to the grid and the page to the browser, and knows nothing else."""

from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from syncnb.panels.grid.messages import answer, frame_of, page_of

if TYPE_CHECKING:
    from syncnb.panels.grid.showing import Grid

__all__ = ["GridWidget"]


def _file(name: str) -> str:
    # The text, not the path: a path would be watched for changes, and nothing here changes.
    return resources.files(__package__).joinpath(name).read_text("utf-8")


class GridWidget(anywidget.AnyWidget):
    """The page in sight, and what was asked of it."""

    # One module, because a widget is given one: the last of these exports what it needs.
    _esm = "\n".join(map(_file, ("nodes.js", "editor.js", "grid.js")))
    _css = _file("grid.css")
    frame = traitlets.Dict().tag(sync=True)
    """What stays: title, headings, choices."""
    page = traitlets.Dict().tag(sync=True)
    """What is in sight now."""

    def __init__(self, grid: "Grid") -> None:
        super().__init__(frame=frame_of(grid), page=page_of(grid))
        self._grid = grid
        self.on_msg(self._asked)

    def show(self) -> None:
        """Show the page as the grid has it now."""
        self.page = page_of(self._grid)

    def _asked(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        reply = answer(self._grid, message)
        self.send(reply)
