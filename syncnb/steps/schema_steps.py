"""Schema steps: what shall be altered, as plain values; the stages that they run in."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from syncnb.steps.blocks import Block

__all__ = ["VERBS", "Mode", "Skipped", "Stage", "Step", "Triggers"]

Mode: TypeAlias = Literal["transaction", "batches", "outside"]

Triggers: TypeAlias = tuple[tuple[str, str], ...]
"""Name and what brings it back: in SQLite its CREATE text, in PostgreSQL the state of `tgenabled`."""

VERBS = {
    "add_column": "add the column {columns} {definition}",
    "drop_column": "drop the column {columns}",
    "fill": "fill {columns} from {source}, where it is NULL",
    "add_constraint": "add the constraint {name}: {definition}",
    "drop_constraint": "drop the constraint {name}: {definition}",
    "use_index": "make the index {name} a constraint",
    "validate": "validate the constraint {name}",
    "create_index": "create the index {name}: {definition}",
    "drop_index": "drop the index {name}",
    "set_not_null": "forbid NULL in {columns}",
    "drop_not_null": "allow NULL in {columns}",
    "set_default": "give {columns} the default {definition}",
    "set_type": "make {columns} {definition}",
    "set_sequence": "set the sequence behind {columns} forward",
    "silence": "keep its triggers from firing",
    "restore": "let its triggers fire again",
    "redefine": "redefine the table: {note}",
}
"""Every verb, and the sentence that a person reads."""

OPPOSITE = {
    "add_column": "drop_column", "drop_column": "add_column", "add_constraint": "drop_constraint",
    "drop_constraint": "add_constraint", "use_index": "drop_constraint", "create_index": "drop_index",
    "drop_index": "create_index", "set_not_null": "drop_not_null", "drop_not_null": "set_not_null",
    "silence": "restore", "restore": "silence", "set_default": "set_default", "set_type": "set_type",
    "redefine": "redefine",
}  # fmt: skip
"""What takes a step back. `fill` comes back from images; `validate` needs no way back; a sequence has none."""


@dataclass(frozen=True, slots=True)
class Step:
    """One alteration of one table. What it needs to be done, and to be taken back."""

    verb: str
    """One of `VERBS`."""
    table: str
    """The table's label."""
    path: tuple[str, ...]
    """Its own name, after its schema's where it has one."""
    columns: tuple[str, ...] = ()
    name: str = ""
    """Of the constraint or index."""
    definition: str = ""
    """What shall be, in the words of the catalogue: after its name, for an index the whole CREATE text."""
    was: str = ""
    """What was there, in the same words, so that it can come back."""
    source: str = ""
    """Where a fill takes its values from: a column."""
    value: str | None = None
    """Or the one value that a fill writes, as text."""
    triggers: Triggers = ()
    """Those that must not fire while rows are filled."""
    concurrently: bool = False
    rows: int = 0
    """How many rows it writes, or has to look at."""
    lock: str = ""
    """What others have to wait for, and how long about."""
    note: str = ""
    shown: Block | None = None
    """The first rows that a fill writes, before and after."""

    def __post_init__(self) -> None:
        if self.verb not in VERBS:
            raise ValueError(f"there is no schema step {self.verb!r}")

    def __str__(self) -> str:
        words = {
            "columns": ", ".join(self.columns),
            "name": self.name,
            "definition": self.definition or "none",
            "source": self.source or "one value",
            "note": self.note,
        }
        return VERBS[self.verb].format(**words)

    @property
    def back(self) -> str:
        """How it is taken back, in a few words."""
        if self.verb == "fill":
            return "from the images of its rows"
        if self.verb == "set_sequence":
            return "cannot be taken back"
        return str(self.inverse) if self.inverse else "goes with its constraint"

    @property
    def inverse(self) -> "Step | None":
        """The step that takes this one back; None where there is none."""
        if self.verb not in OPPOSITE:
            return None
        swapped = self.verb in ("set_default", "set_type", "redefine")
        return Step(
            OPPOSITE[self.verb],
            self.table,
            self.path,
            self.columns,
            self.name,
            definition=self.was if swapped else self.definition,
            was=self.definition if swapped else self.was,
            triggers=self.triggers,
            concurrently=self.concurrently and self.verb in ("create_index", "drop_index"),
            lock=self.lock,
            note=self.note,
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """Parts that run together: in one transaction, in many, or outside of any."""

    parts: tuple[Step | Block, ...]
    mode: Mode = "transaction"

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(part for part in self.parts if isinstance(part, Step))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A step that was asked for and is true already."""

    table: str
    what: str
    evidence: str
