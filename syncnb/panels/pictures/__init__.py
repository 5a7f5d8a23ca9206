"""Pictures of what differs: where in a table, and how far its stamps are apart. Static, and text without a library."""

from syncnb.panels.pictures.clocks import ClockPicture, clock_picture
from syncnb.panels.pictures.maps import ChangeMap, change_map

__all__ = ["ChangeMap", "ClockPicture", "change_map", "clock_picture"]
