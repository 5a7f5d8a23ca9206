"""The self-check of change capture: what may have happened that no trigger has seen."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, select, table

from syncnb.journal.capture import capture
from syncnb.journal.rights import said
from syncnb.planning.fingerprint import fingerprint
from syncnb.schema import Schema, Table
from syncnb.steps.codec import parse
from syncnb.stores.sqlite_capture import PREFIX, capture_triggers, installed_triggers

__all__ = ["Gap", "Mark", "Tracked", "facts_of", "gaps", "mark_of", "place_of", "tracked_tables"]

_SEQUENCES = table("sqlite_sequence", column("name"), column("seq"))


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a log stood when it was last acknowledged: to be kept elsewhere, and given back to `pending`.

    A file that was restored from a backup has another generation: each acknowledgement makes a new one.
    """

    epoch: str
    generation: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that capture cannot vouch for."""

    table: str
    """Empty where it is about the whole file."""
    what: str
    lost: bool
    """Whether changes may be missing from the log, so that only a full diff knows."""

    def __str__(self) -> str:
        return f"{self.table}: {self.what}" if self.table else self.what


@dataclass(frozen=True, slots=True)
class Tracked:
    """One tracked table, as our own table has it."""

    number: int
    name: str
    key: tuple[str, ...]
    fingerprint: str
    since: Any


def tracked_tables(connection: Connection) -> list[Tracked]:
    """The tracked tables, by name."""
    own = capture().tracked.c
    with said("reading", reading=True):
        rows = connection.execute(
            select(own.number, own.name, own.key, own.fingerprint, own.since).order_by(own.name)
        )
        return [
            Tracked(row.number, row.name, tuple(parse(row.key)), row.fingerprint, row.since) for row in rows
        ]


def facts_of(connection: Connection) -> dict[str, str]:
    """`epoch`, `generation`, `place`."""
    own = capture().facts.c
    with said("reading", reading=True):
        return {row.name: row.value for row in connection.execute(select(own.name, own.value))}


def mark_of(connection: Connection) -> Mark:
    """Where the log stands now."""
    facts = facts_of(connection)
    with said("reading", reading=True):
        last = connection.scalar(select(_SEQUENCES.c.seq).where(_SEQUENCES.c.name == capture().touched.name))
    return Mark(facts.get("epoch", ""), facts.get("generation", ""), int(last or 0))


def place_of(path: Path) -> str:
    """Which file this is to its file system. A copy has another, and so has a backup that was moved in."""
    return str(path.stat().st_ino)  # not the device too: its number may be another after each start


def gaps(
    connection: Connection, raw: sqlite3.Connection, path: Path, schema: Schema, known: Mark | None
) -> Iterator[Gap]:
    """Everything that is not as it was when the tables were tracked."""
    yield from _of_the_file(connection, path, known)
    own = capture().own
    with said("reading", reading=True):
        if connection.execute(select(own.c.writing)).first() is not None:
            yield Gap("", "capture is switched off: a row was left in syncnb_own", lost=True)
    there = list(installed_triggers(raw))
    tables = {each.name: each for each in schema}
    for each in tracked_tables(connection):
        own_triggers = {
            name: (on, sql) for name, on, sql in there if name.startswith(f"{PREFIX}{each.number}_")
        }
        yield from _of_a_table(raw, each, tables.get(each.name), own_triggers)


def _of_the_file(connection: Connection, path: Path, known: Mark | None) -> Iterator[Gap]:
    facts = facts_of(connection)
    if facts.get("place") != place_of(path):
        yield Gap("", "this is not the file that was tracked: it is a copy, or was restored", lost=True)
    if known is None:
        return
    now = mark_of(connection)
    if now.epoch != known.epoch:
        yield Gap("", "the log was begun anew since it was last acknowledged", lost=True)
    elif now.generation != known.generation or now.sequence < known.sequence:
        yield Gap(
            "", "the file is older than its last acknowledgement: it was restored from a backup", lost=True
        )


def _of_a_table(
    raw: sqlite3.Connection,
    each: Tracked,
    found: Table | None,
    there: Mapping[str, tuple[str, str]],
) -> Iterator[Gap]:
    if found is None:
        elsewhere = sorted({on for on, _ in there.values()})
        what = f"was renamed to {elsewhere[0]}" if elsewhere else "is gone: it was dropped or renamed"
        yield Gap(each.name, what, lost=True)
        return
    missing_columns = [name for name in each.key if name not in {c.name for c in found.columns}]
    if missing_columns:
        yield Gap(each.name, f"its key column {missing_columns[0]} is gone", lost=True)
        return
    wanted = capture_triggers(raw, found, each.key, each.number)
    blind = list(_of_triggers(each.name, wanted, there))
    yield from blind
    if not blind and fingerprint(found) != each.fingerprint:
        yield Gap(each.name, "was altered since it was tracked", lost=False)


def _of_triggers(name: str, wanted: Mapping[str, str], there: Mapping[str, tuple[str, str]]) -> Iterator[Gap]:
    missing = [trigger for trigger in wanted if trigger not in there]
    if missing:
        what = (
            "its triggers are gone"
            if len(missing) == len(wanted)
            else f"{len(missing)} of its triggers are gone"
        )
        yield Gap(name, f"{what}: a rebuilt table loses them", lost=True)
    changed: Sequence[str] = [
        trigger for trigger, sql in wanted.items() if trigger in there and there[trigger][1] != sql
    ]
    if changed:
        yield Gap(name, "its triggers are not those that its unique rules now need", lost=True)
