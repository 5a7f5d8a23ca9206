"""A connection that does not wait for ever on a server that says nothing any more.

A long statement is silent too, so silence alone proves nothing. Whether the server is still at work is asked
on a second connection, which sees what the first one's process does:

    silent for 20 s ─► asked ─┬─► at work ─────────────────────► go on waiting
                              └─► gone, waits for us, no answer ─► asked twice more ─► lost

A process that waits for us while we wait for it would hold its locks until its own system gives the connection
up, which takes hours: it is ended, and with it its transaction.

A pooler lets us in and then has no place for the question, as long as all of them are at work, ours among them: that
is a small doubt, and twelve of them, some minutes, are as much as three of the others.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.generators import fetch_many
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.waiting import Wait

from syncnb.stores.conversation import remember

__all__ = ["DEFAULTS", "Line", "copied_lines", "opened"]

RV = TypeVar("RV")

DEFAULTS = {
    "connect_timeout": "10",
    "fallback_application_name": "syncnb",
    # Else a system asks after two hours whether the other one is still there, and what stands between
    # them (NAT, a firewall) forgets a connection on which nothing is said for some minutes.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "6",
}
PATIENCE = 20.0
"""Seconds of silence before anybody asks."""
AGAIN = 5.0
"""Seconds between two questions."""
QUESTIONS = 3
NO_PLACE = 0.25
"""How much of a doubt it is where a pooler leaves the question waiting."""

# By the process and the beginning of its transaction: behind a pooler the process may be at another one's by now.
OURS = """
pid = %s AND extract(epoch FROM xact_start) = %s
AND usesysid = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user)
"""
AT_WORK = f"""
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE {OURS} AND wait_event_type IS DISTINCT FROM 'Client')
"""  # noqa: S608 - no value is in it
END = f"""
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE {OURS} AND wait_event_type = 'Client'
"""  # noqa: S608 - no value is in it


class Silence(psycopg.OperationalError):
    """Whoever let us in says nothing any more."""


class Line(psycopg.Connection[Any]):
    """A connection to PostgreSQL that finds out when nobody is there any more."""

    parameters: Mapping[str, str] | None = None
    """How to ask on another one; None on that other one."""
    at: tuple[int, Decimal] | None = None
    """The process that serves it, and when its transaction began in seconds; None until it said so."""

    leaving: bool = False
    """Whether the end of a transaction was asked for, and the answer is still to be taken."""

    def __init__(self, *told: Any, **words: Any) -> None:
        super().__init__(*told, **words)
        remember(self)

    def leave(self) -> None:
        """Roll the transaction back without waiting for the answer: the server does it at once all the same."""
        self.leaving = True
        self.pgconn.send_query(b"ROLLBACK")
        if self.pgconn.flush():  # no room for fourteen bytes
            self.left()

    def left(self) -> bool:
        """Wait for that answer, and say whether the next transaction can begin. Raises what the driver does."""
        answers = self.wait(fetch_many(self.pgconn))
        self.leaving = False
        ended = all(answer.status == ExecStatus.COMMAND_OK for answer in answers)
        return ended and self.info.transaction_status == TransactionStatus.IDLE

    def close(self) -> None:
        """As psycopg closes it."""
        if self.leaving:
            # Who closes before it has read everything breaks the line off, which a server may note as an error.
            with suppress(psycopg.Error):
                self.pgconn.consume_input()
        super().close()

    def wait(self, gen: PQGen[RV], *rest: Any, **words: Any) -> RV:
        """As psycopg waits, and raise OperationalError, the connection closed, where nobody is there any more."""
        return super().wait(self._heard(gen), *rest, **words)

    def _heard(self, gen: PQGen[RV]) -> PQGen[RV]:
        ready: Any = None
        since, doubts = time.monotonic(), 0.0
        while True:
            try:
                wanted = gen.send(ready)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            ready = yield wanted
            if ready:
                since, doubts = time.monotonic(), 0.0
            elif time.monotonic() - since >= PATIENCE + doubts * AGAIN:
                if self.parameters is not None:
                    doubt = self._doubt(last=doubts + 1 >= QUESTIONS)
                    since, doubts = (since, doubts + doubt) if doubt else (time.monotonic(), 0.0)
                if self.parameters is None or doubts >= QUESTIONS:
                    self.pgconn.finish()
                    raise Silence("the server does not answer any more")

    def _doubt(self, *, last: bool) -> float:
        """0 where another connection sees that this one is worked for, else up to 1; `last`: then end who waits for us."""
        try:
            with closing(opened(self.parameters or {}, asks=False)) as other:
                if self.at is None:  # not begun, behind a pooler that has no place for us, perhaps
                    return 1
                row = other.execute(AT_WORK, self.at).fetchone()
                if row and row[0]:
                    return 0
                if last:
                    other.execute(END, self.at)
        except psycopg.Error as problem:
            if isinstance(problem, Silence) and self._is_pooled:
                return NO_PLACE
            # A server that has no room for one more connection is alive.
            return 0 if _is_full(problem) else 1
        return 1

    @property
    def _is_pooled(self) -> bool:
        """Whether a pooler answered our first handshake, with a process number of its own making."""
        return self.at is not None and self.at[0] != self.info.backend_pid


def _is_full(problem: psycopg.Error) -> bool:
    told = str(problem)
    return any(words in told for words in ("too many", "remaining connection slots", "no more connections"))


def opened(parameters: Mapping[str, str], *, asks: bool = True) -> Line:
    """A new connection, each statement of which lasts at once. Raises what the driver does."""
    line = Line.connect(**{**DEFAULTS, **parameters}, autocommit=True, prepare_threshold=None)  # type: ignore[arg-type]
    line.parameters = parameters if asks else None
    return line


def copied_lines(copy: psycopg.Copy) -> Iterator[memoryview]:
    """What a COPY sends, a row at a time; waits only where nothing has come yet.

    psycopg's own iteration asks whether it must wait for each row, which takes longer than the row itself.
    """
    pgconn = copy.connection.pgconn
    take = pgconn.get_copy_data
    while True:
        length, row = take(1)
        if length > 0:
            yield row
        elif length < 0:
            copy.connection.wait(_ended(copy.connection))
            return
        else:
            row = copy.read()  # type: ignore[assignment]
            if not row:
                return
            yield row


def _ended(connection: "psycopg.Connection[Any]") -> PQGen[None]:
    """Take what the server says at the end of a COPY. Raises the error that it ended with."""
    pgconn = connection.pgconn
    problem: psycopg.Error | None = None
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            break
        if result.status == ExecStatus.FATAL_ERROR:
            problem = psycopg.errors.error_from_result(result, connection.info.encoding)
    if problem is not None:
        raise problem
