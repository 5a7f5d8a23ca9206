"""syncnb: see, understand and repair the differences between a local and a remote table.

>>> import syncnb as sn
>>> local = sn.connect("cache.db", timezone="UTC")          # doctest: +SKIP
>>> remote = sn.connect(env="REMOTE_URL")                   # doctest: +SKIP
>>> sn.diff(local, remote)                                  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from syncnb.errors import (
    ConnectError,
    PlanError,
    ReadError,
    SchemaError,
    Stopped,
    SyncnbError,
    UnknownOutcome,
    WriteError,
)

if TYPE_CHECKING:
    from syncnb.applying import apply
    from syncnb.changes import Diff, Mismatch, TableDiff
    from syncnb.comparing.accepting import Acceptance, accept
    from syncnb.comparing.diffing import diff
    from syncnb.comparing.suggesting import KeySuggestions, suggest_keys
    from syncnb.connecting import connect
    from syncnb.diagnosing import Explanation, Finding, Findings, diagnose, explain_conflict
    from syncnb.examples import demo
    from syncnb.filters import Condition, col
    from syncnb.journal.history import Runs, history
    from syncnb.journal.purging import purge
    from syncnb.migrating import migrate
    from syncnb.panels.desk import Desk, panel
    from syncnb.panels.grid import Grid, grid
    from syncnb.panels.pictures import ChangeMap, ClockPicture, change_map, clock_picture
    from syncnb.planning import Plan, load_plan, plan, required_grants, undo
    from syncnb.rendering.exporting import save_csv
    from syncnb.replacing import Damage, what_replace_would_do
    from syncnb.resolving import NULL, insert_only, newest, take_local, take_remote
    from syncnb.schema import Schema, Table
    from syncnb.steps import (
        Block,
        Change,
        Grant,
        Grants,
        Hazard,
        Outcome,
        Proof,
        Refusal,
        Remedy,
        Report,
        complete,
        conflict_target,
        count,
        remedy,
        unique,
    )
    from syncnb.stores.port import Store
    from syncnb.syncing import Synced, agree, sync
    from syncnb.tracking import Pending, Tracking, acknowledge, pending, track, untrack
    from syncnb.verifying import roll_call, verify

__all__ = [
    "NULL",
    "Acceptance",
    "Block",
    "Change",
    "ChangeMap",
    "ClockPicture",
    "Condition",
    "ConnectError",
    "Damage",
    "Desk",
    "Diff",
    "Explanation",
    "Finding",
    "Findings",
    "Grant",
    "Grants",
    "Grid",
    "Hazard",
    "KeySuggestions",
    "Mismatch",
    "Outcome",
    "Pending",
    "Plan",
    "PlanError",
    "Proof",
    "ReadError",
    "Refusal",
    "Remedy",
    "Report",
    "RollCall",
    "Runs",
    "Schema",
    "SchemaError",
    "Stopped",
    "Store",
    "Synced",
    "SyncnbError",
    "Table",
    "TableDiff",
    "Tracking",
    "UnknownOutcome",
    "WriteError",
    "accept",
    "acknowledge",
    "agree",
    "apply",
    "change_map",
    "clock_picture",
    "col",
    "complete",
    "conflict_target",
    "connect",
    "count",
    "demo",
    "diagnose",
    "diff",
    "explain_conflict",
    "grid",
    "history",
    "insert_only",
    "load_plan",
    "migrate",
    "newest",
    "none_lost",
    "panel",
    "pending",
    "plan",
    "purge",
    "remedy",
    "required_grants",
    "roll_call",
    "row",
    "save_csv",
    "suggest_keys",
    "sync",
    "take_local",
    "take_remote",
    "track",
    "undo",
    "unique",
    "untrack",
    "verify",
    "what_replace_would_do",
]

_HOMES = {
    "agree": "syncnb.syncing",
    "sync": "syncnb.syncing",
    "Synced": "syncnb.syncing",
    "apply": "syncnb.applying",
    "Runs": "syncnb.journal.history",
    "history": "syncnb.journal.history",
    "purge": "syncnb.journal.purging",
    "Desk": "syncnb.panels.desk",
    "panel": "syncnb.panels.desk",
    "Grid": "syncnb.panels.grid",
    "grid": "syncnb.panels.grid",
    "ChangeMap": "syncnb.panels.pictures",
    "ClockPicture": "syncnb.panels.pictures",
    "change_map": "syncnb.panels.pictures",
    "clock_picture": "syncnb.panels.pictures",
    "migrate": "syncnb.migrating",
    "Plan": "syncnb.planning",
    "load_plan": "syncnb.planning",
    "plan": "syncnb.planning",
    "required_grants": "syncnb.planning",
    "undo": "syncnb.planning",
    "save_csv": "syncnb.rendering.exporting",
    "NULL": "syncnb.resolving",
    "insert_only": "syncnb.resolving",
    "newest": "syncnb.resolving",
    "take_local": "syncnb.resolving",
    "take_remote": "syncnb.resolving",
    "Block": "syncnb.steps",
    "Change": "syncnb.steps",
    "Grant": "syncnb.steps",
    "Grants": "syncnb.steps",
    "Hazard": "syncnb.steps",
    "Outcome": "syncnb.steps",
    "Refusal": "syncnb.steps",
    "Proof": "syncnb.steps",
    "Remedy": "syncnb.steps",
    "Report": "syncnb.steps",
    "RollCall": "syncnb.steps",
    "none_lost": "syncnb.steps",
    "row": "syncnb.steps",
    "remedy": "syncnb.steps",
    "complete": "syncnb.steps",
    "conflict_target": "syncnb.steps",
    "count": "syncnb.steps",
    "unique": "syncnb.steps",
    "roll_call": "syncnb.verifying",
    "verify": "syncnb.verifying",
    "Diff": "syncnb.changes",
    "Mismatch": "syncnb.changes",
    "TableDiff": "syncnb.changes",
    "Acceptance": "syncnb.comparing.accepting",
    "accept": "syncnb.comparing.accepting",
    "diff": "syncnb.comparing.diffing",
    "KeySuggestions": "syncnb.comparing.suggesting",
    "suggest_keys": "syncnb.comparing.suggesting",
    "Explanation": "syncnb.diagnosing",
    "Finding": "syncnb.diagnosing",
    "Findings": "syncnb.diagnosing",
    "diagnose": "syncnb.diagnosing",
    "explain_conflict": "syncnb.diagnosing",
    "Condition": "syncnb.filters",
    "col": "syncnb.filters",
    "connect": "syncnb.connecting",
    "demo": "syncnb.examples",
    "Schema": "syncnb.schema",
    "Table": "syncnb.schema",
    "Store": "syncnb.stores.port",
    "Damage": "syncnb.replacing",
    "what_replace_would_do": "syncnb.replacing",
    "Pending": "syncnb.tracking",
    "Tracking": "syncnb.tracking",
    "acknowledge": "syncnb.tracking",
    "pending": "syncnb.tracking",
    "track": "syncnb.tracking",
    "untrack": "syncnb.tracking",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: `syncnb --help` must not wait for pandas, nor a server for widgets.
    if name not in _HOMES:
        raise AttributeError(f"module 'syncnb' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext syncnb` in a notebook: gives `%%diagnose` for pasted text."""
    from syncnb.panels.magics import load_ipython_extension as load

    load(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
