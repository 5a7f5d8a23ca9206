"""The journal's tables, defined once: schema `syncnb` in PostgreSQL, the prefix `syncnb_` in SQLite."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["SCHEMA", "VERSION", "Moment", "Tables", "tables", "tables_of"]

VERSION = 2
"""The version of these tables. Whoever changes them adds to `UPGRADES` how an older journal becomes one."""
SCHEMA = "syncnb"
"""The PostgreSQL schema of the journal, unless it was installed by another name."""
PREFIX = "syncnb_"
"""What the names of our tables begin with in SQLite, which has no schemas."""


class Moment(TypeDecorator[datetime]):
    """An instant: timestamptz in PostgreSQL, ISO text in UTC in SQLite, which then sorts as time does."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stamp without a zone is no instant")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables as one engine has them."""

    meta: Table
    """What holds for the journal as a whole: `version`, `store_id`."""
    runs: Table
    """A row for each run, written before anything else happens."""
    markers: Table
    """A row for each stage that was committed, written in its transaction: what settles a lost answer."""
    images: Table
    """The rows that were written, as they were before and after."""
    id_maps: Table
    """Which id of a source is which id here, where they are not the same; since version 2."""
    shapes: Table
    """Which columns of which table the bases of another database hold; since version 2."""
    bases: Table
    """What both sides of a pair of databases last agreed on, a line a row; since version 2."""

    syncs: Table
    """Syncs with other databases that were begun here, and how far each came; since version 2."""
    accepted: Table
    """Differences from other databases that somebody knows of and leaves; since version 2."""

    @property
    def all(self) -> tuple[Table, ...]:
        """In the order in which they can be made."""
        return *self.first, self.id_maps, self.accepted, self.shapes, self.bases, self.syncs

    @property
    def first(self) -> tuple[Table, ...]:
        """Those that every journal has had from version 1 on."""
        return self.meta, self.runs, self.markers, self.images

    @property
    def schema(self) -> str | None:
        """The PostgreSQL schema they are in; None in SQLite."""
        return self.meta.schema


@cache
def tables(dialect: str, schema: str = SCHEMA) -> Tables:
    """The tables in that dialect; where it has no schemas, `schema` changes nothing."""
    return _define(schema, "") if dialect == "postgresql" else _define(None, PREFIX)


def tables_of(connection: Connection) -> Tables:
    """The tables as statements on this connection name them.

    A journal installed by another name than `syncnb` is told once for all functions here:
    `connection.execution_options(syncnb_schema="other")`.
    """
    schema = connection.get_execution_options().get("syncnb_schema", SCHEMA)
    return tables(connection.dialect.name, schema)


def _define(schema: str | None, prefix: str) -> Tables:
    shelf = MetaData(schema=schema)
    return Tables(
        meta=Table(
            f"{prefix}meta",
            shelf,
            Column("key", Text, primary_key=True),
            Column("value", Text, nullable=False),
        ),
        runs=_runs(shelf, prefix),
        markers=Table(
            f"{prefix}markers",
            shelf,
            Column("plan_id", Text, primary_key=True),
            Column("stage", Integer, primary_key=True, autoincrement=False),
            _of_run(schema, prefix),
            Column("at", Moment, nullable=False),
        ),
        images=Table(
            f"{prefix}images",
            shelf,
            _of_run(schema, prefix, primary_key=True),
            Column("step", Integer, primary_key=True, autoincrement=False),
            Column("part", Integer, primary_key=True, autoincrement=False),
            Column("payload", Text, nullable=False),
            Column("packed", LargeBinary),  # the values, since version 2; before, they were in the payload
        ),
        id_maps=Table(
            f"{prefix}id_maps",
            shelf,
            _of_run(schema, prefix, primary_key=True),
            Column("source_id", Text, primary_key=True),
            Column("table", Text, primary_key=True),
            Column("source", Text, primary_key=True),
            Column("target", Text, nullable=False),
        ),
        accepted=_accepted(shelf, prefix),
        **_base(schema, shelf, prefix),
    )


def _base(schema: str | None, shelf: MetaData, prefix: str) -> dict[str, Table]:
    shapes = Table(
        f"{prefix}shapes",
        shelf,
        Column("shape", NUMBER, Identity(always=True), primary_key=True),
        Column("pair", Text, nullable=False),  # the other database, by its id
        Column("table", Text, nullable=False),
        Column("columns", Text, nullable=False),
        Column("at", Moment, nullable=False),  # where both sides keep a base, the later one counts
        UniqueConstraint("pair", "table", "columns"),
    )
    shape = ".".join(filter(None, (schema, f"{prefix}shapes", "shape")))
    bases = Table(
        f"{prefix}bases",
        shelf,
        Column("shape", NUMBER, ForeignKey(shape), primary_key=True, autoincrement=False),
        Column("own", Text, primary_key=True),
        Column("other", Text, nullable=False),
        Column("cells", Text, nullable=False),
        Column("other_cells", Text),  # where the other side's were accepted as they are
        Column("run", NUMBER),  # of the run that wrote it; below zero one in this very journal
        UniqueConstraint("other", "shape"),
        sqlite_with_rowid=False,  # there may be as many as both sides have rows
    )
    syncs = Table(
        f"{prefix}syncs",
        shelf,
        Column("sync", NUMBER, Identity(always=True), primary_key=True),
        Column("pair", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("plan_id", Text),  # known when the plan is drawn, and kept before anything is written
        Column("run", NUMBER),  # of the target's journal
        Column("caller", Text, nullable=False),
        Column("backend", Text, nullable=False),
        Column("started", Moment, nullable=False),
        Column("lease_until", Moment, nullable=False),
        Column("finished", Moment),
        Column("audited", Integer, nullable=False, server_default=literal_column("0")),
        Column("mark", Text),
        sqlite_autoincrement=True,
    )
    return {"shapes": shapes, "bases": bases, "syncs": syncs}


# SQLite numbers rows itself only where the type is the very word INTEGER.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _of_run(schema: str | None, prefix: str, *, primary_key: bool = False) -> Column[int]:
    target = ".".join(filter(None, (schema, f"{prefix}runs", "run")))
    return Column(
        "run", NUMBER, ForeignKey(target), primary_key=primary_key, autoincrement=False, nullable=False
    )


def _accepted(shelf: MetaData, prefix: str) -> Table:
    return Table(
        f"{prefix}accepted",
        shelf,
        Column("entry", NUMBER, Identity(always=True), primary_key=True),
        Column("other_id", Text, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("table", "key", "state", "fingerprint")),
        Column("reason", Text, nullable=False),
        Column("by", Text, nullable=False),
        Column("at", Moment, nullable=False),
        Column("until", Moment),
    )


def _runs(shelf: MetaData, prefix: str) -> Table:
    def count(name: str) -> Column[int]:
        return Column(name, NUMBER, nullable=False, server_default=literal_column("0"))

    return Table(
        f"{prefix}runs",
        shelf,
        Column("run", NUMBER, Identity(always=True), primary_key=True),
        Column("plan_id", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("started", Moment, nullable=False),
        Column("finished", Moment),
        *map(count, ("records", "inserted", "updated", "deleted", "mapped")),
        *map(count, ("conflicts_resolved", "conflicts_open")),
        Column("stages", Integer, nullable=False, server_default=literal_column("1")),
        Column("caller", Text),
        Column("approved_by", Text),
        Column("allowed", Text, nullable=False, server_default="[]"),
        Column("error", Text),
        Column("backend", Text, nullable=False),
        Column("lease_until", Moment, nullable=False),
        Column("undo_of", NUMBER),
        Column("report", Text),
        Column("digest", Text),
        Column("purged", Moment),
        Column("backlog", NUMBER),  # what a sync left pending, and since when it waits; since version 2
        Column("backlog_since", Moment),
        sqlite_autoincrement=True,  # a number is never given twice, also after the last run's row is gone
    )
