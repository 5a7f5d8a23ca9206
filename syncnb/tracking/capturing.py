"""The verbs `track` and `untrack`: triggers in a SQLite file that log which keys were touched."""

import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, delete, insert
from sqlalchemy.schema import CreateIndex, CreateTable

from syncnb import clock
from syncnb.errors import PlanError, SchemaError
from syncnb.journal.capture import KEY_COLUMNS, capture, is_capturing
from syncnb.journal.rights import said
from syncnb.planning.fingerprint import fingerprint
from syncnb.rendering import Cell, Sheet, frame
from syncnb.schema import Schema, Table
from syncnb.steps.codec import canonical
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store
from syncnb.stores.sqlite import SQLiteStore
from syncnb.stores.sqlite_capture import PREFIX, capture_triggers, installed_triggers
from syncnb.stores.sqlite_writer import SQLiteWriter
from syncnb.stores.write_errors import sqlite_write_error
from syncnb.tracking.checking import Gap, Tracked, gaps, place_of, tracked_tables

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Tracking", "captured_here", "key_of_table", "track", "tracking", "untrack"]


@dataclass(frozen=True, repr=False)
class Tracking:
    """Which tables of a store are tracked, and whether their triggers are as they should be."""

    store: str
    tables: tuple[Tracked, ...]
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()
    """Tables that cannot be tracked, and why."""

    def __bool__(self) -> bool:
        """Whether something is tracked and nothing may have been missed."""
        return bool(self.tables) and not any(gap.lost for gap in self.gaps)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A line a table: table, key, since, state."""
        import pyarrow as pa

        return frame(
            {
                "table": pa.array([each.name for each in self.tables], pa.string()),
                "key": pa.array([", ".join(each.key) for each in self.tables], pa.string()),
                "since": pa.array([each.since for each in self.tables], pa.timestamp("us", "UTC")),
                "state": pa.array([self._state(each.name) for each in self.tables], pa.string()),
            }
        )

    def _state(self, name: str) -> str:
        return "; ".join(gap.what for gap in self.gaps if gap.table == name) or "captured"

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(each.name),
                Cell(", ".join(each.key), "key"),
                Cell(state, "good" if state == "captured" else "bad"),
            ]
            for each in self.tables
            for state in [self._state(each.name)]
        ]
        notes = [str(gap) for gap in self.gaps if not gap.table]
        notes += ["track it again, and compare whole once"] if self.gaps else []
        count = f"{len(rows)} tables tracked" if len(rows) != 1 else "1 table tracked"
        return Sheet(
            f"{self.store}: {count if rows else 'nothing is tracked'}",
            ("table", "key", "state") if rows else (),
            rows,
            [*notes, *self.notes],
        )

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


@one_conversation
def track(store: Store, tables: "str | Iterable[str] | None" = None) -> Tracking:
    """Capture from now on which rows of a SQLite file change, whatever program changes them.

    tables: a name or names; by default every table that has a key. A table that is tracked already gets
        its triggers anew; where something may have been missed since, `pending` says so until a full diff.

    Puts triggers and our own tables (`syncnb_…`) into the file, in one transaction. Only keys are logged,
    no values. Raises WriteError where it was not opened to be written, SchemaError for a table that is not
    there or has no key, PlanError where the store is no SQLite file.
    """
    target = captured_here(store)
    with target.writing() as writer:
        schema = writer.schema()
        chosen, notes = _chosen(schema, tables)
        connection = writer.sql
        _begin(connection, target)
        raw = writer._connection
        lost = [gap for gap in gaps(connection, raw, target.path, schema, None) if gap.lost]
        before = {each.name: each for each in tracked_tables(connection)}
        if lost:
            _renew(connection, target)
        if tables is None:
            for name in set(before) - {table.name for table in schema}:
                _forget(connection, raw, before[name].number)
        for table in chosen:
            _track_one(connection, raw, table, before.get(table.name))
        state = _tracking(target, writer, notes)
        writer.commit()
    return state


@one_conversation
def untrack(store: Store, tables: "str | Iterable[str] | None" = None) -> Tracking:
    """Take the triggers away again, with what they logged of these tables; by default of all.

    When none is left, our tables for it go too.
    """
    target = captured_here(store)
    with target.writing() as writer:
        if not is_capturing(writer.sql):
            # Triggers whose log is gone make every write to their table fail.
            _drop_triggers(writer._connection)
            writer.commit()
            return Tracking(store.name, ())
        before = {each.name: each for each in tracked_tables(writer.sql)}
        names = list(before) if tables is None else _names(tables)
        for name in names:
            if name not in before:
                raise SchemaError(
                    f"{name} is not tracked", hint=f"tracked tables: {', '.join(before) or 'none'}"
                )
            _forget(writer.sql, writer._connection, before[name].number)
        left = _tracking(target, writer, ())
        if not left.tables:
            _drop_all(writer.sql)
        writer.commit()
    return left


def tracking(store: Store) -> Tracking:
    """Which tables are tracked, and whether all is well with them. Reads only."""
    from syncnb.stores.core import sqlite_core

    target = captured_here(store)
    with target.reading() as reader:
        connection = sqlite_core(reader._connection)
        if not is_capturing(connection):
            return Tracking(store.name, ())
        schema = reader.schema()
        reader._connection.text_factory = str
        found = tuple(gaps(connection, reader._connection, target.path, schema, None))
        return Tracking(store.name, tuple(tracked_tables(connection)), found)


def captured_here(store: Store) -> SQLiteStore:
    """The store, if changes can be captured in it. Raises PlanError."""
    if not isinstance(store, SQLiteStore):
        raise PlanError(
            f"changes are captured in SQLite files; {store.name} is {store.dialect}",
            hint="without capture, sn.diff compares it whole",
        )
    return store


def key_of_table(table: Table) -> tuple[str, ...]:
    """What identifies a row in the log: the primary key, else a unique rule without NULLs. Raises SchemaError."""
    for rule in table.rules:
        plain = rule.columns and not rule.expressions and rule.where is None
        whole = all(not table.column(name).nullable for name in rule.columns)
        if plain and (rule.primary or whole):
            if len(rule.columns) > len(KEY_COLUMNS):
                raise SchemaError(
                    f"the key of {table.label} has {len(rule.columns)} columns",
                    hint=f"a key of at most {len(KEY_COLUMNS)} can be tracked; compare this table whole",
                )
            return rule.columns
    raise SchemaError(
        f"{table.label} has no key, so a changed row cannot be named",
        hint="give it a primary key, or leave it out: it is then compared whole",
    )


def _names(tables: "str | Iterable[str]") -> list[str]:
    return [tables] if isinstance(tables, str) else list(tables)


def _chosen(schema: Schema, tables: "str | Iterable[str] | None") -> tuple[list[Table], tuple[str, ...]]:
    if tables is not None:
        found = [schema.find(name) for name in dict.fromkeys(_names(tables))]
        for table in found:
            if table.is_view or "VIRTUAL" in table.options:
                raise SchemaError(
                    f"{table.label} is no ordinary table: it cannot be tracked",
                    hint="name the tables it reads",
                )
            key_of_table(table)
        return found, ()
    chosen, notes = [], []
    for table in schema:
        if table.is_view or "VIRTUAL" in table.options:
            continue
        try:
            key_of_table(table)
        except SchemaError as problem:
            notes.append(f"not tracked: {problem.message}")
        else:
            chosen.append(table)
    if not chosen:
        raise SchemaError(
            "there is no table here that can be tracked", hint="; ".join(notes) or "it has none"
        )
    return chosen, tuple(notes)


def _begin(connection: Connection, store: SQLiteStore) -> None:
    """Our tables, where they are not there yet."""
    if is_capturing(connection):
        return
    with said("installing"):
        for each in capture().all:
            connection.execute(CreateTable(each, if_not_exists=True))
            for index in each.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
    _renew(connection, store)


def _renew(connection: Connection, store: SQLiteStore) -> None:
    """A new epoch: whoever remembers the old one must compare whole. What is in the log stays pending."""
    facts = {"epoch": uuid.uuid4().hex, "generation": uuid.uuid4().hex, "place": place_of(store.path)}
    own = capture()
    with said("writing to"):
        connection.execute(delete(own.facts))
        connection.execute(insert(own.facts), [{"name": n, "value": v} for n, v in facts.items()])
        connection.execute(delete(own.own))


def _track_one(connection: Connection, raw: sqlite3.Connection, table: Table, before: Tracked | None) -> None:
    key, own = key_of_table(table), capture().tracked
    facts = {
        "name": table.name,
        "key": canonical(list(key)).decode(),
        "fingerprint": fingerprint(table),
        "since": before.since if before else clock.now(),
    }
    with said("writing to"):
        if before is not None:
            connection.execute(delete(own).where(own.c.number == before.number))
            facts["number"] = before.number
        number = int(
            cast(int, connection.execute(insert(own).values(facts).returning(own.c.number)).scalar_one())
        )
    _drop_triggers(raw, number)
    for sql in capture_triggers(raw, table, key, number).values():
        _run(raw, sql, table.label)


def _forget(connection: Connection, raw: sqlite3.Connection, number: int) -> None:
    _drop_triggers(raw, number)
    own = capture()
    with said("writing to"):
        connection.execute(delete(own.touched).where(own.touched.c.tracked == number))
        connection.execute(delete(own.tracked).where(own.tracked.c.number == number))


def _drop_triggers(raw: sqlite3.Connection, number: int | None = None) -> None:
    """Those of one tracked table, or all."""
    prefix = PREFIX if number is None else f"{PREFIX}{number}_"
    for name in [name for name, *_ in installed_triggers(raw) if name.startswith(prefix)]:
        _run(raw, f"DROP TRIGGER {name}", name)


def _drop_all(connection: Connection) -> None:
    from sqlalchemy.schema import DropTable

    with said("removing from"):
        for each in capture().all:
            connection.execute(DropTable(each))


def _run(raw: sqlite3.Connection, sql: str, what: str) -> None:
    try:
        raw.execute(sql)
    except sqlite3.Error as error:
        raise sqlite_write_error(error, what) from None


def _tracking(store: SQLiteStore, writer: SQLiteWriter, notes: Sequence[str]) -> Tracking:
    found = tuple(gaps(writer.sql, writer._connection, store.path, writer.schema(), None))
    writer._connection.text_factory = str
    return Tracking(store.name, tuple(tracked_tables(writer.sql)), found, tuple(notes))
