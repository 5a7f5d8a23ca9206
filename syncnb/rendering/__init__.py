"""Arrow to DataFrame, and rows of cells to text and escaped HTML. Knows none of our classes."""

from syncnb.rendering.frames import frame
from syncnb.rendering.tables import Cell, Sheet

__all__ = ["Cell", "Sheet", "frame"]
