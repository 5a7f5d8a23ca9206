"""Everything about two stores in one place: what is in hand, what may be pressed, and the equal Python."""

from syncnb.panels.desk.desk import Desk, panel

__all__ = ["Desk", "panel"]
