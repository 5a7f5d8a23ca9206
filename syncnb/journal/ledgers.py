"""A history that a service keeps on its own, such as `integration_sync_history`, kept in step with our runs.

    begin ─► in_progress ─┬─► success, in the transaction that writes the rows
                          └─► failed, in one of its own; a run that was killed at the next start

Its columns: source_name, status (`in_progress`, `success`, `failed`) and started_at; where they are there, also
completed_at, items_synced and error_message.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, bindparam, column, insert, select, update
from sqlalchemy import table as sql_table
from sqlalchemy.types import NullType

from syncnb.errors import SchemaError
from syncnb.journal.recording import Run
from syncnb.journal.rights import said
from syncnb.schema import Column, Table
from syncnb.values.stamping import stamped
from syncnb.values.stamps import local_to_instant, parse_stamp

__all__ = ["Entry", "Ledger"]

NEEDED = ("source_name", "status", "started_at")
ASIDE = ("completed_at", "items_synced", "error_message")
LEFT_BEHIND = timedelta(days=1)
"""Who has been in progress for so long will not say any more how it ended."""
SECOND = timedelta(seconds=1)
NO_ANSWER = "it ended without an answer"

Entry = tuple[tuple[str, Any], ...]
"""What identifies a line: its primary key, else its source and start."""


@dataclass(frozen=True)
class Ledger:
    """The history of one source in one table."""

    table: Table
    source: str
    dialect: str
    zone: str | None = None
    """Of stamps without one; UTC by default."""

    def check(self) -> None:
        """Raise SchemaError where the table is no such history."""
        names = {c.name for c in self.table.columns}
        if lacking := [name for name in NEEDED if name not in names]:
            raise SchemaError(
                f"{self.table.label} is no history of syncs: it has no column {lacking[0]}",
                hint=f"such a table has {', '.join((*NEEDED, *ASIDE))}",
            )

    def begin(self, connection: Connection, moment: datetime) -> Entry:
        """Say that a sync began. For a transaction of its own."""
        self.check()
        there = self._there()
        row = {
            "source_name": self.source,
            "status": "in_progress",
            "started_at": self._stamp(connection, moment),
        }
        key = self.table.primary_key or ("source_name", "started_at")
        with said(f"writing a line to {self.table.label} in"):
            found = connection.execute(
                insert(there).values(row).returning(*(there.c[name] for name in key))
            ).one()
        return tuple(zip(key, found, strict=True))

    def succeed(self, connection: Connection, entry: Entry, moment: datetime, items: int) -> None:
        """Say that it was a success, in the transaction that made it one."""
        self._end(
            connection, entry, moment, {"status": "success", "items_synced": items, "error_message": None}
        )

    def fail(self, connection: Connection, entry: Entry, moment: datetime, error: str) -> None:
        """Say that it failed, and why, unless it is said to have ended. For a transaction of its own."""
        told = {"status": "failed", "error_message": error}
        self._end(connection, entry, moment, told, only_open=True)

    def settle(self, connection: Connection, runs: Sequence[Run], moment: datetime) -> int:
        """End the lines of this source that nobody will: runs of ours that are over, and what is a day old."""
        self.check()
        over = [run.started for run in runs if run.source == self.source and run.status != "running"]
        settled = 0
        for entry, started in list(self._in_progress(connection)):
            if started is None:
                continue
            ours = any(abs(started - other) < SECOND for other in over)  # its column may keep no fractions
            if ours or started < moment - LEFT_BEHIND:
                self.fail(connection, entry, moment, NO_ANSWER)
                settled += 1
        return settled

    def _in_progress(self, connection: Connection) -> Iterator[tuple[Entry, datetime | None]]:
        there, key = self._there(), self.table.primary_key or ("source_name", "started_at")
        wanted = (there.c.source_name == _bound(self.source)) & (there.c.status == _bound("in_progress"))
        with said("reading", reading=True):
            rows = connection.execute(
                select(*(there.c[name] for name in key), there.c.started_at.label("_started")).where(wanted)
            ).all()
        for row in rows:
            yield tuple(zip(key, row[:-1], strict=True)), self._moment(row[-1])

    def _end(
        self,
        connection: Connection,
        entry: Entry,
        moment: datetime,
        told: Mapping[str, Any],
        *,
        only_open: bool = False,
    ) -> None:
        there, names = self._there(), {c.name for c in self.table.columns}
        values = {name: value for name, value in told.items() if name in names}
        if "completed_at" in names:
            values["completed_at"] = self._stamp(connection, moment, "completed_at")
        found = update(there).values(values)
        for name, value in entry:
            found = found.where(there.c[name] == _bound(value))
        if only_open:
            found = found.where(there.c.status == _bound("in_progress"))
        with said(f"writing a line to {self.table.label} in"):
            connection.execute(found)

    def _there(self) -> Any:
        # Without types: each value is bound as it is, and the database reads it by its own column.
        return sql_table(
            self.table.name, *(column(c.name) for c in self.table.columns), schema=self.table.schema
        )

    def _stamp(self, connection: Connection, moment: datetime, name: str = "started_at") -> Any:
        """The moment as that column holds it, in the manner of what is there."""
        wanted: Column = self.table.column(name)
        sample = None
        if self.dialect == "sqlite":
            there = self._there()
            with said("reading", reading=True):
                texts = connection.scalars(select(there.c.started_at).limit(50)).all()
            sample = pa.array([text for text in texts if isinstance(text, str)], pa.string())
        value, problem = stamped(moment, wanted, self.dialect, zone=self.zone, sample=sample)
        if problem:
            raise SchemaError(
                f"{self.table.label}.{name} holds no stamps: {problem}",
                hint="it must be a timestamp, or text",
            )
        return value

    def _moment(self, value: Any) -> datetime | None:
        """A stamp as it was read; None where nobody can say when it is."""
        if isinstance(value, datetime):
            text = value.isoformat(sep=" ")
        elif isinstance(value, str):
            text = value
        else:
            return None
        stamp = parse_stamp(text)
        if stamp is None or stamp.infinite:
            return None
        instant = stamp.instant if stamp.offset is not None else local_to_instant(stamp, self.zone or "UTC")
        if instant is None:
            return None
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant.micros)


def _bound(value: Any) -> Any:
    return bindparam(None, value, type_=NullType())
