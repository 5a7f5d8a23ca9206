"""One verb, one line to a server: its transactions take turns on a connection instead of opening one each.

Opening a connection costs a new process of the server with empty caches, and over TLS some five turns of
the line; a verb asks several times in a row. Kept is only what ended well and holds no transaction (we set
nothing for a session); it is closed with the verb, so that nothing of ours waits on a server between cells.
"""

import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeAlias, TypeVar
from weakref import WeakSet

from syncnb.watching import to_its_end

if TYPE_CHECKING:
    from syncnb.stores.postgres_line import Line

__all__ = [
    "conversation",
    "drop",
    "keep",
    "keep_place",
    "known_place",
    "last_words",
    "one_conversation",
    "remember",
    "take",
]

Place: TypeAlias = tuple[str | None, int]
"""The system identifier of a server, and the oid of a database there."""
P = ParamSpec("P")
R = TypeVar("R")


class _Closes(Protocol):
    def close(self) -> object: ...


class _Lines:
    """The connections that wait for the next transaction of this conversation, by how they were made."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.waiting: dict[Mapping[str, str], Line] = {}
        self.opened: WeakSet[_Closes] = WeakSet()
        """Everything that was opened meanwhile. What is still open at the end was left behind by a Ctrl-C."""
        self.places: dict[Mapping[str, str], Place] = {}
        """Which database answers there, since the last connection was opened."""

    def close(self) -> None:
        # A process that was forked meanwhile shares the socket, and must not say goodbye on it.
        if self.process == os.getpid():
            for connection in (*self.waiting.values(), *self.opened):
                with suppress(Exception):
                    connection.close()
        self.waiting.clear()


_talk: ContextVar[_Lines | None] = ContextVar("conversation", default=None)


@contextmanager
def conversation() -> Iterator[None]:
    """Within this block transactions take turns on one connection; a block within a block is part of it."""
    if _talk.get() is not None:
        yield
        return
    lines = _Lines()
    token = _talk.set(lines)
    try:
        yield
    finally:
        _talk.reset(token)
        lines.close()


def one_conversation(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb that is one conversation with each server. A Ctrl-C leaves none of it open, whenever it comes."""

    @wraps(verb)
    def held(*args: P.args, **words: P.kwargs) -> R:
        if _talk.get() is not None:
            return verb(*args, **words)

        def within() -> R:
            _talk.set(lines)
            return verb(*args, **words)

        lines = _Lines()
        try:
            try:
                # In a context of its own: there is nothing to set back that a Ctrl-C could keep from being set back.
                return copy_context().run(within)
            finally:
                lines.close()
        except KeyboardInterrupt:
            lines.close()  # it may have come just as they were being closed
            raise

    return held


@contextmanager
def last_words() -> Iterator[None]:
    """A block that says in a journal how work ended which failed or was stopped. Nobody stops this block itself.

    A Ctrl-C may come between the moment in which a transaction has begun and that in which anybody minds it. Its
    traceback then holds the transaction, and with it the lock on the file that the journal is in: so all that is open
    of this conversation is closed first.
    """
    lines = _talk.get()
    if lines is not None and isinstance(sys.exception(), KeyboardInterrupt):
        lines.close()
    with to_its_end():
        yield


def remember(opened: _Closes) -> None:
    """Close this with the conversation at the latest."""
    lines = _talk.get()
    if lines is not None:
        lines.opened.add(opened)


def take(parameters: Mapping[str, str]) -> "Line | None":
    """The connection that waits, made with just these parameters, if it is still there; the caller's from now on."""
    if (connection := _waiting(parameters)) is None:
        return None
    try:
        if _has_left(connection) and _is_silent(connection):
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _waiting(parameters: Mapping[str, str]) -> "Line | None":
    lines = _talk.get()
    if lines is None or lines.process != os.getpid():
        return None
    return lines.waiting.pop(parameters, None)


def keep(parameters: Mapping[str, str], connection: "Line") -> None:
    """Let a connection wait that ended its transaction, or is about to; close it where nobody will ask for it."""
    from psycopg.pq import TransactionStatus

    lines = _talk.get()
    ended = connection.leaving or connection.info.transaction_status == TransactionStatus.IDLE
    if lines is None or lines.process != os.getpid() or not ended or parameters in lines.waiting:
        connection.close()
    else:
        lines.waiting[parameters] = connection


def known_place(parameters: Mapping[str, str]) -> Place | None:
    """Which database it is, where this conversation asked already, and opened no connection to it since."""
    lines = _talk.get()
    return lines.places.get(parameters) if lines is not None and lines.process == os.getpid() else None


def keep_place(parameters: Mapping[str, str], place: Place) -> None:
    """Remember it: a connection stays with its database, and so need not be asked again."""
    lines = _talk.get()
    if lines is not None:
        lines.places[parameters] = place


def drop(parameters: Mapping[str, str]) -> None:
    """Close the one that waits, so that a role with few connections has them all for what comes.

    Which database the next one leads to is not known before it is asked.
    """
    if (lines := _talk.get()) is not None:
        lines.places.pop(parameters, None)
    if (connection := _waiting(parameters)) is not None:
        connection.close()


def _has_left(connection: "Line") -> bool:
    """Whether its last transaction is over: where that was asked for, the answer is taken now."""
    if not connection.leaving:
        return True
    try:
        return connection.left()
    except Exception:  # it died meanwhile
        return False


def _is_silent(connection: "Line") -> bool:
    """Whether the server said nothing meanwhile: what it would have said is that it ends."""
    try:
        return not connection.closed and not select.select([connection.fileno()], [], [], 0)[0]
    except (OSError, ValueError):
        return False
