"""Arrow to DataFrame, and rows of cells to text and escaped HTML. Knows none of our classes."""

from syncnb.rendering.bars import bar, blocks
from syncnb.rendering.frames import frame
from syncnb.rendering.tables import Cell, Sheet, stylesheet, visible, width

__all__ = ["Cell", "Sheet", "bar", "blocks", "frame", "stylesheet", "visible", "width"]
