"""Policies as values: taking a side, inserting only, the newest; for all tables or table by table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from syncnb.changes import TablePair
from syncnb.errors import PlanError
from syncnb.matching.told import did_you_mean
from syncnb.schema import fold
from syncnb.values.kinds import Kind
from syncnb.values.moments import StampRule
from syncnb.values.rules import Rule
from syncnb.values.sides import Side

__all__ = [
    "ByTime",
    "InsertOnly",
    "Newest",
    "Policy",
    "TablePolicy",
    "Take",
    "check_tables",
    "for_table",
    "insert_only",
    "newest",
    "side_taken",
    "take_local",
    "take_remote",
]

SECONDS = timedelta(seconds=2)
STAMPS = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)
WORDS = "sn.take_local, sn.take_remote, sn.insert_only, sn.newest(column) or {table: policy}"


@dataclass(frozen=True, slots=True)
class Take:
    """One side wins in every row that differs."""

    side: Side

    def __repr__(self) -> str:
        return f"take_{self.side}"


@dataclass(frozen=True, slots=True)
class InsertOnly:
    """Rows that differ stay as they are, on both sides; only missing ones are inserted."""

    def __repr__(self) -> str:
        return "insert_only"


@dataclass(frozen=True, slots=True)
class Newest:
    """The side whose stamp is later wins, where the stamps are far enough apart to be believed."""

    columns: Mapping[str, str]
    """Table to column; `*` for all others."""
    threshold: timedelta = SECONDS

    def __hash__(self) -> int:
        return hash((frozenset(self.columns.items()), self.threshold))

    def __repr__(self) -> str:
        column = self.columns["*"] if set(self.columns) == {"*"} else dict(self.columns)
        rest = "" if self.threshold == SECONDS else f", threshold={self.threshold!r}"
        return f"newest({column!r}{rest})"


OnePolicy: TypeAlias = Take | InsertOnly | Newest | None
Policy: TypeAlias = OnePolicy | Mapping[str, OnePolicy]
"""What `resolve=` takes. None: nobody wins, rows that differ stay open."""

take_local, take_remote, insert_only = Take("local"), Take("remote"), InsertOnly()


def newest(column: str | Mapping[str, str], threshold: timedelta = SECONDS) -> Newest:
    """Who was written later wins, by a column of stamps: for all tables, or `{table: column, "*": column}`.

    threshold: stamps closer than this decide nothing; it is never below twice the measured clock offset plus
        the coarser precision of the two sides.

    Raises PlanError for what names no column or is no span of time.
    """
    columns = dict(column) if isinstance(column, Mapping) else {"*": column}
    texts = [*columns, *columns.values()]
    if not columns or not all(isinstance(text, str) and text for text in texts):
        raise PlanError(
            f"newest does not take {column!r}",
            hint='name the column of stamps: sn.newest("updated_at") or sn.newest({"hosts": "last_seen"})',
        )
    if not isinstance(threshold, timedelta) or threshold < timedelta(0):
        raise PlanError(
            f"the threshold of newest is {threshold!r}",
            hint="give a timedelta that is not negative, such as timedelta(seconds=2)",
        )
    return Newest(columns, threshold)


@dataclass(frozen=True, slots=True)
class ByTime:
    """`newest`, with the column that it means in one table."""

    at: int
    """Where the column is among the pair's columns."""
    name: str
    rule: StampRule
    threshold: timedelta = field(default=SECONDS)


TablePolicy: TypeAlias = Take | InsertOnly | ByTime | None
"""What holds for one table."""


def for_table(policy: Policy, pair: TablePair) -> TablePolicy:
    """What this policy says about one table.

    Raises PlanError for what is no policy, and where `newest` has no column of stamps there.
    """
    one = _choose(policy, pair) if isinstance(policy, Mapping) else policy
    if isinstance(one, Newest):
        column = _choose(one.columns, pair)
        if not isinstance(column, str):
            raise PlanError(
                f"{one!r} names no column for {pair.name}",
                hint=f'add "*" for all other tables, or {pair.name!r}',
            )
        return _by_time(column, one.threshold, pair)
    if one is None or isinstance(one, Take | InsertOnly):
        return one
    raise PlanError(f"{one!r} is no policy", hint=f"write resolve={WORDS}")


def side_taken(policy: Policy, pair: TablePair) -> Side | None:
    """The side that wins whatever its rows hold; None where the policy looks at them, or says nothing."""
    one = _choose(policy, pair) if isinstance(policy, Mapping) else policy
    return one.side if isinstance(one, Take) else None


def check_tables(policy: Policy, pairs: Iterable[TablePair]) -> None:
    """Raises PlanError where a policy names a table that was not compared: a typo must not pass."""
    there = {name for pair in pairs for name in _names(pair)}
    known = {fold(name) for name in there}
    inner = policy.values() if isinstance(policy, Mapping) else [policy]
    for told in (policy, *(one.columns for one in inner if isinstance(one, Newest))):
        for name in told if isinstance(told, Mapping) else ():
            if name != "*" and fold(str(name)) not in known:
                raise PlanError(
                    f"resolve= names a table {name!r} that was not compared",
                    hint=did_you_mean(str(name), there),
                )


def _names(pair: TablePair) -> list[str]:
    return [name for table in (pair.local, pair.remote) for name in (table.label, table.name)]


def _choose(told: Mapping[str, object], pair: TablePair) -> object:
    """What is told about this table: as written before folded, by name before `*`."""
    names = _names(pair)
    for name in names:
        if name in told:
            return told[name]
    folded = {fold(name) for name in names}
    for name, value in told.items():
        if name != "*" and fold(str(name)) in folded:
            return value
    return told.get("*")


def _by_time(name: str, threshold: timedelta, pair: TablePair) -> ByTime:
    compared = [column.name for column in pair.columns]
    same = [column.name for column in pair.columns if name in (column.local.name, column.remote.name)]
    found = same or [c.name for c in pair.columns if fold(name) in (fold(c.local.name), fold(c.remote.name))]
    if len(found) != 1:
        raise _not_there(name, pair, compared)
    at = compared.index(found[0])
    column = pair.columns[at]
    rule = _stamps(column.rule, Kind(column.local.kind), Kind(column.remote.kind))
    if rule is None:
        fitting = [c.name for c in pair.columns if isinstance(c.rule, StampRule)]
        there = (
            f"columns that hold some: {', '.join(fitting)}" if fitting else "this table has no such column"
        )
        raise PlanError(f"{pair.name}.{found[0]} holds no dates or stamps", hint=there)
    return ByTime(at, found[0], rule, threshold)


def _stamps(rule: Rule, local: Kind, remote: Kind) -> StampRule | None:
    if isinstance(rule, StampRule):
        return rule
    # Text on both sides may well hold stamps; they are compared as such, never as text.
    return StampRule() if {local, remote} <= {Kind.TEXT, Kind.ANY} else None


def _not_there(name: str, pair: TablePair, compared: list[str]) -> PlanError:
    for entry in pair.left_out:
        if fold(entry.name) == fold(name):
            return PlanError(
                f"{pair.name}.{name} was not compared: {entry.why}",
                hint="newest decides by what was read: let diff compare this column",
            )
    return PlanError(f"{pair.name} has no column {name!r} to decide by", hint=did_you_mean(name, compared))
