"""The rows of one block beside their table, in a transaction on PostgreSQL: found, locked, written, read again."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from psycopg.pq import TransactionStatus

from syncnb.schema import Column, Table
from syncnb.stores.postgres_copy import qualified
from syncnb.stores.postgres_staging import Layout
from syncnb.stores.staging import NUMBER, arranged, joined
from syncnb.values.kinds import Kind

if TYPE_CHECKING:
    from syncnb.stores.postgres_writer import PostgresWriter

__all__ = ["RIGHTS", "PostgresStaged"]

RIGHTS = """
SELECT pg_catalog.has_database_privilege(current_database(), 'TEMPORARY'),
       pg_catalog.has_any_column_privilege(%s::regclass::oid, 'UPDATE')
"""

ALONE = """
SELECT c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relhassubclass AND NOT c.relrowsecurity
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_trigger AS g
           WHERE g.tgrelid = c.oid AND g.tgtype::integer & %s <> 0 AND g.tgfoid <> ALL (ARRAY[
               'pg_catalog."RI_FKey_check_ins"', 'pg_catalog."RI_FKey_check_upd"',
               'pg_catalog."RI_FKey_noaction_upd"', 'pg_catalog."RI_FKey_restrict_upd"']::regproc[]))
FROM pg_catalog.pg_class AS c WHERE c.oid = %s::regclass
"""
"""Whether such a statement writes its rows and nothing else happens: no trigger but those that only look
whether a reference holds, so no cascade either; no rule, no policy, no table that inherits."""

FIRES = {"insert": 4, "delete": 8, "update": 16}
"""The bits of `pg_trigger.tgtype`."""


class PostgresStaged:
    """The rows of one block beside their table."""

    def __init__(self, writer: "PostgresWriter", layout: Layout, *, updates: bool) -> None:
        self.layout = layout
        self._writer = writer
        self._updates = updates
        """Whether the role may UPDATE the table, without which it may not lock a row."""
        self._written: int | None = None
        self._count = 0

    def present(self, columns: Sequence[str]) -> pa.RecordBatch:
        """The rows that have a staged key, by row number; locked in key order, except for an insert."""
        table = self.layout.table
        chosen = [table.column(name) for name in columns]
        number = Column(NUMBER, "bigint", Kind.INTEGER, nullable=False)
        query = self.layout.present(chosen, lock=self._must_lock())
        return arranged(self._writer._present(query, table, [number, *chosen]), [NUMBER, *columns])

    def _must_lock(self) -> bool:
        """Whether the rows are to be locked one by one: what was just written is locked."""
        table, verb = self.layout.table, self.layout.block.verb
        if verb == "insert" or self._written == self._writer._undone:
            return False
        if verb == "delete" and not self._updates:  # only UPDATE gives the right to lock a row
            self._writer._run(f"LOCK TABLE {qualified(table)} IN SHARE ROW EXCLUSIVE MODE", table)
            return False
        return True

    def write(self) -> int:
        """The guarded set statement. How many rows were really written, by what the server counts."""
        count = self._writer._run(self.layout.write, self.layout.table)
        self._written = self._writer._undone
        return count

    def write_and_read(self, columns: Sequence[str]) -> tuple[int, pa.RecordBatch]:
        """`write`, and then `present`.

        Where nothing else can touch the rows, the statement itself tells what it stored: to find them once
        more in a large table takes half as long as to write them.
        """
        if self.layout.block.verb != "delete" and self._alone():
            told = self._told(columns)
            # Asked again: only now is the table locked against triggers that somebody might add.
            if told is not None and self._alone():
                return told.num_rows, told
            return self._count, self.present(columns)
        return self.write(), self.present(columns)

    def _alone(self) -> bool:
        """Whether nothing but the set statement itself touches the rows that it writes."""
        writer, table = self._writer, self.layout.table
        writer._free()
        with writer._translated(table.label):
            told = (FIRES[self.layout.block.verb], qualified(table))
            row = writer._connection.execute(ALONE, told).fetchone()
        return bool(row and row[0])

    def _told(self, columns: Sequence[str]) -> pa.RecordBatch | None:
        """What the set statement says that it stored; None where that cannot be told by row."""
        table, block = self.layout.table, self.layout.block
        chosen = [table.column(name) for name in columns]
        update = block.verb == "update"
        numbered = [Column(NUMBER, "bigint", Kind.INTEGER, nullable=False), *chosen] if update else chosen
        batches = self._writer._present(self.layout.returning(chosen), table, numbered)
        self._written = self._writer._undone
        self._count = sum(batch.num_rows for batch in batches)
        if update:
            return arranged(batches, [NUMBER, *columns])
        return self._in_order(batches, columns)

    def _in_order(self, batches: list[pa.RecordBatch], columns: Sequence[str]) -> pa.RecordBatch | None:
        """Inserted rows come in the order in which they were staged: believed where all keys say so."""
        block, start, numbered = self.layout.block, 0, []
        for batch in batches:
            numbers = pa.array(np.arange(start, start + batch.num_rows))
            numbered.append(pa.RecordBatch.from_arrays([numbers, *batch.columns], names=[NUMBER, *columns]))
            start += batch.num_rows
        found = arranged(numbered, [NUMBER, *columns])
        known = set(block.key) <= {*columns} & {*block.columns}
        keys = zip(block.key, block.keys, strict=True)
        if known and all(found.column(columns.index(name) + 1).equals(staged) for name, staged in keys):
            return found
        return None

    def following(
        self, child: Table, pairs: Sequence[tuple[str, str]], columns: Sequence[str]
    ) -> pa.RecordBatch:
        """The rows of `child` that refer to rows with a staged key; locked where the role may UPDATE it."""
        writer, chosen = self._writer, [child.column(name) for name in columns]
        writer._free()
        with writer._translated(child.label):
            row = writer._connection.execute(RIGHTS, (qualified(child),)).fetchone()
        query = self.layout.following(child, pairs, chosen, lock=bool(row and row[1]))
        return joined(writer._present(query, child, chosen), list(columns))

    def drop(self) -> None:
        """Put the staged rows away; where the transaction has failed, they are gone already."""
        writer, source = self._writer, self.layout.source
        if writer._connection.info.transaction_status != TransactionStatus.INTRANS:
            return
        if source.startswith("("):
            names = re.findall(r"current_setting\('([\w.]+)'\)", source)
            forget = "; ".join(f"SET LOCAL {name} = ''" for name in names)
            writer._run(forget, self.layout.table)
        else:
            writer._run(f"DROP TABLE IF EXISTS {source}", self.layout.table)
