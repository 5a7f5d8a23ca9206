"""Which unique rules of a table are contested within a plan, and where a row of it could be parked."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice
from uuid import NAMESPACE_OID, uuid5

import pyarrow as pa

from syncnb.errors import ReadError
from syncnb.planning.circling import label_of
from syncnb.planning.exchanging import exchange
from syncnb.planning.handing import handed_on
from syncnb.schema import Column, Schema, Table, UniqueRule
from syncnb.steps import Block, Contest
from syncnb.stores.port import Seeker
from syncnb.values.kinds import Kind
from syncnb.values.raw import Raw, from_python, to_python

__all__ = ["contests_of", "rules_of", "with_spares"]

NO_COLUMN = "no column of the rule can hold another value in between"
TEXT = re.compile(r"(text|citext|character|char|varchar|bpchar)\b", re.IGNORECASE)
RANGES = {"smallint": 2**15, "integer": 2**31}
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
TRIES = 1000


def rules_of(table: Table) -> list[UniqueRule]:
    """The rules whose values can be looked at without asking the database: plain columns, all rows."""
    return [rule for rule in table.rules if rule.valid and rule.columns and rule.where is None]


def contests_of(
    blocks: Sequence[Block], table: Table, schema: Schema, tables: Collection[str], dialect: str
) -> list[Contest]:
    """The rules of one table of which a row of these blocks takes a value that another one gives up."""
    found = []
    for rule in table.rules:
        if not (rule.valid and rule.columns and not rule.expressions):
            continue
        contest = Contest(
            table.label,
            rule.name,
            rule.columns,
            tuple(str(table.column(name).kind) for name in rule.columns),
            nulls_distinct=rule.nulls_distinct,
            deferrable=rule.deferrable and dialect == "postgresql",
            tied=_tied(table, schema, tables),
            referred=any(_refers(child, table, schema) for child in schema if child.label in tables),
        )
        if len(handed_on(blocks, contest)[0]):
            column = _parking(rule, table, schema, blocks[0].key, dialect)
            found.append(replace(contest, column=column, why_not="" if column else NO_COLUMN))
    return found


def _tied(table: Table, schema: Schema, tables: Collection[str]) -> tuple[str, ...]:
    keys = (key for key in table.foreign_keys if label_of(key.parent, schema) in tables)
    return tuple(sorted({name for key in keys for name in key.columns}))


def _refers(child: Table, table: Table, schema: Schema) -> bool:
    return any(label_of(key.parent, schema) == table.label for key in child.foreign_keys)


def _parking(rule: UniqueRule, table: Table, schema: Schema, key: Sequence[str], dialect: str) -> str:
    """The column that a row can leave its value of: NULL at best, else a value that nobody has."""
    referred = {
        name
        for child in schema
        for reference in child.foreign_keys
        if label_of(reference.parent, schema) == table.label
        for name in reference.parent_columns
    }
    free = [
        table.column(name)
        for name in rule.columns
        if name not in key and name not in referred and table.column(name).generated is None
        if table.column(name).identity != "always"
    ]
    nullable = [column for column in free if can_be_null(column, table)]
    refers = {name for reference in table.foreign_keys for name in reference.columns}
    makeable = [c for c in free if c.name not in refers and _sort(c, dialect)]
    return next((column.name for column in (*nullable, *makeable)), "")


def can_be_null(column: Column, table: Table) -> bool:
    """Whether several rows may have NULL there at once."""
    rules = [rule for rule in table.rules if column.name in rule.columns]
    return column.nullable and not any(rule.primary or not rule.nulls_distinct for rule in rules)


def _sort(column: Column, dialect: str) -> str:
    """What values of a column can be made from: "text", "integer" or "uuid"; empty where none can."""
    kind = Kind(column.kind)
    if kind == Kind.UUID:
        return "uuid"
    if kind == Kind.INTEGER and (dialect == "sqlite" or column.type in (*RANGES, "bigint")):
        return "integer"
    if kind == Kind.TEXT and (dialect == "sqlite" or TEXT.match(column.type)):
        return "text"
    return ""


def with_spares(
    contests: Sequence[Contest], blocks: Sequence[Block], table: Table, reader: Seeker, dialect: str
) -> list[Contest]:
    """The contests with as many spare values as rows may have to be parked."""
    needed = exchange(blocks, contests).parked
    return [_with_spares(contest, needed, blocks, table, reader, dialect) for contest in contests]


def _with_spares(
    contest: Contest, needed: int, blocks: Sequence[Block], table: Table, reader: Seeker, dialect: str
) -> Contest:
    if not contest.column or not needed or contest.deferrable:
        return contest
    column = table.column(contest.column)
    if can_be_null(column, table):
        return replace(contest, spares=pa.nulls(needed))
    planned = {value for block in blocks for value in _planned(block, column.name)}
    candidates = (
        value for value in _candidates(column, table, planned, reader, dialect) if value not in planned
    )
    try:
        found = _free(candidates, needed, column, table, reader)
    except ReadError:
        found = []
    if len(found) < needed:
        why = f"there are not {needed:,} values of {column.name} that nobody has"
        return replace(contest, column="", why_not=why)
    return replace(contest, spares=from_python(found))


def _planned(block: Block, name: str) -> Iterator[Raw]:
    if name in block.columns:
        for arrays in (block.before, block.after):
            if arrays:
                yield from to_python(arrays[block.columns.index(name)])


def _free(candidates: Iterator[Raw], needed: int, column: Column, table: Table, reader: Seeker) -> list[Raw]:
    """The first so many candidates that no row has."""
    found: list[Raw] = []
    for _ in range(TRIES):
        some = list(islice(candidates, needed - len(found)))
        if not some or len(found) == needed:
            break
        held = reader.holding(table, [column.name], [from_python(some)], [])
        there = set(held.column(0).to_pylist())
        found += [value for at, value in enumerate(some) if at not in there]
    return found


def _candidates(
    column: Column, table: Table, planned: set[Raw], reader: Seeker, dialect: str
) -> Iterator[Raw]:
    sort = _sort(column, dialect)
    if sort == "integer":
        numbers = [value for value in planned if isinstance(value, int)]
        first = max([reader.greatest(table, column.name) or 0, *numbers]) + 1
        end = RANGES.get(column.type, 2**63) if dialect == "postgresql" else 2**63
        yield from range(first, end)
        yield from range(-1, -end, -1)
        return
    seed = f"{table.label}.{column.name}"
    if sort == "uuid":
        made = (uuid5(NAMESPACE_OID, f"{seed} {number}") for number in count())
        if any(isinstance(value, bytes) for value in planned):
            yield from (value.bytes for value in made)
        yield from map(str, made)
        return
    length = _length(column.type)
    if length is None or length >= 24:
        yield from (f"parked-{uuid5(NAMESPACE_OID, f'{seed} {number}').hex[:16]}" for number in count())
    for number in range(36 ** min(length or 0, 12)):
        yield _written(number, length or 0)


def _length(declared: str) -> int | None:
    found = re.search(r"\((\d+)\)", declared)
    return int(found[1]) if found else None


def _written(number: int, length: int) -> str:
    """A number in so many letters and digits, the least likely ones first."""
    text = ""
    for _ in range(min(length, 12)):
        number, digit = divmod(number, 36)
        text += ALPHABET[35 - digit]
    return text
