"""SQLite's error codes as what a person can do about them."""

import difflib
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from syncnb.errors import ConnectError, ReadError
from syncnb.stores.conversation import remember

__all__ = ["Telling", "connect_error", "missing_error", "read_error"]

LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
DAMAGED = "restore it from a copy, or save what is left with `sqlite3 FILE .recover | sqlite3 saved.db`"
WAIT = "let the program that writes to it finish or close it, then try again"
OTHER_FILES = (
    (b"PAR1", "a Parquet file", "pass its rows as a frame: connect(pandas.read_parquet(FILE))"),
    (
        b"PK\x03\x04",
        "a zip archive or Excel workbook",
        "unpack it, or pass a frame: connect(pandas.read_excel(FILE))",
    ),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"ARROW1", "an Arrow file", "pass its rows as a frame: connect(pandas.read_feather(FILE))"),
    (b"PGDMP", "a dump of PostgreSQL", "load it with pg_restore and connect to that database"),
    (b"** This file contains an SQLite 2", "a SQLite 2 file", "convert it with the old `sqlite` program"),
)


class Telling(sqlite3.Connection):
    """A connection whose errors are SQLite's, also where it quotes names of a damaged catalogue that are no UTF-8.

    Its end is the end of what runs in it. Otherwise a statement that was stopped half way, and that a traceback
    still holds, would keep the file locked, against the journal too, which is to say how the run ended.
    """

    def __init__(self, *told: Any, **words: Any) -> None:
        super().__init__(*told, **words)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()
        remember(self)

    def cursor(self, *told: Any) -> sqlite3.Cursor:  # type: ignore[override]
        """A new one, known before it runs anything."""
        made: sqlite3.Cursor = super().cursor(*told)
        self._cursors.add(made)
        return made

    def close(self) -> None:
        """End what still runs, and the connection."""
        try:
            for cursor in list(self._cursors):
                with suppress(sqlite3.Error):
                    cursor.close()
        finally:
            super().close()

    def execute(self, *told: Any) -> sqlite3.Cursor:
        """One statement. Python itself fails to decode the words of such an error, wherever in the catalogue it is met."""
        try:
            return self.cursor().execute(*told)
        except UnicodeDecodeError:
            problem = sqlite3.DatabaseError("malformed database schema (a name in it is not UTF-8)")
            problem.sqlite_errorcode, problem.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
        raise problem


def missing_error(path: Path) -> ConnectError:
    """There is no regular file at this path: which names are near, or what is there instead."""
    if path.is_dir():
        return ConnectError(f"{path.name or path} is a folder, not a database file", hint=_databases_in(path))
    if path.exists():
        return ConnectError(f"{path.name} is not a regular file", hint="give the path of a SQLite file")
    if not path.parent.is_dir():
        return ConnectError(
            f"there is no file {path.name}: its folder {path.parent} does not exist",
            hint="check the path; a relative one starts at the folder where Python runs",
        )
    near = difflib.get_close_matches(path.name, _names_in(path.parent), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else _databases_in(path.parent)
    return ConnectError(f"there is no file {path.name} in {path.parent}", hint=hint)


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError:
        return []


def _databases_in(folder: Path) -> str:
    found = [n for n in _names_in(folder) if n.endswith((".db", ".sqlite", ".sqlite3", ".db3"))][:5]
    return (
        f"database files there: {', '.join(found)}" if found else "no database file is there; check the path"
    )


def connect_error(path: Path, error: sqlite3.Error) -> ConnectError:
    """Why this file cannot be opened, and the ways out."""
    name, code = path.name, _code(error)
    primary = code & 0xFF
    if not os.access(path, os.R_OK):
        return ConnectError(
            f"{name} may not be read by this user", hint="ask its owner for the right to read it"
        )
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return ConnectError(
            f"{name} was left in the middle of a write ({name}-journal lies beside it)",
            hint="open it once with the program that writes to it, which rolls that write back; "
            "on a copy, copy the -journal file with it",
        )
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY) and _is_wal(path):
        return ConnectError(
            f"{name} is in WAL mode and cannot be read here without writing to its folder",
            hint="copy the file together with its -wal and -shm files to a folder you may write to, make its "
            "folder writable, or let the application checkpoint it (PRAGMA journal_mode = DELETE)",
        )
    if primary in LOCKED:
        return ConnectError(f"{name} is locked by another program", hint=WAIT)
    if primary == sqlite3.SQLITE_NOTADB:
        return _not_a_database(path)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR):
        return ConnectError(f"{name} is damaged or cut short: {error}", hint=DAMAGED)
    return ConnectError(
        f"{name} cannot be opened: {error}", hint="check that it is a SQLite file you may read"
    )


def read_error(name: str, table: str, rows: int, error: sqlite3.Error) -> ReadError:
    """Why the rows of a table cannot be read to the end."""
    primary = _code(error) & 0xFF
    if primary == sqlite3.SQLITE_INTERRUPT:
        return ReadError(
            f"reading {table} was stopped after {rows:,} rows", hint="run it again to read all rows"
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR):
        message = f"{name} is damaged: {table} cannot be read beyond {rows:,} rows ({error})"
        return ReadError(message, hint=DAMAGED)
    if primary in LOCKED:
        return ReadError(f"{name} is locked by another program", hint=WAIT)
    return ReadError(
        f"{table} in {name} cannot be read beyond {rows:,} rows: {error}",
        hint="name the tables to compare without it (tables=[...])",
    )


def _code(error: sqlite3.Error) -> int:
    # Errors that Python's module raises itself carry no code.
    return getattr(error, "sqlite_errorcode", 0)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""


def _is_wal(path: Path) -> bool:
    """The two version bytes of the header say 2 in WAL mode."""
    return _head(path)[18:20] == b"\x02\x02"


def _not_a_database(path: Path) -> ConnectError:
    head = _head(path)
    for magic, what, hint in OTHER_FILES:
        if head.startswith(magic):
            return ConnectError(f"{path.name} is {what}, not a SQLite database", hint=hint)
    if head[8:12] == b"DUCK":
        hint = "export its tables: COPY t TO 't.parquet', then pass a frame"
        return ConnectError(f"{path.name} is a DuckDB database, not a SQLite one", hint=hint)
    if _looks_like_text(head):
        hint = "load a dump into a database first (sqlite3 new.db < FILE); pass a table of text as a frame"
        return ConnectError(f"{path.name} is a text file, not a SQLite database", hint=hint)
    return ConnectError(
        f"{path.name} is not a SQLite database, or it is encrypted",
        hint="an encrypted file (SQLCipher) must be exported without its key first (sqlcipher_export)",
    )


def _looks_like_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n" for letter in text)
