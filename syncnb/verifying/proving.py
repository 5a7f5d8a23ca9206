"""The verb `verify`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from syncnb import journal
from syncnb.changes.keys import plain
from syncnb.errors import PlanError
from syncnb.schema import Schema, Table
from syncnb.steps import Block, Report
from syncnb.steps.codec import parse
from syncnb.steps.proof import (
    Complete,
    ConflictTarget,
    Count,
    Expectation,
    HasRow,
    Line,
    NoneLost,
    Proof,
    Unique,
)
from syncnb.stores.conversation import one_conversation
from syncnb.stores.digesting import table_digest
from syncnb.stores.port import Reader, Store
from syncnb.stores.probing import Probing
from syncnb.values.kinds import Kind
from syncnb.values.pairing import rule_for
from syncnb.values.raw import Raw, from_python, to_python
from syncnb.values.reading import as_text
from syncnb.values.rules import Answer, Rule, judge
from syncnb.verifying.altered import altered
from syncnb.verifying.rolls import none_lost_lines

__all__ = ["verify"]

Key = tuple[Any, ...]
LOOKED_UP = 20_000
"""So many rows are looked up by their keys; for more the whole table is read."""
NAMED = 5
"""So many keys of rows that are not as they were written stand in the proof."""
Digest = tuple[str, str, str]
"""Of a whole table: its label, when it was so, and `rows:digest`."""


@one_conversation
def verify(r: Report | int, store: Store, *, expect: Sequence[Expectation] = ()) -> Proof:
    """Read again what a run wrote, in one new snapshot, and say line by line whether it is there.

    r: the report of a run, or its number. expect: more that shall hold: `sn.complete(table, column)`,
        `sn.unique(table, key)`, `sn.conflict_target(table, columns)`, `sn.count(table, n)`,
        `sn.row(table, where, values)`, `sn.none_lost(roll)`.

    Writes nothing. A row that was changed after the run fails its line: that is what a proof is for.
    Raises PlanError where the run is not in the journal.
    """
    number = r.run if isinstance(r, Report) else r
    lines: list[Line] = []
    images: list[Block] = []
    records: list[Any] = []
    digests: list[Digest] = []
    if number is not None:
        status, parts, digests = _told(number, store)
        images, records = (
            [p for p in parts if isinstance(p, Block)],
            [p for p in parts if not isinstance(p, Block)],
        )
        lines.append(Line(status == "success", f"run {number} is in the journal", "success", status))
    with store.reading() as reader:
        elsewhere = sorted({image.path[0] for image in images if len(image.path) > 1})
        schema = reader.schema(elsewhere or None)
        for label in dict.fromkeys(image.table for image in images):
            lines += _as_written(
                reader, schema.find(label), [image for image in images if image.table == label]
            )
        lines += altered(reader, records)
        lines += _whole(reader, schema, digests)
        for wanted in expect:
            if isinstance(wanted, NoneLost):
                lines += none_lost_lines(reader, store.name, wanted)
            else:
                lines.append(CHECKS[type(wanted)](reader, schema.find(wanted.table), wanted))
    return Proof(tuple(lines))


def _told(number: int, store: Store) -> tuple[str, list[Any], list[Digest]]:
    with journal.journal_connection(store, number) as connection:
        runs = journal.runs(connection) if connection is not None and journal.is_installed(connection) else []
        found = next((run for run in runs if run.run == number), None)
        if found is None or connection is None:
            raise PlanError(
                f"{store.name} has no run {number} in its journal", hint="pass the database that was written"
            )
        undone = next((run for run in runs if run.run == found.undo_of), None)
        return found.status, list(journal.read_parts(connection, number)), list(_digests(found, undone))


def _digests(run: journal.Run, undone: journal.Run | None) -> Iterator[Digest]:
    """What is known of whole tables: how the run left them, and how they were before the run that it took back."""
    if run.status != "success":
        return
    for table, (_, after) in parse(run.digest or "{}").items():
        yield table, f"as run {run.run} left it", after
    for table, (before, _) in parse((undone and undone.digest) or "{}").items():
        yield table, f"as it was before run {run.undo_of}", before


def _whole(reader: Reader, schema: Schema, digests: Sequence[Digest]) -> Iterator[Line]:
    """A table is the same or not. Another digest is no failure of the run: others may write to the table too."""
    found = {
        label: table_digest(reader, schema.find(label))
        for label in dict.fromkeys(each[0] for each in digests)
    }
    for label, when, wanted in digests:
        now, same = found[label], found[label] == wanted
        rows = _rows_in(wanted)
        told = (
            "the same digest" if same
            else "too large by now to be read" if now is None
            else f"another digest, {_rows_in(now)}: some have changed since"
        )  # fmt: skip
        yield Line(same or None, f"{label}: the whole table is {when}", rows, told)


def _rows_in(digest: str) -> str:
    count = int(digest.partition(":")[0])
    return f"{count:,} row{'s' * (count != 1)}"


def _as_written(reader: Reader, table: Table, images: list[Block]) -> Iterator[Line]:
    """The rows of one table against the last image of each."""
    images = [image for image in images if {*image.columns} <= {column.name for column in table.columns}]
    if not images:  # a column that was filled is gone again: its own line says so
        return
    columns = tuple(
        column.name
        for column in table.columns
        if column.readable
        and column.generated is None
        and all(column.name in image.columns for image in images)  # a fill keeps but its own column
    )
    rules = [rule_for(Kind(table.column(name).kind), Kind(table.column(name).kind)) for name in columns]
    wanted: dict[Key, tuple[Raw, ...] | None] = {}
    key: tuple[str, ...] = images[0].key
    for image in images:
        wanted |= _last_state(image, key, columns, rules)
    found = _rows(reader, table, columns, key, rules, wanted.keys(), _told_keys(images, key))
    written = {k: row for k, row in wanted.items() if row is not None}
    other = [row for k, row in written.items() if k not in found or not _same(rules, row, found[k])]
    if written:
        what, rows = f"{table.label}: rows are as they were written", f"{len(written):,}"
        told = f"{len(written) - len(other):,}/{rows}"
        if other:
            at = [columns.index(name) for name in key]
            told += f", not {_named([[as_text(row[place], rules[place]) for place in at] for row in other])}"
        yield Line(not other, what, f"{rows}/{rows}", told)
    gone = [k for k, row in wanted.items() if row is None]
    if gone:
        left = sum(k in found for k in gone)
        yield Line(not left, f"{table.label}: deleted rows are gone", "0 left", f"{left:,} left")


def _named(keys: Sequence[Sequence[str]]) -> str:
    """The first of these keys, as a person reads them."""
    shown = [key[0] if len(key) == 1 else f"({', '.join(key)})" for key in keys[:NAMED]]
    return ", ".join(shown) + (f", … ({len(keys):,} in all)" if len(keys) > NAMED else "")


def _last_state(
    image: Block, key: tuple[str, ...], columns: Sequence[str], rules: Sequence[Rule]
) -> Iterator[tuple[Key, tuple[Raw, ...] | None]]:
    key_rules = [rules[columns.index(name)] for name in key]
    there = image.before if image.verb == "delete" else image.after
    # A table may be written by one key, and again by another as rows of it followed others.
    keys = image.keys if image.key == key else [there[image.columns.index(name)] for name in key]
    tokens = [_token(key_rules, values) for values in zip(*map(to_python, keys), strict=True)]
    if image.verb == "delete":
        yield from ((token, None) for token in tokens)
        return
    places = [image.columns.index(name) for name in columns]
    rows = zip(*(to_python(image.after[at]) for at in places), strict=True)
    yield from zip(tokens, rows, strict=True)


def _told_keys(images: Sequence[Block], key: Sequence[str]) -> list[pa.Array]:
    """The keys of all these rows as the table holds them, each once; nothing where images have other keys."""
    if any(tuple(image.key) != tuple(key) for image in images):
        return []
    rows = dict.fromkeys(row for image in images for row in zip(*map(to_python, image.keys), strict=True))
    return [from_python(list(values)) for values in zip(*rows, strict=True)]


def _rows(
    reader: Reader,
    table: Table,
    columns: Sequence[str],
    key: Sequence[str],
    rules: Sequence[Rule],
    wanted: Any,
    told: Sequence[pa.Array],
) -> dict[Key, tuple[Raw, ...]]:
    """The rows with these keys: looked up, or, where they are many, out of the whole table."""
    at = [columns.index(name) for name in key]
    found: dict[Key, tuple[Raw, ...]] = {}
    few = told and len(told[0]) <= LOOKED_UP
    batches = reader.chosen(table, columns, key, told) if few else reader.batches(table, columns)
    for batch in batches:
        keys = zip(*(to_python(batch.column(place)) for place in at), strict=True)
        for number, values in enumerate(keys):
            token = _token([rules[place] for place in at], values)
            if token in wanted:
                found[token] = tuple(to_python(column.slice(number, 1))[0] for column in batch.columns)
    return found


def _token(rules: Sequence[Rule], values: Sequence[Raw]) -> Key:
    return tuple(None if v is None else rule.token(v, "local") for rule, v in zip(rules, values, strict=True))


def _same(rules: Sequence[Rule], left: Sequence[Raw], right: Sequence[Raw]) -> bool:
    return all(_alike(rule, a, b) for rule, a, b in zip(rules, left, right, strict=True))


def _alike(rule: Rule, left: Raw, right: Raw) -> bool:
    # Nearly all values of a proof are as they were written, to the byte: then no rule has to be asked.
    if rule.same_bytes and type(left) is type(right) and left == right:
        return True
    return judge(rule, left, right) is Answer.SAME


def _complete(reader: Reader, table: Table, wanted: Complete) -> Line:
    name = table.column(wanted.column).name
    rows = having = 0
    for batch in reader.batches(table, [name]):
        rows += batch.num_rows
        having += batch.num_rows - batch.column(0).null_count
    return Line(
        rows == having, f"{table.label}: {having:,}/{rows:,} records have {name}", f"{rows:,}", f"{having:,}"
    )


def _unique(reader: Reader, table: Table, wanted: Unique) -> Line:
    names = [table.column(name).name for name in wanted.key]
    rules = [rule_for(Kind(table.column(name).kind), Kind(table.column(name).kind)) for name in names]
    rows = 0
    seen: set[Key] = set()
    for batch in reader.batches(table, names):
        rows += batch.num_rows
        seen |= {_token(rules, values) for values in zip(*map(to_python, batch.columns), strict=True)}
    what = f"{table.label}: {len(seen):,}/{rows:,} records have their own {', '.join(names)}"
    return Line(rows == len(seen), what, f"{rows:,}", f"{len(seen):,}")


def _count(reader: Reader, table: Table, wanted: Count) -> Line:
    rows = sum(batch.num_rows for batch in reader.batches(table, [table.columns[0].name]))
    what = f"{table.label}: {rows:,}/{wanted.rows:,} records have been found"
    return Line(rows == wanted.rows, what, f"{wanted.rows:,}", f"{rows:,}")


def _has_row(reader: Reader, table: Table, wanted: HasRow) -> Line:
    names = [table.column(name).name for name, _ in (*wanted.where, *wanted.values)]
    rules = [rule_for(Kind(table.column(name).kind), Kind(table.column(name).kind)) for name in names]
    told = [plain(value) for _, value in (*wanted.where, *wanted.values)]
    split, found = len(wanted.where), []
    for batch in reader.batches(table, names):
        for row in zip(*map(to_python, batch.columns), strict=True):
            if _same(rules[:split], told[:split], row[:split]):
                found.append(row)
    where = ", ".join(f"{name}={as_text(v)}" for (name, _), v in zip(wanted.where, told, strict=False))
    values = [(name, told[split + at], at) for at, (name, _) in enumerate(wanted.values)]
    expected = ", ".join(f"{name}={as_text(v)}" for name, v, _ in values) or "1 row"
    good = len(found) == 1 and _same(rules[split:], told[split:], found[0][split:])
    seen = f"{len(found):,} rows"
    if len(found) == 1:
        seen = ", ".join(f"{name}={as_text(found[0][split + at])}" for name, _, at in values) or "1 row"
    return Line(good, wanted.says or f"{table.label}: the row {where}", expected, seen)


def _conflict_target(reader: Reader, table: Table, wanted: ConflictTarget) -> Line:
    """Whether the engine finds a rule for an upsert, and whether NULL can slip through it."""
    what = f"{table.label}: ON CONFLICT ({', '.join(wanted.columns)}) finds its unique rule"
    expected = "a rule under which NULL equals NULL"
    if not isinstance(reader, Probing):
        return Line(ok=False, what=what, expected=expected, found="a frame has no rules")
    probe = reader.probe()
    said = probe.arbiters(table, wanted.columns, None)
    if said is None or not said.matches:
        return Line(ok=False, what=what, expected=expected, found=said.why if said else "it cannot be asked")
    fits = [
        index
        for index in probe.indexes(table)
        if index.unique and index.valid and set(index.parts) == set(wanted.columns)
    ]
    open_to_null = [
        index
        for index in fits
        if index.nulls_distinct and any(table.column(name).nullable for name in index.columns)
    ]
    named = [f"{i.name}{'' if i.nulls_distinct else ' NULLS NOT DISTINCT'}" for i in fits]
    found = ", ".join(named) or "it takes the target"
    if open_to_null and len(open_to_null) == len(fits):
        return Line(ok=False, what=what, expected=expected, found=f"{found}: rows with NULL never conflict")
    return Line(ok=True, what=what, expected=expected, found=found)


CHECKS: dict[type, Callable[[Reader, Table, Any], Line]] = {
    Complete: _complete,
    ConflictTarget: _conflict_target,
    Unique: _unique,
    Count: _count,
    HasRow: _has_row,
}
