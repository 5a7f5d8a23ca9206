"""The plan: everything that shall be written, as a value. It holds no connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from syncnb.errors import PlanError
from syncnb.planning import choosing, editing, files, previewing, scripts, staged
from syncnb.planning.choosing import Keys, Word
from syncnb.rendering import Sheet
from syncnb.schema import Column
from syncnb.steps import Block, Change, Clash, Contest, Cut, Hazard, IdMap, Skipped, Stage
from syncnb.stores.port import Identity
from syncnb.values.sides import Side

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OpenRow", "Plan"]


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A row that differs and is left as it is: it cannot be written, or somebody decided so."""

    table: str
    key: str
    why: str
    verb: str = "none"
    decision: str = "open"
    reason: str = ""


@dataclass(frozen=True, repr=False)
class Plan:
    """What shall be written into one database, in order. Nothing has happened yet.

    A plan is a value: it can be saved, sent, loaded and applied by somebody else, once, to the database
    that it was drawn on. `p.preview()` shows every cell, `p.sql()` the statements.
    """

    target: Identity
    into: Side
    """Which side of the diff it writes."""
    source: str
    """The name of the other side."""
    fingerprint: Mapping[str, str]
    """Table label to a digest of its catalogue facts, as they were when the plan was drawn."""
    blocks: tuple[Block, ...]
    """In the order in which they are written: parents first, deletes of children first."""
    undecided: tuple[Block, ...] = ()
    """Rows that differ and that no policy decided, as they would be written."""
    open: tuple[OpenRow, ...] = ()
    """Rows that cannot be written, and rows that somebody decided to leave."""
    hazards: tuple[Hazard, ...] = ()
    order: tuple[str, ...] = ()
    """All tables that it concerns, parents first."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """How many rows each of them held in the target."""
    columns: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    """The columns of each of them, so that an edited value can be checked."""
    after_run: int = 0
    """The number of the last run in the target's journal when the plan was drawn."""
    undo_of: int | None = None
    """The run that this plan takes back."""
    notes: tuple[str, ...] = ()
    """What a person should know: triggers that fire, what is kept, what cannot be taken back."""
    maps: tuple[IdMap, ...] = ()
    """Which ids of the source are which ids of the target, where they are not the same: kept with the run."""
    source_id: str = ""
    """Which database the source is, so that a later diff finds these maps; empty for frames."""
    contests: tuple[Contest, ...] = ()
    """Unique values that rows hand on to one another, so that a decision can be put in order again."""
    cuts: tuple[Cut, ...] = ()
    """References that wait, because tables refer to each other in a circle."""
    deferred: tuple[tuple[str, str], ...] = ()
    """Tables and constraints that the database looks at only when all is written."""
    stages: tuple[Stage, ...] = ()
    """Of a migration: what is altered and written, in order; `blocks` is empty then."""
    skipped: tuple[Skipped, ...] = ()
    """Steps that were asked for and are true already."""
    clashes: tuple[Clash, ...] = ()
    """Rows that both sides changed since they last agreed: decided ones are in `blocks`, or stay as they are."""
    unchanged: Mapping[str, int] = field(default_factory=dict)
    """Of a payload: rows that the target has as they are, by table."""
    whole: bool = True
    """False for one that was saved without its values: it can be read, not applied."""

    @cached_property
    def id(self) -> str:
        """The hash of its content, its target and the journal's last run: the same plan has the same id."""
        return files.plan_hash(self)

    @property
    def changes(self) -> list[Change]:
        """The rows that will be written, as objects, in order."""
        written = [part for stage in self.stages for part in stage.parts if isinstance(part, Block)]
        blocks = (*self.blocks, *written)
        return [change for block in blocks if not block.role for change in block.changes()]

    def __len__(self) -> int:
        """How many rows it writes."""
        return sum(len(block) for block in self.blocks if not block.role) + staged.rows_of(self.stages)

    def preview(self) -> "pd.DataFrame":
        """Every cell that will be written or is open.

        Columns: step, table, verb, key, column, before, after, why, hazard, decision, reason. A migration has
        a line for each step, with what, rows, lock and back, and the first rows that it fills.
        """
        return staged.preview(self) if self.stages or self.skipped else previewing.preview(self)

    def sql(self) -> str:
        """What will run, as statements to read and to copy. They write the same, row by row."""
        return staged.statements(self) if self.stages else previewing.statements(self)

    def decide(self, frame: "pd.DataFrame", *, by: str = "") -> "Plan":
        """A new plan from edited lines of `preview()`: `after` values, `decision` and `reason`.

        decision: `local` or `remote` (whose row it shall be), or `apply` and `keep`. NULL is `sn.NULL`.
        Raises PlanError for a value that its column cannot hold, an unknown row, or NaN.
        """
        if self.stages:
            raise PlanError("a migration has no cells to decide", hint="draw it again with other steps")
        return editing.decided(self, frame, by=by)

    def choose(
        self,
        table: str,
        key: Keys,
        side: Word | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        reason: str = "",
        by: str = "",
        absent: Literal["raise", "skip"] = "raise",
    ) -> "Plan":
        """A new plan with one row decided, or several (a list of keys): `p.choose("hosts", 225, "local")`.

        side: whose row it shall be, `local` or `remote`; or `apply`, `keep`, `open`. values: `{column: value}`,
        another value for a cell, None for NULL. reason and by are kept with the run. absent: what becomes of a
        key that is not in the plan, as where that row is in step by now: `"skip"` passes over it.

        Raises PlanError for a key or column that is not in the plan, and for a value that its column cannot hold.
        """
        if self.stages:
            raise PlanError("a migration has no cells to decide", hint="draw it again with other steps")
        return choosing.chosen(self, table, key, side, values=values, reason=reason, by=by, absent=absent)

    def save(self, path: str | Path, *, values: bool = True) -> Path:
        """Write it as JSON. Without `values` it can be read, but not applied. Returns the path."""
        return files.save(self, path, values=values)

    def save_sql(self, folder: str | Path, *, names: Sequence[str] | None = None) -> list[Path]:
        """Write a migration as `.sql` files for psql or sqlite3, what takes it back beside it (`.down.sql`).

        names: what the files are called. With two, the first has columns and values, the second rules and
        indexes, which must come after; with one, all. By default two, numbered. Returns the paths, in order.
        """
        return scripts.save_sql(self, folder, names)

    def save_alembic(self, folder: str | Path, *, revision: str, down_revision: str | None = None) -> Path:
        """Write a migration as one Alembic revision, with upgrade and downgrade. Returns its path."""
        return scripts.save_alembic(self, folder, revision, down_revision)

    def _sheet(self) -> Sheet:
        return staged.plan_sheet(self) if self.stages or self.skipped else previewing.plan_sheet(self)

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()
