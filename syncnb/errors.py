"""Everything that syncnb raises on purpose: a small tree, each leaf with the next move.

SyncnbError
├── ConnectError   a database, file or frame that cannot be opened
├── SchemaError    tables, columns or keys that cannot be paired or do not exist
├── ReadError      rows that could not be read to the end
├── PlanError      a plan that cannot be drawn, read or applied here
├── Stopped        work that somebody stopped
└── WriteError     a database that refuses to write
    └── UnknownOutcome   the answer to COMMIT was lost
"""

__all__ = [
    "ConnectError",
    "PlanError",
    "ReadError",
    "SchemaError",
    "Stopped",
    "SyncnbError",
    "UnknownOutcome",
    "WriteError",
]


class SyncnbError(Exception):
    """An error a person can act on: one line that says what, one hint that says what next.

    `hint` is required by convention: where nothing can be done, it says so.
    """

    sqlstate: str | None = None
    """The error code of a PostgreSQL server, where one is known."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. Hint: {self.hint}"

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback: the line and its hint."""
        return [f"{type(self).__name__}: {self.message}", f"Hint: {self.hint}"]


class ConnectError(SyncnbError):
    """A database, file or frame cannot be opened."""


class SchemaError(SyncnbError):
    """Tables, columns or keys cannot be paired, or do not exist."""


class ReadError(SyncnbError):
    """Rows could not be read to the end."""


class PlanError(SyncnbError):
    """A plan cannot be drawn, read, or applied here."""


class Stopped(SyncnbError):
    """Somebody told it to stop. What was not committed by then was rolled back."""


class WriteError(SyncnbError):
    """The database refuses to write."""

    constraint: str | None = None
    """The constraint that was broken, where the database names one."""


class UnknownOutcome(WriteError):
    """The answer to COMMIT was lost: whether it happened is to be settled by the marker."""
