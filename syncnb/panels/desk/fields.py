"""What is asked beside the buttons of each step, as data: widgets show it, and nobody else needs them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from syncnb.connecting.profiles import from_environment, profiles
from syncnb.errors import SyncnbError
from syncnb.rendering.tables import visible

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["ABOUT", "FIELDS", "Field", "words_of"]

Option = tuple[str, Any]
MOST = 500
"""Options that a list offers; a grid has no such end."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked."""

    name: str
    """The word that the action is told."""
    label: str
    kind: Literal["text", "area", "choice", "many", "check"] = "text"
    options: Callable[["Desk"], Sequence[Option]] = lambda _: ()
    hint: str = ""
    """What stands in an empty field."""
    read: Callable[[Any], Any] = lambda value: value
    """What is written there, as the action takes it. Raises SyncnbError for what it cannot be."""
    actions: tuple[str, ...] = ()
    """Which actions are told; empty: all of the step."""


def words_of(values: dict[str, Any], step: str, action: str) -> dict[str, Any]:
    """What an action is told by what stands in the fields of its step."""
    return {
        field.name: field.read(values[field.name])
        for field in FIELDS[step]
        if field.name in values and (not field.actions or action in field.actions)
    }


def _names(text: str) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] or None


def _mapping(text: str) -> Any:
    """`updated_at`, or `hosts=last_seen, *=updated_at`."""
    if "=" not in text:
        return text.strip() or None
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _key(text: str) -> Any:
    """`name`, `a, b`, or `hosts=name; orders=a, b`."""
    if "=" not in text:
        found = _names(text)
        return found[0] if found and len(found) == 1 else found
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    return {table.strip(): _names(columns) for table, _, columns in pairs}


def _text(text: str) -> str | None:
    return text.strip() or None


def _number(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdigit():
        raise SyncnbError(f"{text!r} is no number of rows", hint="write a whole number, or nothing")
    return int(text)


def _plain(names: Sequence[Any]) -> list[Option]:
    return [(visible(str(name))[:80], name) for name in names[:MOST]]


def _profiles(_: "Desk") -> list[Option]:
    try:
        return [("(none)", ""), *_plain(list(profiles()))]
    except SyncnbError:
        return [("(the file cannot be read)", "")]


def _tables(desk: "Desk") -> list[Option]:
    if desk.diff is not None:
        known = [(table.name, table.counts) for table in desk.diff.tables]
        return [
            (f"{visible(name)[:60]}: {c.changed + c.only_local + c.only_remote:,} differ", name)
            for name, c in known[:MOST]
        ]
    schema = desk.hand.get("schema_local") or ()
    return _plain([table.label for table in schema])


def _rows(desk: "Desk") -> list[Option]:
    found = desk.decisions
    places = [] if found is None else list(islice(found.places(), MOST))
    told: list[Option] = [("(choose a row)", "")]
    for place in places:
        table, key = place.row
        decided = "" if found is None or found.decision(place) == "open" else ", decided"
        told.append((f"{visible(table)[:40]} {visible(key)[:40]}{decided}", place.row))
    return told


def _columns(desk: "Desk") -> list[Option]:
    plan = None if desk.decisions is None else desk.decisions.drawn
    names = [] if plan is None else [name for block in plan.undecided for name in block.columns]
    return _plain(list(dict.fromkeys(names)))


def _hazards(desk: "Desk") -> list[Option]:
    plan = None if desk.decisions is None else desk.decisions.likely
    names = [] if plan is None else list(dict.fromkeys(hazard.name for hazard in plan.hazards))
    return _plain(names)


def _runs(desk: "Desk") -> list[Option]:
    runs = () if desk.runs is None else desk.runs.runs
    told = [(f"run {run.run}: {run.status}, {run.records:,} records", run.run) for run in reversed(runs)]
    return [("(choose a run)", ""), *told[:MOST]]


WAYS: tuple[Option, ...] = (("local to remote", "push"), ("remote to local", "pull"), ("both", "both"))
SIDES: tuple[Option, ...] = (("local", "local"), ("remote", "remote"))
INTO = Field(
    "into", "Write into", "choice", lambda _: (("as they may be written", ""), *SIDES), actions=("plan",)
)
RULE = Field(
    "rule", "Who wins", "choice",
    lambda _: (
        ("nobody, leave it open", "nobody"), ("the newer", "newest"), ("local", "take_local"), ("remote", "take_remote"),
        ("nobody, insert what is missing", "insert_only"),
    ),
    actions=("plan", "look", "sync"),
)  # fmt: skip
STAMP = Field(
    "stamp",
    "Newer by",
    hint="updated_at, or hosts=last_seen, *=updated_at",
    read=_mapping,
    actions=("plan", "look", "sync"),
)
COLLISIONS = Field(
    "collisions", "One id, two things", "many",
    lambda _: (("keep both, one under a fresh id", "keep_both"), ("it was renamed", "rename")),
    read=lambda told: list(told) or None, actions=("plan", "look", "sync"),
)  # fmt: skip
CONFIRM = Field("confirm", "Type to confirm", hint="the name of the database that is written")
TABLES = Field("tables", "Only these tables", "many", _tables, read=lambda told: list(told) or None)

FIELDS: dict[str, tuple[Field, ...]] = {
    "connect": (
        Field("side", "Side", "choice", lambda _: SIDES),
        Field("profile", "Profile", "choice", _profiles),
        Field("env", "Variable", "choice", lambda _: [("(none)", ""), *_plain(from_environment())]),
        Field("path", "File", hint="cache.db, or rows: products.csv"),
        Field("timezone", "Zone of its stamps", hint="UTC", read=_mapping),
        Field("writable", "May be written", "check"),
    ),
    "inspect": (),
    "diagnose": (
        Field("text", "What it said", "area", hint="paste an error or a log; nothing: what would go wrong"),
    ),
    "diff": (
        TABLES,
        Field("key", "Key", hint="hosts=name; orders=a, b", read=_key),
        Field("ignore", "Leave out columns", hint="updated_at, hosts.last_seen", read=_names),
        Field("limit", "Stop after rows", read=_number),
        Field("ids", "Ids mean nothing across the two", "check", read=lambda on: "meaningless" if on else None),
    ),
    "conflicts": (
        Field("row", "Row", "choice", _rows),
        Field(
            "side", "Whose it shall be", "choice",
            lambda _: (*SIDES, ("leave it open", "open"), ("one thing, renamed", "same"), ("two things", "different"),
                       ("two things, keep both", "both")),
        ),
        Field("columns", "Only these cells", "many", _columns),
        Field("reason", "Reason", hint="rescanned today"),
    ),
    "plan": (
        INTO, RULE, STAMP, COLLISIONS,
        Field("deletes", "Delete what only the target has", "check", read=lambda on: on or None, actions=("plan",)),
        Field("allow", "Allow these hazards", "many", _hazards, read=tuple, actions=("apply",)),
        Field("confirm", CONFIRM.label, hint=CONFIRM.hint, actions=("apply",)),
    ),
    "migrate": (Field("keep", "Of duplicates stays the greatest", hint="updated_at", read=_mapping),),
    "sync": (
        Field("direction", "Direction", "choice", lambda _: WAYS),
        RULE, STAMP, COLLISIONS,
        Field("key", "Key", hint="hosts=name; orders=a, b", read=_key),
        Field("touch", "Stamp columns", hint="of rows from outside: last_synced_at", read=_names),
        Field("history_table", "Keep its history in", hint="integration_sync_history", read=_text, actions=("sync",)),
        Field("rest", "Leave out rows that cannot be written", "check", read=lambda on: on or None, actions=("sync",)),
        Field("allow", "Allow", "many", lambda _: _plain(["deletes", "many_changes"]), read=tuple, actions=("sync",)),
        Field("confirm", CONFIRM.label, hint=CONFIRM.hint, actions=("sync",)),
    ),
    "history": (
        Field("run", "Run", "choice", _runs, actions=("look_back", "undo")),
        Field("allow", "Allow these hazards", "many", _hazards, read=tuple, actions=("undo",)),
        Field("confirm", CONFIRM.label, hint=CONFIRM.hint, actions=("undo",)),
    ),
}  # fmt: skip
"""By step, in the order in which they are reached."""

ABOUT = {
    "connect": "Open two databases by a profile, a variable or a file. Passwords stay where they are.",
    "inspect": "Tables, keys and rules of both sides.",
    "diagnose": "Why it failed, or would: paste what was said, or leave it empty to look at both databases.",
    "diff": "Every true difference, read in one snapshot of each side. Nothing is written.",
    "conflicts": "The rows that wait for a person: both sides, what both once agreed on, and who refers to them.",
    "plan": "Every cell that shall be written. The space bar decides a row, F2 edits a value; Apply writes.",
    "migrate": "Alter tables as the diagnosis asks for. It is a plan too: look at it, then apply it.",
    "sync": "Pass on what changed, in one run. Look first; rows that nobody decides stay open.",
    "history": "What was done to the database that is written, and how it is taken back.",
}
"""A sentence a step."""
