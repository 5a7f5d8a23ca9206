"""Id maps: which row of a source is which row here, kept with the run that made or found it out."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, insert, select

from syncnb.journal.installing import version
from syncnb.journal.rights import said
from syncnb.journal.tables import tables_of
from syncnb.steps import IdMap

__all__ = ["read_id_maps", "store_id_maps"]

AT_ONCE = 5000
"""Rows of one INSERT statement's batch."""
SINCE = 2


def store_id_maps(connection: Connection, run: int, source_id: str, maps: Sequence[IdMap]) -> None:
    """Keep pairs of ids, in the transaction that writes the rows they are about."""
    table = tables_of(connection).id_maps
    for each in maps:
        fixed = {"run": run, "source_id": source_id, "table": each.table}
        rows = [
            {**fixed, "source": own, "target": there}
            for own, there in zip(each.source, each.target, strict=True)
        ]
        with said("writing id maps to"):
            for start in range(0, len(rows), AT_ONCE):
                connection.execute(insert(table), rows[start : start + AT_ONCE])


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
