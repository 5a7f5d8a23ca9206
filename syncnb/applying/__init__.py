"""The only writer of user tables: guarded, journaled, all or nothing."""

from syncnb.applying.running import apply

__all__ = ["apply"]
