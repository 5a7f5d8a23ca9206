"""The rules of conflict targets: which indexes `ON CONFLICT (…)` finds, and why it does not find the others.

Pure: facts in, verdicts out. The engine is asked elsewhere and has the last word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from syncnb.schema import Table
from syncnb.stores.probing import IndexFacts, is_bound
from syncnb.stores.sqlite_text import tokens

__all__ = ["Part", "Target", "Verdict", "judge", "nearest", "target_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a conflict target."""

    text: str
    column: str | None = None
    """The column that it is; None for an expression."""
    collation: str | None = None
    opclass: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A whole conflict target."""

    parts: tuple[Part, ...]
    where: str | None = None

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(part.column for part in self.parts if part.column)

    @property
    def is_bound(self) -> bool:
        """Whether it holds a bound parameter."""
        return any(is_bound(text) for text in (*(part.text for part in self.parts), self.where or ""))

    def __str__(self) -> str:
        inside = ", ".join(part.text for part in self.parts)
        return f"ON CONFLICT ({inside})" + (f" WHERE {self.where}" if self.where else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One index, and whether the target finds it."""

    index: IndexFacts
    matches: bool
    why: str = ""
    """Why not, in words; empty where it matches."""
    cause: str = "missing_unique_constraint"
    """What it would mean if this was the index that was meant."""
    distance: int = 0
    """How far the index is from the one that the target wants; 0 is nothing but the reason told."""


def target_of(table: Table, parts: Sequence[str], where: str | None, dialect: str) -> Target:
    """The target as the engine reads it: names folded as the engine folds them."""
    return Target(tuple(_part(table, text.strip(), dialect) for text in parts), where)


def _part(table: Table, text: str, dialect: str) -> Part:
    nodes = tokens(text)
    while len(nodes) == 1 and nodes[0].is_group:
        nodes = nodes[0].inside
    if any(column.name == text for column in table.columns):
        return Part(text, text)
    column = (
        _column(table, nodes[0].text, nodes[0].name, dialect) if nodes and not nodes[0].is_group else None
    )
    if column is None:
        return Part(text)
    if len(nodes) == 1:
        return Part(column, column)
    words = [node.word for node in nodes]
    collation = nodes[2].name if len(nodes) > 2 and words[1] == "COLLATE" else None
    rest = nodes[3:] if collation else nodes[1:]
    if not rest:
        return Part(text, column, collation)
    if len(rest) == 1 and rest[0].word and dialect == "postgresql":
        return Part(text, column, collation, rest[0].name.lower())
    return Part(text)


def _column(table: Table, written: str, name: str, dialect: str) -> str | None:
    """The column that a name means: unquoted ones fold, in SQLite quoted ones too."""
    folds = dialect != "postgresql" or written == name
    for column in table.columns:
        if column.name == name or (folds and column.name.lower() == name.lower()):
            return column.name
    if (
        dialect != "postgresql"
        and name.lower() in ("rowid", "_rowid_", "oid")
        and len(table.primary_key) == 1
    ):
        return table.primary_key[0]
    return None


def judge(table: Table, index: IndexFacts, target: Target, dialect: str) -> Verdict:
    """Whether this index is found, by the rules of the engine."""
    for rule in (_usable, _shape, _predicate, _naming, _deferrable):
        if (found := rule(table, index, target, dialect)) is not None:
            return found
    return Verdict(index, matches=True)


def _missed(
    index: IndexFacts, why: str, cause: str = "missing_unique_constraint", distance: int = 0
) -> Verdict:
    return Verdict(index, matches=False, why=why, cause=cause, distance=distance)


def _usable(table: Table, index: IndexFacts, target: Target, dialect: str) -> Verdict | None:
    far = _distance(table, index, target)
    if index.exclusion:
        why = "an exclusion constraint is not found by columns"
        return _missed(index, why, "exclusion_constraint_only", far)
    if not index.unique:
        return _missed(index, "it is not unique", "non_unique_index_only", far)
    if index.partition:
        why = f"it stands on the partition {index.partition} only, not on {table.label}"
        return _missed(index, why, "partition_unique_not_on_parent", far)
    if not index.valid:
        left = "its build is still running" if index.building else "it is not valid: a build of it failed"
        return _missed(index, left, "invalid_index_left", far)
    return None


def _shape(table: Table, index: IndexFacts, target: Target, dialect: str) -> Verdict | None:
    """Columns and expressions: exactly the same set, in any order."""
    ours = {_normal(part, dialect, plain=plain) for part, plain in zip(index.parts, index.plain, strict=True)}
    theirs = [
        _normal(part.column or part.text, dialect, plain=part.column is not None) for part in target.parts
    ]
    repeated = len(set(theirs)) < len(theirs)
    if ours == set(theirs) and not (repeated and dialect != "postgresql"):
        return None
    if repeated and dialect != "postgresql":
        return _missed(index, "the target names a column twice", "conflict_target_wrong_columns", 1)
    far = _distance(table, index, target)
    shown = ", ".join(index.parts)
    if target.is_bound:
        return _missed(
            index,
            f"({shown}), and the target holds a bound parameter",
            "bound_parameter_in_target",
            far,
        )
    expression = not all(index.plain) or any(part.column is None for part in target.parts)
    if expression and far == 0:
        return _missed(
            index,
            f"the target must say ({shown})",
            "expression_index_mismatch",
        )
    more = [part for part in index.parts if _normal(part, dialect, plain=True) not in theirs]
    fewer = [part.text for part, form in zip(target.parts, theirs, strict=True) if form not in ours]
    told = "it is on other columns"
    if not fewer or not more:
        told = f"the target lacks {', '.join(more)}" if more else f"the target also names {', '.join(fewer)}"
    cause = (
        "conflict_target_wrong_columns"
        if _mentioned(table, index) & target.columns
        else "missing_unique_constraint"
    )
    return _missed(index, f"({shown}): {told}", cause, far)


def _predicate(table: Table, index: IndexFacts, target: Target, dialect: str) -> Verdict | None:
    if index.where is None:
        return None
    if target.where is None:
        why = f"it is partial: the target must say WHERE {index.where}"
        return _missed(index, why, "partial_index_predicate_not_in_on_conflict")
    if is_bound(target.where):
        why = f"it is partial (WHERE {index.where}), and the target's WHERE holds a bound parameter"
        return _missed(index, why, "bound_parameter_in_target")
    if _flat(index.where) in _flat(target.where) and dialect == "postgresql":
        return None  # at least as strong, as far as text can tell; the server decides
    if _flat(index.where) == _flat(target.where):
        return None
    why = f"it is partial (WHERE {index.where}), and the target's WHERE does not imply that"
    return _missed(index, why, "partial_index_predicate_not_in_on_conflict")


def _naming(table: Table, index: IndexFacts, target: Target, dialect: str) -> Verdict | None:
    """A collation or operator class that the target names must be the index's own."""
    for part in target.parts:
        if part.column is None or part.column not in index.parts:
            continue
        at = index.parts.index(part.column)
        own = (index.collations[at] if at < len(index.collations) else None) or table.column(
            part.column
        ).collation
        if (
            part.collation
            and part.collation.upper()
            != (own or ("BINARY" if dialect != "postgresql" else "default")).upper()
        ):
            why = f"the target names the collation {part.collation}, the index has {own or 'the default one'}"
            return _missed(index, why, "collation_in_target")
        opclass = index.opclasses[at] if at < len(index.opclasses) else None
        if part.opclass and part.opclass != opclass and not (opclass is None and _is_default(part.opclass)):
            why = f"the target names the operator class {part.opclass}, the index has {opclass or 'the default one'}"
            return _missed(index, why, "collation_in_target")
    return None


def _is_default(opclass: str) -> bool:
    return opclass.endswith("_ops") and "pattern" not in opclass


def _deferrable(table: Table, index: IndexFacts, target: Target, dialect: str) -> Verdict | None:
    if not index.deferrable:
        return None
    why = "it is deferrable: found, then refused; none beside it helps"
    return _missed(index, why, "deferrable_constraint")


def nearest(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The index that was most likely meant: one that only its own flaw keeps from matching comes first."""
    wanted = [verdict for verdict in verdicts if not verdict.matches]
    return min(
        wanted, key=lambda v: (v.distance, ORDER.index(v.cause) if v.cause in ORDER else 99), default=None
    )


ORDER = (
    "deferrable_constraint", "invalid_index_left", "partial_index_predicate_not_in_on_conflict", "bound_parameter_in_target",
    "collation_in_target", "expression_index_mismatch", "partition_unique_not_on_parent", "exclusion_constraint_only",
    "conflict_target_wrong_columns", "non_unique_index_only", "missing_unique_constraint",
)  # fmt: skip


def _distance(table: Table, index: IndexFacts, target: Target) -> int:
    """0: the same columns, in expressions or not. 1: some in common, and a unique rule. More: something else."""
    mentioned = _mentioned(table, index)
    wanted = target.columns | {
        name for part in target.parts if part.column is None for name in _names(table, part.text)
    }
    if mentioned == wanted and mentioned:
        return 0 if index.unique or index.exclusion else 2
    return 1 if mentioned & wanted and index.unique else 3


def _mentioned(table: Table, index: IndexFacts) -> frozenset[str]:
    """The columns that an index is about, also those within its expressions."""
    found = set(index.columns)
    for part, plain in zip(index.parts, index.plain, strict=True):
        if not plain:
            found |= _names(table, part)
    return frozenset(found)


def _names(table: Table, expression: str) -> set[str]:
    words = set(re.findall(r"\w+", re.sub(r"'(?:[^']|'')*'", "", expression).lower()))
    return {column.name for column in table.columns if column.name.lower() in words}


def _normal(text: str, dialect: str, *, plain: bool) -> str:
    if plain:
        return f"={text.lower() if dialect != 'postgresql' else text}"
    return _flat(text)


def _flat(text: str) -> str:
    """Without blanks, case, outer parentheses and the casts of constants that PostgreSQL writes."""
    text = re.sub(r"('(?:[^']|'')*')::[\w ]+?(?=[,)]|$)", r"\1", text)
    parts = re.split(r"('(?:[^']|'')*')", text)
    text = "".join(part if part.startswith("'") else re.sub(r"\s+", "", part).lower() for part in parts)
    while text.startswith("(") and text.endswith(")") and _closes_last(text):
        text = text[1:-1]
    return text


def _closes_last(text: str) -> bool:
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return at == len(text) - 1
    return False
