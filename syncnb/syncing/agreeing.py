"""The verb `agree`: what is the same on both sides now is kept as what both agreed on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from syncnb import journal
from syncnb.changes import Diff, TablePair
from syncnb.comparing.diffing import diff_told
from syncnb.comparing.remembering import row_keys
from syncnb.errors import PlanError
from syncnb.matching import Told
from syncnb.rendering import Cell, Sheet, frame
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store, WritableStore
from syncnb.syncing.spooling import Spool, base_columns
from syncnb.values.sides import Side, other_side

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Agreement", "agree", "holder_of", "keep", "label_of"]


@dataclass(frozen=True, repr=False)
class Agreement:
    """What is kept as agreed by two databases."""

    store: str
    """The store that keeps it."""
    other: str
    rows: Mapping[str, int]
    """By table: how many rows both have agreed on."""
    differing: Mapping[str, int]
    """By table: rows that differ; what was agreed on them before still holds."""

    @property
    def frame(self) -> "pd.DataFrame":
        """A line a table: table, agreed, differing."""
        import pyarrow as pa

        return frame(
            {
                "table": pa.array(list(self.rows), pa.string()),
                "agreed": pa.array(list(self.rows.values()), pa.int64()),
                "differing": pa.array([self.differing.get(name, 0) for name in self.rows], pa.int64()),
            }
        )

    def _sheet(self) -> Sheet:
        rows = [
            [Cell(name), Cell(f"{count:,}", "number"), Cell(f"{self.differing.get(name, 0):,}", "number")]
            for name, count in self.rows.items()
        ]
        return Sheet(
            f"{self.store} keeps what it and {self.other} agree on", ("table", "agreed", "differing"), rows
        )

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


@one_conversation
def agree(
    local: Store,
    remote: Store,
    tables: "str | Iterable[str] | Mapping[str, str] | None" = None,
    *,
    schemas: Sequence[str] | None = None,
    **told: object,
) -> Agreement:
    """Compare two databases whole, and keep every row that is the same on both sides as agreed on.

    From then on a diff knows of these rows who changed what, and a plan lets flow what only one side changed.
    Rows that differ are left as they are; what was agreed on them before still holds.
    tables, schemas, and key, columns, ignore, tolerance, ids: as `sn.diff` takes them.

    It is kept in the SQLite file of the two (in local, where both are), else in remote; that store must be
    writable. Writes nothing but our own tables there. Raises PlanError where neither can keep it.
    """
    side, holder, other = holder_of(local, remote)
    if not holder.writable:
        raise PlanError(
            f"{holder.name} keeps what both agree on, and was opened to be read",
            hint="connect(..., writable=True) permits writing",
        )
    with Spool(side) as spool:
        d = diff_told(local, remote, Told(tables=tables, **told), schemas=schemas, witness=spool)  # type: ignore[arg-type]
        with holder.writing() as writer:
            if journal.version(writer.sql) != journal.VERSION:
                journal.install(writer.sql)
                writer.commit()
        with holder.writing() as writer:
            rows = keep(writer.sql, other.identity().id, d, spool)
            writer.commit()
    differing = {
        table.name: table.counts.changed + table.counts.only_local + table.counts.only_remote
        for table in d.tables
    }
    return Agreement(holder.name, other.name, rows, differing)


def holder_of(local: Store, remote: Store) -> tuple[Side, WritableStore, WritableStore]:
    """Which of the two keeps the base, and the other one. Raises PlanError where one of them is no database."""
    for store in (local, remote):
        if not isinstance(store, WritableStore):
            raise PlanError(
                f"{store.name} is no database: what was agreed on cannot be kept for it",
                hint="open a SQLite file or a PostgreSQL database on both sides",
            )
    if local.dialect == "sqlite":
        return "local", local, remote  # type: ignore[return-value]
    return "remote", remote, local  # type: ignore[return-value]


def keep(connection: Connection, pair_id: str, d: Diff, spool: Spool) -> dict[str, int]:
    """Replace the base by what a whole comparison found: by table, how many rows it now has.

    Rows that differ keep what was agreed on them before; rows that neither side has are forgotten.
    """
    found: dict[str, int] = {}
    for table in d.tables:
        if table.name not in spool.shelves:
            continue
        label = label_of(table.pair, spool.holder)
        names = base_columns(table.pair, spool.holder)
        journal.store_bases(connection, pair_id, label, names, spool.rows(table.name))
        found[table.name] = spool.shelves[table.name].rows
        _forget(connection, pair_id, d, table.name, spool)
    return found


def _forget(connection: Connection, pair_id: str, d: Diff, name: str, spool: Spool) -> None:
    """Drop the lines of rows that neither side has any more. Nothing is read where the numbers say there are none."""
    table, own = d[name], spool.holder
    if table.counts.uncompared_local or table.counts.uncompared_remote:
        return  # rows that could not be compared may be among them
    there: set[str | None] = set()
    for rows in (table.changed(own), table.alone(own)):
        if len(rows):
            there |= set(row_keys(table.pair, rows.columns, own))
    alone = table.alone(other_side(own))
    label = label_of(table.pair, own)
    if journal.base_size(connection, pair_id, label) == spool.shelves[name].rows:
        return
    keys = row_keys(table.pair, alone.columns, other_side(own)) if len(alone) else []
    shapes = journal.shapes_of(connection, pair_id)[label]
    lines = journal.read_bases(connection, shapes, other={key for key in keys if key is not None}, own=())
    there |= {line.own for line in lines}
    journal.prune_bases(
        connection,
        pair_id,
        label,
        {key for key in there if key is not None} | {row.own for row in spool.rows(name)},
    )


def label_of(pair: TablePair, side: Side) -> str:
    """What the side that keeps the base calls the table."""
    return pair.on(side).label
