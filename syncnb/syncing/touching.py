"""What is pending in local, which rows that is, and which of them have not reached their end."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from syncnb import clock, journal
from syncnb.changes import Diff, RowSet, TableDiff, TablePair
from syncnb.changes.ids import key_names
from syncnb.changes.keys import key_text
from syncnb.comparing.remembering import row_keys
from syncnb.comparing.selecting import Keys
from syncnb.errors import PlanError
from syncnb.matching import Matched, match
from syncnb.planning import Plan
from syncnb.planning.previewing import key_of
from syncnb.steps import Block, Report
from syncnb.stores.port import Store, WritableStore
from syncnb.syncing.synced import Waiting
from syncnb.syncing.uncovered import Shapes, gone, parted_of, unlogged
from syncnb.values.raw import concat, from_python, to_python
from syncnb.values.sides import Side

if TYPE_CHECKING:
    from syncnb.syncing.wishes import Wishes
    from syncnb.tracking import Mark, Pending, Touched

Partners: TypeAlias = Callable[[TablePair, set[str | None]], Mapping[str | None, str]]

__all__ = ["Backlog", "backlog_of", "come_again", "label_in", "local_keys", "local_names", "waiting_rows"]


@dataclass(frozen=True)
class Backlog:
    """What a push has to pass on, and whether everything must be compared for it."""

    pending: "Pending | None" = None
    rows: "tuple[Touched, ...]" = ()
    keys: Mapping[str, Keys] = field(default_factory=dict)
    """By table: the keys of the pending rows."""
    whole: bool = True
    why: str = "nothing captures changes"
    """Why everything is compared."""
    parted: frozenset[str] = frozenset()
    """Tables of pending rows on which both sides had agreed, and that remote has no longer."""
    shapes: Shapes | None = None
    """What both had agreed on when this was found; None where nobody had to know."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def since(self) -> datetime | None:
        """When the oldest of them was made, as far as its stamp can be read."""
        stamps = [stamp for row in self.rows if (stamp := _stamp(row.since)) is not None]
        return min(stamps) if stamps else None

    def without(self, done: "Sequence[Touched]") -> "Backlog":
        """What is left when these have reached their end."""
        over = {(row.table, row.key) for row in done}
        left = tuple(row for row in self.rows if (row.table, row.key) not in over)
        return Backlog(self.pending, left, parted=self.parted)

    def written(self, mark: "Mark | None") -> str | None:
        """A mark of the log as text, to be given back the next time."""
        return None if mark is None else json.dumps(asdict(mark))

    def notes(self, into: Side) -> Iterator[str]:
        """How the rows were found."""
        if into == "local":
            yield "everything was compared: a pull knows no pending changes of remote"
        elif self.whole:
            yield f"everything was compared: {self.why}"
        for gap in self.pending.gaps if self.pending is not None else ():
            yield f"uncaptured: {gap}"


def backlog_of(local: Store, remote: Store, wishes: "Wishes", holder: WritableStore, pair_id: str) -> Backlog:
    """What is pending in local, and whether it is known to be all."""
    from syncnb.tracking import pending, tracking

    source, logged = wishes.source, None
    if source is None:
        if local.dialect != "sqlite" or not (logged := tracking(local).tables):
            return Backlog()
        source = "capture"
    with journal.journal_connection(holder) as connection:
        if connection is None:
            raise PlanError(f"{holder.name} has no journal", hint="it is a frame")
        mark, audit = journal.last_mark(connection, pair_id), journal.last_audit(connection, pair_id)
        shapes = journal.shapes_of(connection, pair_id)
    found = pending(local, source=source, known=_mark(mark) if source == "capture" else None)
    matched = _matched(local, remote, wishes)
    pairs, parted = matched.pairs, frozenset(parted_of(matched, shapes).local)
    here = {pair.local.name: pair for pair in pairs}
    rows = tuple(row for row in found if row.table in here or row.table in parted)
    keys = {
        here[name].name: _keys([row for row in rows if row.table == name])
        for name in dict.fromkeys(r.table for r in rows if r.table in here)
    }
    odd = [pair for pair in pairs if pair.name in keys and not _named(pair, keys[pair.name])]
    why = (
        "for the first time" if audit is None
        else "capture may have missed something" if not found.complete
        else "the last time left rows open" if audit.audited == journal.LEFT_OPEN
        else f"the last time was {audit.ended:%Y-%m-%d %H:%M}Z" if audit.ended + wishes.audit_every <= clock.now()
        else f"{odd[0].name} is tracked by another key than it is compared by" if odd
        else unlogged(pairs, logged, shapes, audit)
    )  # fmt: skip
    return Backlog(found, rows, keys, bool(why), why, parted, shapes)


def come_again(waiting: Iterable[Waiting], left: Backlog, pairs: Iterable[TablePair]) -> bool:
    """Whether every row that waits is still in the log of changes, so that the next run meets it."""
    known = {
        (table.label, row.key_text)
        for pair in pairs
        for row in left.rows
        for table in (pair.local, pair.remote)
        if row.table == pair.local.name
    } | {(row.table, row.key_text) for row in left.rows}
    return all((each.table, each.key) in known for each in waiting)


def local_keys(
    d: Diff, backlog: Backlog, images: Mapping[str, Sequence[Block]], into: Side
) -> dict[str, Keys]:
    """The keys in local of all rows that this run has to do with: pending ones, and those that differed."""
    found: dict[str, Keys] = {}
    for table in d.tables:
        pair = table.pair
        if not pair.key:
            continue
        at = [pair.columns.index(column) for column in pair.key]
        parts = [
            [rows.columns[k] for k in at] for rows in (table.changed_local, table.only_local) if len(rows)
        ]
        pending = backlog.keys.get(table.name)
        if pending is not None and _named(pair, pending):
            by_name = dict(zip(pending.columns, pending.values, strict=True))
            parts.append([by_name[column.local.name] for column in pair.key])
        label = pair.local.label if into == "local" else ""
        for block in images.get(label, ()) if label else ():
            by_key = dict(zip(block.key, block.keys, strict=True))
            if set(by_key) == {column.local.name for column in pair.key}:
                parts.append([by_key[column.local.name] for column in pair.key])
        if parts:
            whole = [concat(columns) for columns in zip(*parts, strict=True)]
            rows = dict.fromkeys(
                tuple((type(value), value) for value in row)
                for row in zip(*map(to_python, whole), strict=True)
            )
            values = zip(*([value for _, value in row] for row in rows), strict=True)
            names = tuple(column.local.name for column in pair.key)
            found[table.name] = Keys(names, tuple(from_python(list(part)) for part in values))
    return found


def waiting_rows(
    now: Diff,
    left: Plan,
    report: Report,
    backlog: Backlog,
    whole: Plan,
    partners: Partners,
    fine: Collection[tuple[str, str]],
) -> "tuple[tuple[Waiting, ...], tuple[Touched, ...]]":
    """The rows that wait for a person, and the pending ones that have reached their end.

    now: the comparison after the run, and `left` what a plan would still write of it. whole: the plan that
    tells what is open besides what was pending. partners: the remote keys of local ones that a base pairs.
    fine: rows that differ only in what the target made of their values.
    """
    waiting = dict.fromkeys(_open(whole))
    waiting |= dict.fromkeys(each for each in _open(left) if (each.table, each.key) not in fine)
    refused = [o for o in report.results if o.refusal is not None]
    waiting |= {Waiting(o.table, o.key, o.refusal.value if o.refusal else ""): None for o in refused}
    texts = {(each.table, each.key) for each in waiting}
    texts |= {(block.table, key) for block in left.blocks for key in _texts(block)} - set(fine)
    done = []
    for table in now.tables:
        mine = [row for row in backlog.rows if row.table == table.pair.local.name]
        if not mine:
            continue
        names, label = local_names(table.pair, mine), label_in(table, left.into)
        stuck = _stuck(table, texts, left.into)
        deleted = {name for row, name in zip(mine, names, strict=True) if not row.present}
        there = _remote_keys(table)
        paired = partners(table.pair, deleted) if deleted and there else {}
        lingering = {name for name in deleted if paired.get(name, name) in there}
        for row, name in zip(mine, names, strict=True):
            if name not in stuck | lingering:
                done.append(row)
            elif name in lingering and (label, row.key_text) not in texts:
                why = "local deleted it: deletes are not allowed, or nobody remembers that both had it"
                waiting[Waiting(label, row.key_text, why)] = None
    parted = (row for row in backlog.rows if row.table in backlog.parted)
    waiting |= {Waiting(row.table, row.key_text, gone(row.table, "remote")): None for row in parted}
    return tuple(waiting), tuple(done)


def _open(drawn: Plan) -> Iterator[Waiting]:
    for block in drawn.undecided:
        for row, key in enumerate(_texts(block)):
            yield Waiting(block.table, key, block.whys[row] if block.whys else block.why)
    for each in drawn.open:
        if each.decision == "open":
            yield Waiting(each.table, each.key, each.why)


def _stuck(table: TableDiff, texts: set[tuple[str, str]], into: Side) -> set[str | None]:
    """The local keys of rows that the plan would still write, or that are open."""
    pair, label, stuck = table.pair, label_in(table, into), set[str | None]()
    at = [pair.columns.index(column) for column in pair.key]

    def told(rows: RowSet, row: int) -> set[str]:
        values = tuple(to_python(rows.columns[k].slice(row, 1))[0] for k in at)
        return {key_of(values), key_text(pair, values)}

    local = row_keys(pair, table.changed_local.columns, "local") if len(table.changed_local) else []
    for row, name in enumerate(local):
        keys = told(table.changed_local, row) | told(table.changed_remote, row)
        if any((label, key) in texts for key in keys):
            stuck.add(name)
    alone = row_keys(pair, table.only_local.columns, "local") if len(table.only_local) else []
    for row, name in enumerate(alone):
        if any((label, key) in texts for key in told(table.only_local, row)):
            stuck.add(name)
    return stuck


def _remote_keys(table: TableDiff) -> set[str | None]:
    rows = table.only_remote
    return set(row_keys(table.pair, rows.columns, "remote")) if len(rows) else set()


def label_in(table: TableDiff, into: Side) -> str:
    """What that side calls the table."""
    return table.pair.on(into).label


def _texts(block: Block) -> Iterator[str]:
    return (key_of(key) for key in zip(*map(to_python, block.keys), strict=True))


def local_names(pair: TablePair, rows: "Sequence[Touched]") -> list[str | None]:
    """The keys of pending rows as a base names them."""
    keys = _keys(rows)
    if not _named(pair, keys):
        return [None] * len(rows)
    by_name = dict(zip(keys.columns, keys.values, strict=True))
    return key_names([(column.rule, by_name[column.local.name]) for column in pair.key], "local")


def _keys(rows: "Sequence[Touched]") -> Keys:
    values = zip(*(row.key for row in rows), strict=True)
    return Keys(rows[0].columns, tuple(from_python(list(part)) for part in values))


def _named(pair: TablePair, keys: Keys) -> bool:
    """Whether these keys are keys of the comparison too."""
    return set(keys.columns) == {column.local.name for column in pair.key}


def _matched(local: Store, remote: Store, wishes: "Wishes") -> Matched:
    with local.reading() as here, remote.reading() as there:
        return match(
            here.schema(wishes.schemas),
            there.schema(wishes.schemas),
            wishes.told,
            (local.timezone, remote.timezone),
        )


def _mark(text: str | None) -> "Mark | None":
    from syncnb.tracking import Mark

    return None if text is None else Mark(**json.loads(text))


def _stamp(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
