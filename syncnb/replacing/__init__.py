"""What INSERT OR REPLACE would destroy, found out on a copy."""

from syncnb.replacing.damage import Damage, Lost, Orphan
from syncnb.replacing.rehearsing import what_replace_would_do

__all__ = ["Damage", "Lost", "Orphan", "what_replace_would_do"]
