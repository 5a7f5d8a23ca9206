"""The only writer of user tables: guarded, journaled, all or nothing."""

from syncnb.applying.verb import apply, apply_within

__all__ = ["apply", "apply_within"]
