"""Schema steps in a Plan: safe forms, in the safe order, each with its way back."""

from syncnb.migrating.verb import migrate

__all__ = ["migrate"]
