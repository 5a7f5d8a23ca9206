"""What no log of changes can know: tables and columns that it does not cover, and what the other side has no longer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncnb.changes import Diff, TablePair
from syncnb.journal import Begun, Shape
from syncnb.matching import Matched
from syncnb.matching.columns import ONLY_IN
from syncnb.schema import fold
from syncnb.syncing.agreeing import label_of
from syncnb.syncing.spooling import base_columns
from syncnb.tracking.checking import Tracked
from syncnb.values.sides import Side, other_side

__all__ = ["Parted", "Shapes", "gone", "lone_columns", "parted_of", "unlogged"]

Shapes = Mapping[str, Sequence[Shape]]
"""By table: which columns both sides agreed on, and when."""


@dataclass(frozen=True, slots=True)
class Parted:
    """Tables on which both sides had agreed, and that only one of them has by now."""

    local: tuple[str, ...] = ()
    """Those that only local has: their changes reach nobody."""
    remote: tuple[str, ...] = ()

    def notes(self) -> Iterator[str]:
        """A line a table."""
        for name in self.local:
            yield f"{name} is not synced: {gone(name, 'remote')}"
        for name in self.remote:
            yield f"{name} is not synced: {gone(name, 'local')}"


def gone(name: str, side: Side) -> str:
    """Why nothing of this table reaches that side."""
    return f"{side} has no table {name} any more; told by tables=, the others are synced without it"


def parted_of(found: "Diff | Matched", shapes: Shapes) -> Parted:
    """Which tables both had, and only one has. None where tables were named: the others are nobody's wish then."""
    known = {fold(label) for label in shapes}
    local, remote = (
        tuple(label for label in labels if fold(label) in known)
        for labels in (found.unmatched_local, found.unmatched_remote)
    )
    return Parted(local, remote)


def lone_columns(d: Diff, into: Side) -> Iterator[str]:
    """Columns whose values reach nobody: the target has none of that name, and nobody said to leave them out."""
    source = other_side(into)
    for table in d.tables:
        names = [
            each.name for each in table.uncompared if each.what == "column" and each.why == ONLY_IN[source]
        ]
        if names:
            them = f"column {names[0]} is" if len(names) == 1 else f"columns {', '.join(names)} are"
            yield f"{table.name}: {them} only in {source}, and not synced"


def unlogged(
    pairs: Sequence[TablePair], tracked: Sequence[Tracked] | None, shapes: Shapes, audit: Begun
) -> str:
    """Why a log knows less than a comparison of everything; empty where it knows as much.

    tracked: the tables that triggers capture; None where a program keeps a queue, of which nobody knows what it leaves out.
    """
    pairs = [
        pair for pair in pairs if pair.key
    ]  # of a table without one no row could be named, so none is written
    since = None if tracked is None else {each.name: each.since for each in tracked}
    if since is not None:
        strange = [pair.name for pair in pairs if pair.local.name not in since]
        if strange:
            more = f" and {len(strange) - 1} more are" if len(strange) > 1 else " is"
            return f"{strange[0]}{more} not tracked"
        for pair in pairs:
            if since[pair.local.name] > audit.started:
                return f"{pair.name} was not tracked yet the last time"
    for pair in pairs:
        if fresh := _fresh(pair, shapes.get(label_of(pair, "local"), ())):
            return f"column {fresh} of {pair.name} was not compared the last time"
    return ""


def _fresh(pair: TablePair, known: Sequence[Shape]) -> str:
    """A column of which no line of the base that was written last says anything."""
    if not known:
        return ""
    last = max(known, key=lambda shape: (shape.at, shape.number))
    return next((name for name in base_columns(pair, "local") if name not in last.columns), "")
