"""What stands in the way of a migration's way back: what was built upon it since, and by which run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError, SchemaError
from syncnb.schema import Schema
from syncnb.steps import Block, Step
from syncnb.stores.alterers import objects
from syncnb.stores.leaning import leaning
from syncnb.stores.port import Reader

if TYPE_CHECKING:
    from syncnb.journal import Run

__all__ = ["Since", "check_there", "without_built_upon"]

Path = tuple[str, ...]
KINDS = {
    "add_column": "column", "drop_column": "column", "set_default": "column", "set_type": "column",
    "set_not_null": "column", "drop_not_null": "column", "add_constraint": "constraint",
    "drop_constraint": "constraint", "create_index": "index", "drop_index": "index", "redefine": "table",
}  # fmt: skip
"""The kind of object that a step alters."""
REPLACING = (
    "redefine",
    "set_default",
    "set_type",
    "add_constraint",
    "create_index",
    "drop_constraint",
    "drop_index",
)
"""What needs its object as the run left it. A column may be altered in other ways before it goes."""
NAMED = 5


@dataclass(frozen=True)
class Since:
    """What came after a run: the runs there are, and what the later ones altered, each with its run."""

    number: int
    runs: Sequence["Run"]
    altered: Sequence[tuple[int, Mapping[str, Any]]]

    @cached_property
    def standing(self) -> frozenset[int]:
        """Later runs that were not taken back; one that took a later run back has left nothing either."""
        gone: set[int] = set()
        for run in sorted(self.runs, key=lambda run: -run.run):
            if run.status == "success" and run.run not in gone and (run.undo_of or 0) > self.number:
                gone |= {run.run, run.undo_of or 0}
        return frozenset(run.run for run in self.runs if run.run > self.number) - gone

    def makers(self, path: Path, name: str, now: str | None) -> list[int]:
        """Who altered this object, where the last of them left it as it is now; else none of the runs."""
        found = [
            (run, record)
            for run, record in self.altered
            if run in self.standing and tuple(record["step"]["path"]) == path and _touches(record, name)
        ]
        # What was built outside of a transaction was kept as meant, before it was there.
        as_left = found and (found[-1][1].get("meant") or found[-1][1]["after"].get(name) == now)
        return list(dict.fromkeys(run for run, _ in found)) if as_left else []


def _touches(record: Mapping[str, Any], name: str) -> bool:
    step = record["step"]
    meant = f"{KINDS.get(step['verb'], '')} {step['name']}"
    return (
        name in record["after"] or name in record["before"] or (bool(record.get("meant")) and meant == name)
    )


@dataclass
class _Look:
    """One look at the catalogue for a whole way back."""

    reader: Reader
    since: Since
    left: dict[tuple[Path, str], str | None] = field(default_factory=dict)
    """Each object as the run left it; None where it took it away."""
    was: dict[tuple[Path, str], str | None] = field(default_factory=dict)
    there: dict[Path, Mapping[str, str]] = field(default_factory=dict)
    gone: set[tuple[str, str, str]] = field(default_factory=set)
    """What earlier steps of the way back take away: kind, name, table."""
    found: dict[str, list[int]] = field(default_factory=dict)
    """What stands in the way, and whose it is."""

    def know(self, records: Iterable[Mapping[str, Any]]) -> None:
        for record in records:
            path = tuple(record["step"]["path"])
            for name in {**record["before"], **record["after"]}:
                self.was.setdefault((path, name), record["before"].get(name))
                self.left[path, name] = record["after"].get(name)

    def now(self, path: Path) -> Mapping[str, str]:
        if path not in self.there:
            self.there[path] = objects(self.reader, path)
        return self.there[path]

    def needless(self, step: Step) -> bool:
        """Whether somebody has set a text back already, which SQLite would else find changed."""
        name = f"table {step.name}"
        return step.verb == "redefine" and self._state(step.path, name) == self.was.get((step.path, name), "")

    def _state(self, path: Path, name: str) -> str | None:
        return self.now(path).get(name)

    def look(self, step: Step) -> None:
        kind = KINDS.get(step.verb)
        if kind is None:
            return
        name = step.columns[0] if kind == "column" else step.name
        if step.verb in REPLACING:
            self._altered(step, kind, name)
        if step.verb in ("set_not_null", "drop_not_null") and f"column {name}" not in self.now(step.path):
            self._add(f"the column {name} of {step.table} is gone", step.path, f"column {name}")
        if step.verb == "drop_column" and f"column {name}" in self.now(step.path):
            self._leaning(step, f"the column {name}", column=name)
        if step.verb in ("drop_constraint", "drop_index") and f"{kind} {name}" in self.now(step.path):
            self._leaning(step, f"the {kind} {name}", rule=name)
        if step.verb.startswith("drop_") or step.verb == "redefine":
            self.gone |= {(each, name, step.path[-1]) for each in {kind, "index"}}

    def _altered(self, step: Step, kind: str, name: str) -> None:
        key = step.path, f"{kind} {name}"
        if key not in self.left:  # kept as meant only: nobody knows how it was left
            return
        now, fine = self._state(*key), {self.left[key], self.was[key]}
        if step.verb in ("drop_constraint", "drop_index"):
            fine.add(None)
        if now not in fine:
            whose = f" of {step.table}" if kind != "table" else ""
            self._add(f"the {kind} {name}{whose} was altered since", *key)

    def _leaning(self, step: Step, what: str, *, column: str = "", rule: str = "") -> None:
        for each in leaning(self.reader, step.path, column=column, rule=rule):
            table = each.table or (each.name if each.kind == "table" else "")
            if (each.kind, each.name, table) in self.gone:
                continue
            path = (*step.path[:-1], table) if table else ()
            self._add(f"{each} needs {what} of {step.table}", path, f"{each.kind} {each.name}")

    def _add(self, what: str, path: Path, name: str) -> None:
        now = self._state(path, name) if path else None
        self.found[what] = self.since.makers(path, name, now) if path else []


def without_built_upon(
    steps: Sequence[Step], records: Iterable[Mapping[str, Any]], reader: Reader, since: Since
) -> list[Step]:
    """The steps of a way back that are still to be made. Raises PlanError where something was built upon the run.

    `records` are the run's own, as the journal kept them. Nothing is read of any row.
    """
    look = _Look(reader, since)
    look.know(records)
    left = [step for step in steps if not look.needless(step)]
    for step in left:
        look.look(step)
    if look.found:
        raise _in_the_way(since.number, look.found)
    return left


def check_there(parts: Iterable[Block | Step], schema: Schema, since: Since) -> None:
    """Raise PlanError where parts of a run cannot go back, because their table or a column of their rows is gone."""
    found: dict[str, list[int]] = {}
    for part in parts:
        try:
            table = schema.find(part.table)
        except SchemaError as gone:
            found[gone.message] = []
            continue
        path, there = part.path or (table.name,), {column.name for column in table.columns}
        for name in part.columns if isinstance(part, Block) else ():
            if name not in there:
                told = f"the column {name} of {part.table} is gone"
                found[told] = since.makers(path, f"column {name}", None)
    if found:
        raise _in_the_way(since.number, found)


def _in_the_way(number: int, found: Mapping[str, list[int]]) -> PlanError:
    told = list(_told(found))
    more = f"; and {len(told) - NAMED:,} more" if len(told) > NAMED else ""
    return PlanError(
        f"run {number} cannot be taken back yet: {'; '.join(told[:NAMED])}{more}",
        hint=_next_move(number, found),
    )


def _told(found: Mapping[str, list[int]]) -> Iterator[str]:
    for what, runs in found.items():
        yield f"{what} ({_runs(runs) if runs else 'none of the runs'})"


def _next_move(number: int, found: Mapping[str, list[int]]) -> str:
    runs = sorted({run for each in found.values() for run in each}, reverse=True)
    if not all(found.values()):
        first = f"take back {_runs(runs)}, and " if runs else ""
        return (
            f"{first}drop or alter back by hand what no run has made, then undo run {number}; "
            f"or leave run {number} as it is"
        )
    last_first = ", the last one first" if len(runs) > 1 else ""
    return f"take back {_runs(runs)} before it{last_first}: sn.undo({runs[0]}, store)"


def _runs(runs: Sequence[int]) -> str:
    numbers = list(map(str, runs))
    if len(numbers) == 1:
        return f"run {numbers[0]}"
    return f"runs {', '.join(numbers[:-1])} and {numbers[-1]}"
