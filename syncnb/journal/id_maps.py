"""Id maps: which row of a source is which row here, kept with the run that made or found it out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat

from sqlalchemy import ARRAY, Connection, Text, cast, func, insert, literal, select

from syncnb.journal.installing import version
from syncnb.journal.rights import said
from syncnb.journal.tables import tables_of
from syncnb.steps import IdMap

__all__ = ["read_id_maps", "store_id_maps"]

SINCE = 2


def store_id_maps(connection: Connection, run: int, source_id: str, maps: Sequence[IdMap]) -> None:
    """Keep pairs of ids, in the transaction that writes the rows they are about."""
    for each in maps:
        with said("writing id maps to"):
            _store(connection, run, source_id, each)


def _store(connection: Connection, run: int, source_id: str, pairs: IdMap) -> None:
    if connection.dialect.name == "postgresql":
        _store_arrays(connection, run, source_id, pairs)
    elif len(pairs):
        _store_tuples(connection, run, source_id, pairs)


def _store_arrays(connection: Connection, run: int, source_id: str, pairs: IdMap) -> None:
    """One statement for all pairs: a server is asked once, and both columns go there as arrays."""
    table = tables_of(connection).id_maps
    fixed = literal(run, table.c.run.type), literal(source_id), literal(pairs.table)
    own, there = (cast(list(side), ARRAY(Text)) for side in (pairs.source, pairs.target))
    both = func.unnest(own, there).table_valued("source", "target").render_derived()
    rows = select(*fixed, both.c.source, both.c.target)
    connection.execute(insert(table).from_select(table.columns.keys(), rows))


def _store_tuples(connection: Connection, run: int, source_id: str, pairs: IdMap) -> None:
    """As plain tuples: what SQLAlchemy does to each row's parameters takes longer than the writing."""
    statement = insert(tables_of(connection).id_maps).compile(dialect=connection.dialect)
    columns: dict[str, Iterable[object]] = {
        "run": repeat(run),
        "source_id": repeat(source_id),
        "table": repeat(pairs.table),
        "source": pairs.source,
        "target": pairs.target,
    }
    # Not strict: what is the same for all pairs has no end.
    rows = list(zip(*(columns[name] for name in statement.positiontup or ()), strict=False))
    connection.exec_driver_sql(str(statement), rows)


def read_id_maps(connection: Connection, source_id: Callable[[], str]) -> Mapping[str, Mapping[str, str]]:
    """By table: the source's ids to those here, of all runs that were not taken back. A later run goes first.

    `source_id` is asked for only where there is any map: it may cost a connection.
    """
    if (version(connection) or 0) < SINCE:
        return {}
    ours = tables_of(connection)
    maps, runs = ours.id_maps.c, ours.runs.c
    undone = select(runs.undo_of).where(runs.undo_of.is_not(None), runs.status == "success")
    found: dict[str, dict[str, str]] = {}
    with said("reading", reading=True):
        if connection.execute(select(maps.run).limit(1)).first() is None:
            return {}
        wanted = (
            select(maps.table, maps.source, maps.target)
            .where(maps.source_id == source_id(), maps.run.not_in(undone))
            .order_by(maps.run)
        )
        for table, source, target in connection.execute(wanted):
            found.setdefault(table, {})[source] = target
    return found
