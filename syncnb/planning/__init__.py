"""Intent: what shall be written, in what order, with what hazards; to read, to edit, to save."""

from syncnb.planning.drawing import plan
from syncnb.planning.files import load_plan
from syncnb.planning.granting import required_grants
from syncnb.planning.plans import OpenRow, Plan
from syncnb.planning.undoing import undo

__all__ = ["OpenRow", "Plan", "load_plan", "plan", "required_grants", "undo"]
