"""What a demo is made of: two sides, each a schema, rows, and what then happened to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

__all__ = ["PastRun", "Repair", "Row", "Scene", "Side"]

Row: TypeAlias = tuple[str | int | bool | None, ...]
"""Values in column order, as both engines accept them: stamps, UUIDs and JSON are text."""


@dataclass(frozen=True, slots=True)
class Side:
    """One database of a demo."""

    name: str
    """What its store is called."""
    schema: str
    """CREATE statements."""
    rows: Mapping[str, Sequence[Row]]
    """By table, parents before children."""
    drift: Mapping[str, str]
    """What a person or a program did to it since: in words, and the SQL that does it."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that failed before the demo begins, as the remote's journal has it."""

    started: datetime
    finished: datetime
    records: int
    error: str
    caller: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair of the remote that somebody made before the demo begins, by the verbs that a reader would use."""

    at: datetime
    by: str
    caller: str
    resolve: Any
    """Who won, as `plan` takes it."""
    local: Mapping[str, str] = field(default_factory=dict)
    """What had happened to either side until then: in words, and the SQL that does it."""
    remote: Mapping[str, str] = field(default_factory=dict)
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A local SQLite file and a remote database that no longer agree."""

    local: Side
    remote: Side
    """As a PostgreSQL database."""
    remote_file: Side | None = None
    """As a SQLite file, where that is what it was: the demo makes this one unless told otherwise."""
    past: tuple[PastRun, ...] = ()
    repairs: tuple[Repair, ...] = ()
    """In their order; the drift of either side comes after the last."""
    agreed: bool = False
    """Whether both sides agreed on everything before they drifted: then a base is kept of it."""
