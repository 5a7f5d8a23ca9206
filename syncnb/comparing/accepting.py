"""The verb `accept`: a difference that is known, and shall be left."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from syncnb import clock, journal
from syncnb.changes import Diff, TableDiff
from syncnb.changes.accepted import Accepted, accepted_frame, fingerprints
from syncnb.changes.keys import plain
from syncnb.errors import PlanError, SchemaError
from syncnb.journal.reading import within
from syncnb.rendering import Cell, Sheet
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Reader, Store, WritableStore
from syncnb.values.reading import as_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Acceptance", "accept", "accepted_here"]

Rows: TypeAlias = "Mapping[str, Any] | pd.DataFrame | Iterable[Any]"


@dataclass(frozen=True, repr=False)
class Acceptance:
    """What was accepted, and where that is kept."""

    store: str
    entries: tuple[Accepted, ...]

    @property
    def frame(self) -> "pd.DataFrame":
        """A line a row: key, state, reason, by, at, until."""
        return accepted_frame(self.entries)

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(e.table),
                Cell(e.key, "key"),
                Cell(e.state),
                Cell(e.reason),
                Cell(e.by),
                Cell(_day(e.until)),
            ]
            for e in self.entries[:20]
        ]
        more = len(self.entries) - len(rows)
        notes = [f"… {more:,} more: see .frame"] if more else []
        title = f"{len(self.entries):,} accepted, kept in {self.store}"
        return Sheet(title, ("table", "key", "state", "reason", "by", "until"), rows, notes)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def _day(until: datetime | None) -> str:
    return "a value changes" if until is None else f"{until:%Y-%m-%d %H:%M}Z"


@one_conversation
def accept(
    d: Diff, rows: Rows, *, reason: str, by: str = "", until: date | datetime | None = None
) -> Acceptance:
    """Leave differences as they are, because somebody knows of them.

    From then on they are not among the differences of these two databases, but counted as accepted, until a
    value of the row changes on either side, or the day has come. A later word on the same row counts.

    rows: `{table: keys}`, where keys are single ones, tuples for composite keys, or lines of `d[table].rows`;
        for a diff of one table the keys alone. until: a date (its beginning, in UTC), or a stamp with a zone.

    Kept in the journal of one of the two, SQLite before PostgreSQL, that was opened with `writable=True`.
    Raises PlanError where neither was, for a row that does not differ, and without a reason.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise PlanError(
            "a difference is accepted for a reason", hint='write reason="…": who reads it later will ask'
        )
    moment, now = _moment(until), clock.now()
    entries = tuple(
        Accepted(table.name, key, state, fingerprint, reason, by, now, moment)
        for table, keys in _told(d, rows)
        for key, state, fingerprint in _found(table, keys)
    )
    store, other = _keeper(d)
    with store.writing() as writer:
        if journal.version(writer.sql) != journal.VERSION:
            journal.install(writer.sql)
        journal.store_accepted(writer.sql, other, entries)
        writer.commit()
    return Acceptance(store.name, entries)


def accepted_here(
    stores: tuple[Store, Store], readers: tuple[Reader, Reader]
) -> dict[str, dict[tuple[str, str], Accepted]]:
    """By table, key and state: what is accepted between these two databases, read in the snapshots compared."""
    found: dict[str, dict[tuple[str, str], Accepted]] = {}
    for at in (0, 1):
        store, other = stores[at], stores[1 - at]
        connection = within(readers[at], store.dialect)
        if connection is None or not journal.is_installed(connection):
            continue
        for entry in journal.read_accepted(connection, partial(_identity, other, readers[1 - at])):
            there = found.setdefault(entry.table, {})
            before = there.get((entry.key, entry.state))
            if before is None or before.at <= entry.at:
                there[entry.key, entry.state] = entry
    return found


def _identity(store: Store, reader: Reader | None = None) -> str:
    """A frame has no identity of its own: it goes by its name."""
    return store.identity(reader).id if isinstance(store, WritableStore) else f"frame {store.name}"


def _keeper(d: Diff) -> tuple[WritableStore, str]:
    """The store that keeps it, and the identity of the other one."""
    stores = d.stores or ()
    order = sorted(range(len(stores)), key=lambda at: stores[at].dialect != "sqlite")
    for at in order:
        if isinstance(stores[at], WritableStore) and stores[at].writable:
            return stores[at], _identity(stores[1 - at])
    raise PlanError(
        "neither database was opened to be written, and what is accepted is kept in one of them",
        hint="connect(..., writable=True) one of them, and diff again",
    )


def _moment(until: date | datetime | None) -> datetime | None:
    if until is None:
        return None
    if not isinstance(until, datetime):
        if not isinstance(until, date):
            raise PlanError(f"until is {until!r}", hint="give a date, or a datetime with its zone")
        return datetime.combine(until, time(), clock.now().tzinfo)
    if until.tzinfo is None:
        raise PlanError(f"until is {until}, without a zone", hint="give a date, or a datetime with its zone")
    return until


def _told(d: Diff, rows: Rows) -> Iterator[tuple[TableDiff, Any]]:
    if isinstance(rows, Mapping):
        for name, keys in rows.items():
            yield d[name], keys
        return
    if len(d.tables) != 1:
        raise PlanError(
            f"rows of which table? {len(d.tables)} were compared", hint='write {"hosts": [225, 226]}'
        )
    yield d.tables[0], rows


def _found(table: TableDiff, keys: Any) -> Iterator[tuple[str, str, str]]:
    """Key, state and fingerprint of each row that was told. Raises PlanError for one that does not differ."""
    there: dict[str, list[tuple[str, str]]] = {}
    for (key, state), fingerprint in fingerprints(table).items():
        there.setdefault(key, []).append((state, fingerprint))
    for key, told in _keys(table, keys):
        wanted = [entry for entry in there.get(key, ()) if told in (None, entry[0])]
        if not wanted:
            raise PlanError(
                f"{table.name} {key} does not differ", hint="d[table].rows lists the rows that do"
            )
        for state, fingerprint in wanted:
            yield key, state, fingerprint


def _keys(table: TableDiff, keys: Any) -> Iterator[tuple[str, str | None]]:
    """Keys as text, and the state where a line of the frame tells it."""
    names = table.pair.key_names
    if not names:
        raise PlanError(f"{table.name} has no key", hint="pass key= to diff to name what identifies a row")
    if hasattr(keys, "columns"):
        missing = [name for name in names if name not in keys.columns]
        if missing:
            raise SchemaError(f"the lines have no column {missing[0]}", hint="take lines of d[table].rows")
        states = keys["state"].tolist() if "state" in keys.columns else [None] * len(keys)
        for values, state in zip(
            zip(*(keys[name].tolist() for name in names), strict=True), states, strict=True
        ):
            yield _text(table, values), state
        return
    for key in [keys] if isinstance(keys, str | int | tuple) else keys:
        yield _text(table, key if isinstance(key, tuple) else (key,)), None


def _text(table: TableDiff, values: tuple[Any, ...]) -> str:
    """As `key_text` writes it, of values that a person typed or took from a frame."""
    if len(values) != len(table.pair.key):
        raise PlanError(
            f"the key of {table.name} has {len(table.pair.key)} parts, not {len(values)}",
            hint=f"pass ({', '.join(table.pair.key_names)})",
        )
    parts = [as_text(plain(value), column.rule) for value, column in zip(values, table.pair.key, strict=True)]
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
