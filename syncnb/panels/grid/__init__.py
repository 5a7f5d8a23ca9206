"""A table to page, sort, filter and edit, over the differences of a table or the lines of a plan."""

from syncnb.panels.grid.showing import Grid, grid

__all__ = ["Grid", "grid"]
