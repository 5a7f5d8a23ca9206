"""The verb `what_replace_would_do`: INSERT OR REPLACE, really run, on a copy that is thrown away."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from syncnb.changes import TablePair
from syncnb.errors import PlanError
from syncnb.matching import Told, match
from syncnb.planning.circling import in_turn
from syncnb.replacing.damage import Damage, Lost
from syncnb.replacing.judging import Judge
from syncnb.replacing.pairing import Sent, sent_columns, sent_rows
from syncnb.schema import Schema, Table
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Reader, Store
from syncnb.stores.sqlite_scratch import Scratch, copied, rebuilt, unheld
from syncnb.tracking import Pending
from syncnb.values.sides import Side, of_side, own_first

__all__ = ["what_replace_would_do"]


@one_conversation
def what_replace_would_do(
    local: Store,
    remote: Store,
    tables: "str | Iterable[str] | None" = None,
    *,
    into: Store | None = None,
    pending: Pending | None = None,
    foreign_keys: bool = False,
) -> Damage:
    """The rows of a target that INSERT OR REPLACE of the other side's rows would destroy. Reads only.

    For each row that is put in: the rows that have to go for it, by any unique rule; what becomes of the rows
    that refer to them; and the columns that lose their value because the source does not have them. It is run
    row after row on a copy in a private folder, so the answer holds for the rows in this order.

    tables: a name or names; by default all that pair.
    into: the side that would be written, by default remote. In PostgreSQL, which has no REPLACE, the rows in
        the way are deleted and the new one is inserted.
    pending: only these rows of local, in their order (`sn.pending(…)`).
    foreign_keys: whether the program that replaces checks references. SQLite does only where it is told to
        (`PRAGMA foreign_keys`); PostgreSQL always does.

    Raises PlanError where `into` is neither of the two, SchemaError where tables do not pair.
    """
    side = _side(local, remote, into, pending)
    with (
        local.reading() as here,
        remote.reading() as there,
        TemporaryDirectory(prefix="syncnb-replace-") as folder,
    ):
        matched = match(here.schema(), there.schema(), Told(tables=None), (local.timezone, remote.timezone))
        pairs = [pair for pair in matched.pairs if _writable(pair.on(side))]
        chosen = _chosen(pairs, tables, side)
        target, source = own_first(side, local, remote)
        reader, other = own_first(side, here, there)
        made = _copy(target, reader, Path(folder), foreign_keys=foreign_keys)
        with closing(made.connection):
            made.keep_first(Path(folder))
            work = _Work(made, side, source, target)
            work.load(pairs, other, reader)
            work.arm(chosen)
            rows = list(work.ordered(chosen, pending))
            made.connection.execute("BEGIN")  # one for all: nobody needs it after
            lost = tuple(each for put in rows for each in work.put(*put))
            notes = (*work.notes, *_notes(target, [pair.on(side) for pair in chosen]))
            return Damage(source.name, target.name, lost, len(rows), tuple(work.refused), notes)


def _side(local: Store, remote: Store, into: Store | None, pending: Pending | None) -> Side:
    if into is not None and into not in (local, remote):
        raise PlanError(f"{into.name} is not one of the two stores", hint="into= is local or remote")
    side: Side = "local" if into is not None and into == local and into != remote else "remote"
    target = of_side(side, local, remote)
    if target.dialect == "frame":
        raise PlanError(f"{target.name} is a frame: nothing is replaced in it", hint="into= is a database")
    if pending is not None and side == "local":
        raise PlanError("pending rows are local ones", hint="leave pending= out, or write into remote")
    return side


def _writable(table: Table) -> bool:
    return not table.is_view and "VIRTUAL" not in table.options and bool(table.primary_key or table.rules)


def _chosen(pairs: Sequence[TablePair], tables: "str | Iterable[str] | None", side: Side) -> list[TablePair]:
    if tables is None:
        return list(pairs)
    names = [tables] if isinstance(tables, str) else list(tables)
    schema = Schema(tuple(pair.local for pair in pairs))
    wanted = {schema.find(name).label for name in names}
    return [pair for pair in pairs if pair.local.label in wanted]


def _copy(target: Store, reader: Reader, folder: Path, *, foreign_keys: bool) -> Scratch:
    if target.dialect == "sqlite":
        return copied(reader._connection, folder, foreign_keys=foreign_keys)  # type: ignore[attr-defined]
    tables = [table for table in reader.schema() if not table.is_view]
    made = rebuilt(tables, folder)
    made.connection.execute("PRAGMA foreign_keys = OFF")  # until all rows are there
    for table in tables:
        columns = [column.name for column in table.columns if column.readable]
        if len(columns) == len(table.columns):
            made.fill(table, reader.batches(table, columns))
    made.connection.execute("PRAGMA foreign_keys = ON")
    return made


def _notes(target: Store, tables: Sequence[Table]) -> Iterator[str]:
    if target.dialect == "sqlite":
        return
    for table in tables:
        for rule in table.rules:
            if why := unheld(rule):
                yield f"{table.label}: rule {rule.name} was left out of account: {why}"
        if table.triggers:
            yield f"{table.label}: its triggers were not run on the copy"


@dataclass
class _Work:
    """The copy, and what is known about each table in it."""

    scratch: Scratch
    side: Side
    source: Store
    target: Store
    sent: dict[str, Sent] = field(default_factory=dict)
    """By the label of the target's table."""
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def load(self, pairs: Sequence[TablePair], reader: Reader, target: Reader) -> None:
        """Put the source's rows beside the copy, as they would be sent."""
        tables = {table.name: table for table in self.scratch.schema}
        for number, pair in enumerate(pairs):
            real = pair.on(self.side)
            table = tables[real.name if self.target.dialect == "sqlite" else real.label]
            alike = self.source.dialect == self.target.dialect == "sqlite"
            columns = sent_columns(pair, self.side, alike=alike)
            sent = Sent(number, pair, self.side, table, real, columns, _key(table))
            rows = sent_rows(sent, reader, target, self.target.dialect, alike=alike)
            self.scratch.keep_source(number, table, sent.names, rows)
            self.sent[real.label] = sent
            if sent.skipped:
                self.notes.append(f"{real.label}: {sent.skipped:,} rows have values that it cannot hold")
        self.judge = Judge(self.scratch, {sent.table.name: sent for sent in self.sent.values()})

    def arm(self, chosen: Sequence[TablePair]) -> None:
        for pair in chosen:
            sent = self.sent[pair.on(self.side).label]
            self.scratch.arm(sent.table, sent.key)

    def ordered(self, chosen: Sequence[TablePair], pending: Pending | None) -> Iterator[tuple[Sent, int]]:
        """The rows in the order in which they are put in: as pending, else parents first."""
        labels = {pair.on(self.side).label for pair in chosen}
        if pending is None:
            for label in self._parents_first(labels):
                sent = self.sent[label]
                yield from ((sent, row) for row in range(1, self.scratch.source_rows(sent.number) + 1))
            return
        by_local = {sent.pair.local.label: sent for label, sent in self.sent.items() if label in labels}
        for touched in pending:
            found = by_local.get(touched.table)
            row = self._row_of(found, touched.columns, touched.key) if found is not None else None
            if found is not None and row is not None:
                yield found, row
            elif found is not None:
                self.notes.append(f"{touched.table} {touched.key_text}: the row is gone, nothing is put in")

    def _parents_first(self, labels: set[str]) -> Sequence[str]:
        real = Schema(tuple(sent.real for sent in self.sent.values()))
        return in_turn(labels, real, "sqlite")[0]

    def _row_of(self, sent: Sent, columns: Sequence[str], key: tuple[object, ...]) -> int | None:
        names = sent.on_target(columns)
        if names is None:
            return None
        self.scratch.index_source(sent.number, names)
        found = self.scratch.source_find(sent.number, names, key)  # type: ignore[arg-type]
        return found[0] if found else None

    def put(self, sent: Sent, row: int) -> Iterator[Lost]:
        """Put one row in, and say what had to go for it."""
        if self._changes_nothing(sent, row):
            return
        hits = self.scratch.hits(sent.number, sent.table, sent.names, row)
        before = self.judge.before(sent, row, hits)
        problem = self.scratch.replace(sent.number, sent.table, sent.names, row, hits, sent.key)
        if problem:
            self.refused.append((sent.real.label, before.id, self.judge.refusal(before, problem)))
        else:
            yield from self.judge.after(before)

    def _changes_nothing(self, sent: Sent, row: int) -> bool:
        """Whether the row is there already, and nothing looks at its being written again."""
        if sent.lacking or sent.real.triggers or self.judge.follows or not set(sent.key) <= set(sent.names):
            return False
        return self.scratch.is_there(sent.number, sent.table, sent.names, row, sent.key)


def _key(table: Table) -> tuple[str, ...]:
    """The columns that tell rows of the copy apart."""
    return table.primary_key or next((rule.columns for rule in table.rules if rule.columns), ())
