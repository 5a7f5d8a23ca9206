"""The verb `explain_conflict`: each index of a table, and whether an upsert's target finds it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from syncnb.diagnosing.targets import Target, Verdict, judge, nearest, target_of
from syncnb.errors import SchemaError
from syncnb.rendering import Cell, Sheet, frame
from syncnb.schema import Column, Table
from syncnb.steps import Remedy, remedy
from syncnb.stores.conversation import one_conversation
from syncnb.stores.port import Store
from syncnb.stores.probing import Arbiters, Prober, Probing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explanation", "explain_conflict", "explained", "like_named", "repair", "steps_for_missing"]

ALIKE = 0.85
"""From here on a name is taken for a typing error of another, not for a column that a migration was to add."""


@dataclass(frozen=True, repr=False)
class Explanation:
    """What an upsert with this target meets. True where it works: `assert explanation, explanation`."""

    table: str
    target: str
    """As a person reads it: `ON CONFLICT (a) WHERE b`."""
    verdicts: tuple[Verdict, ...]
    engine: str = ""
    """What the engine itself says; empty where it could not be asked."""
    refused: bool = False
    """The engine refuses although an index matches: a deferrable rule, a rewriting rule."""
    repair: str = ""
    """The shortest way to make it work; empty where it does."""
    remedies: tuple[Remedy, ...] = ()
    """The same as schema steps, where it takes any."""
    cause: str | None = None
    """From the vocabulary; None where it works."""

    def __bool__(self) -> bool:
        return not self.refused and any(verdict.matches for verdict in self.verdicts)

    @property
    def frame(self) -> "pd.DataFrame":
        """A line for each index: index, columns, unique, matches, why."""
        import pyarrow as pa

        rows = [_line(verdict) for verdict in self.verdicts]
        kinds = (pa.string(), pa.string(), pa.bool_(), pa.bool_(), pa.string())
        return frame(
            {
                name: pa.array([row[at] for row in rows], kind)
                for at, (name, kind) in enumerate(zip(HEADERS, kinds, strict=True))
            }
        )

    def _sheet(self) -> Sheet:
        rows = [
            [
                Cell(str(name)),
                Cell(str(columns)),
                Cell("yes" if unique else "no"),
                Cell("✓" if matches else "✗", "good" if matches else "bad"),
                Cell(str(why)),
            ]
            for name, columns, unique, matches, why in map(_line, self.verdicts)
        ]
        title = f"{self.target} on {self.table}: {'it works' if self else 'it does not work'}"
        notes = [*([f"the engine says: {self.engine}"] if self.engine else [])]
        notes += [f"shortest repair: {self.repair}"] if self.repair else []
        notes += [f"step: {step}" for step in self.remedies]
        return Sheet(title, HEADERS if rows else (), rows, notes if rows else ["it has no index", *notes])

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


HEADERS = ("index", "columns", "unique", "matches", "why")


def _line(verdict: Verdict) -> tuple[str, str, bool, bool, str]:
    index = verdict.index
    tail = f" WHERE {index.where}" if index.where else ""
    tail += "" if index.nulls_distinct else " NULLS NOT DISTINCT"
    name = index.name if index.partition is None else f"{index.name} ({index.partition})"
    return name, ", ".join(index.parts) + tail, index.unique, verdict.matches, verdict.why or "it matches"


@one_conversation
def explain_conflict(
    store: Store, table: str, target: str | Sequence[str], where: str | None = None
) -> Explanation:
    """Say for each index of a table whether `ON CONFLICT (target) WHERE where` finds it, and why not.

    `target` is a column, or columns and expressions as they stand in the statement. The engine itself is
    asked too: it plans such an upsert in a read-only transaction, without running it; where it and the rules
    disagree, it is right. A column of the target that the table lacks is told, with what adds it. Raises SchemaError
    where there is no such table, none of the columns, or the store is a frame.
    """
    with store.reading() as reader:
        if not isinstance(reader, Probing):
            raise SchemaError(
                f"{store.name} is a frame, and frames have no indexes", hint="pass the database"
            )
        found = reader.schema().find(table)
        parts = (target,) if isinstance(target, str) else tuple(target)
        if not parts:
            raise SchemaError("the conflict target is empty", hint="name the columns: target=['a', 'b']")
        return explained(reader.probe(), found, target_of(found, parts, where, store.dialect), store.dialect)


def explained(probe: Prober, table: Table, target: Target, dialect: str) -> Explanation:
    """The same on a snapshot that is open already."""
    verdicts = [judge(table, index, target, dialect) for index in probe.indexes(table)]
    if missing := _missing_columns(table, target):
        return _without_columns(table, target, verdicts, missing, nulls_can_be_equal=probe.nulls_can_be_equal)
    said = None if target.is_bound else probe.arbiters(table, _for_engine(target), target.where)
    verdicts = _overruled(verdicts, said)
    shown = tuple(verdict for verdict in verdicts if _worth_telling(verdict, target))
    refused = any(
        verdict.cause == "deferrable_constraint" and not verdict.distance
        for verdict in verdicts
        if not verdict.matches
    )
    rules = probe.surroundings(table).rules if dialect == "postgresql" else ()
    done = Explanation(table.label, str(target), shown, _words(said), refused=refused or bool(rules))
    if done:
        return done
    return repair(done, table, target, rules, nulls_can_be_equal=probe.nulls_can_be_equal)


def _for_engine(target: Target) -> list[str]:
    return [
        part.column if part.column and not (part.collation or part.opclass) else part.text
        for part in target.parts
    ]


def _missing_columns(table: Table, target: Target) -> list[str]:
    """The columns of a target that the table does not have. Raises SchemaError for what looks like a typing error."""
    missing = [part.text for part in target.parts if part.column is None and part.text.isidentifier()]
    there = [column.name for column in table.columns]
    for name in missing:
        if len(missing) == len(target.parts) or get_close_matches(name, there, n=1, cutoff=ALIKE):
            table.column(name)  # raises with the names there are
    return missing


def _without_columns(
    table: Table,
    target: Target,
    verdicts: Sequence[Verdict],
    missing: Sequence[str],
    *,
    nulls_can_be_equal: bool,
) -> Explanation:
    """No index can match a target whose columns are not there."""
    why = f"the table has no {' and no '.join(missing)}"
    shown = [replace(v, matches=False, why=why) for v in verdicts if _worth_telling(v, target)]
    steps = steps_for_missing(
        table, [part.text for part in target.parts], missing, nulls_distinct=not nulls_can_be_equal
    )
    words = f"add {', '.join(missing)}, fill it, then add a unique rule on ({', '.join(p.text for p in target.parts)})"
    return Explanation(
        table.label,
        str(target),
        tuple(shown),
        repair=words,
        remedies=tuple(steps),
        cause="missing_unique_constraint",
    )


def steps_for_missing(
    table: Table, parts: Sequence[str], missing: Sequence[str], *, nulls_distinct: bool
) -> list[Remedy]:
    """Add the columns, fill them from those they are named after, then the rule."""
    steps: list[Remedy] = []
    for name in missing:
        like = like_named(table, name)
        steps.append(remedy("add_column", table.label, name, type=like.type if like else None))
        if like:
            steps.append(remedy("backfill", table.label, name, source=like.name))
    return [*steps, remedy("unique", table.label, tuple(parts), nulls_distinct=nulls_distinct)]


def like_named(table: Table, name: str) -> Column | None:
    """The column that a longer name ends with, and so may be filled from: `source_id` for `wand_source_id`."""
    ending = [
        c for c in table.columns if name.lower().endswith(f"_{c.name.lower()}") and c.name.lower() != "id"
    ]
    return max(ending, key=lambda column: len(column.name), default=None)


def _overruled(verdicts: list[Verdict], said: Arbiters | None) -> list[Verdict]:
    """The engine's word over ours, index by index where it names them."""
    if said is None:
        return verdicts
    if said.names is None:
        # SQLite says yes or no for all of them together: only a "no" can be turned into something certain.
        if said.matches or not any(verdict.matches for verdict in verdicts):
            return verdicts
        return [
            replace(v, matches=False, why=f"SQLite does not take it: {said.why}") if v.matches else v
            for v in verdicts
        ]
    done = []
    for verdict in verdicts:
        found = verdict.index.name in said.names and verdict.index.partition is None
        if found and not verdict.matches and verdict.cause != "deferrable_constraint":
            verdict = Verdict(verdict.index, matches=True)
        elif verdict.matches and not found:
            why = f"the server does not infer it{f': {said.why}' if said.why else ''}"
            cause = (
                "partial_index_predicate_not_in_on_conflict"
                if verdict.index.where
                else "expression_index_mismatch"
            )
            verdict = Verdict(verdict.index, matches=False, why=why, cause=cause)
        done.append(verdict)
    return done


def _worth_telling(verdict: Verdict, target: Target) -> bool:
    """Indexes that are not unique are told only where they are on the very columns."""
    return verdict.index.unique or verdict.index.exclusion or verdict.distance == 2


def _words(said: Arbiters | None) -> str:
    if said is None:
        return ""
    if said.matches:
        return f"it would use {', '.join(said.names)}" if said.names else "it takes the target"
    return said.why


def repair(
    done: Explanation,
    table: Table,
    target: Target,
    rules: Sequence[str] = (),
    *,
    nulls_can_be_equal: bool = True,
) -> Explanation:
    """The same explanation with its cause and the shortest way out."""
    new = _new_rule(table, target, nulls_can_be_equal=nulls_can_be_equal)
    if rules:
        words = f"drop the rule {', '.join(rules)}, or write with plain INSERT and UPDATE"
        return replace(done, repair=words, cause="rule_on_table")
    best = nearest(done.verdicts)
    if best is None:
        return replace(done, repair=new[0], remedies=new[1], cause="missing_unique_constraint")
    if target.is_bound:
        words = "write the predicate or expression of the target as literal text, without a parameter"
        return replace(done, repair=words, cause="bound_parameter_in_target")
    words, steps = _way_out(best, table, new)
    return replace(done, repair=words, remedies=steps, cause=best.cause)


WayOut: TypeAlias = tuple[str, tuple[Remedy, ...]]


def _way_out(best: Verdict, table: Table, new: WayOut) -> WayOut:
    """How to make the nearest index serve; else the new rule."""
    index = best.index
    inside = ", ".join(index.parts)
    tail = f" WHERE {index.where}" if index.where else ""
    match best.cause:
        case (
            "partial_index_predicate_not_in_on_conflict" | "expression_index_mismatch" | "collation_in_target"
        ):
            return f"change the target, no schema change: ON CONFLICT ({inside}){tail}", ()
        case "deferrable_constraint":
            name = index.constraint or index.name
            step = remedy(
                "replace_unique", table.label, index.columns, name=name, nulls_distinct=index.nulls_distinct
            )
            return f"make {name} NOT DEFERRABLE: drop it and create it again", (step,)
        case "invalid_index_left" if index.building:
            return f"wait until the build of {index.name} has ended", ()
        case "invalid_index_left":
            step = remedy("rebuild_index", table.label, index.columns, name=index.name)
            return f"remove duplicates of ({inside}), drop {index.name} and build it again", (step,)
        case "conflict_target_wrong_columns":
            return f"name the columns of {index.name}: ON CONFLICT ({inside}){tail}; or else {new[0]}", new[1]
        case "partition_unique_not_on_parent":
            return f"{new[0]}; on a partitioned table it must contain the partition key", new[1]
    return new


def _new_rule(table: Table, target: Target, *, nulls_can_be_equal: bool) -> WayOut:
    """A unique rule for this very target."""
    columns = tuple(part.column for part in target.parts if part.column)
    if len(columns) < len(target.parts):
        return f"create a unique index on ({', '.join(part.text for part in target.parts)})", ()
    nullable = [name for name in columns if table.column(name).nullable]
    words = f"add a unique rule on ({', '.join(columns)})"
    rule = remedy("unique", table.label, columns, nulls_distinct=not (nullable and nulls_can_be_equal))
    if not nullable:
        return words, (rule,)
    if nulls_can_be_equal:
        return f"{words} NULLS NOT DISTINCT, because {', '.join(nullable)} may be NULL", (rule,)
    words += (
        f"; {', '.join(nullable)} may be NULL, which never counts as equal here: fill and forbid that first"
    )
    return words, (rule, remedy("not_null", table.label, nullable))
