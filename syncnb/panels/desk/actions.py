"""What can be pressed: which lines of Python each press runs, and what stands against it. Nothing here does I/O."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncnb.connecting.urls import looks_like_conninfo
from syncnb.errors import PlanError, SchemaError, SyncnbError
from syncnb.panels.desk.calls import Call, Name, Pasted
from syncnb.panels.desk.passing import PAYLOAD, look, sync
from syncnb.panels.desk.told import CALLER, Words, both, policy, store_of
from syncnb.planning import Plan
from syncnb.steps.hazards import HAZARDS

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = [
    "ACTIONS",
    "FOLLOWS",
    "STEPS",
    "Action",
    "calls",
    "confirmed",
    "find",
    "phrase",
    "policy",
    "step_of",
]

STEPS = ("connect", "inspect", "diagnose", "diff", "conflicts", "plan", "migrate", "sync", "history")
LATER = ("schema_local", "schema_remote", "found", "d", "p", "r", "proof", "runs", "done")
FOLLOWS: Mapping[str, tuple[str, ...]] = {"local": LATER, "remote": LATER, "d": ("p",)}
"""What is put away when something is in hand anew: it was about the old one."""
WEIGHTY = ("deletes", "cascades", "many_changes")
"""Hazards for which a name has to be typed."""

Asks = Callable[["Desk", Words], list[Call]]


@dataclass(frozen=True, slots=True)
class Action:
    """One button."""

    name: str
    step: str
    label: str
    """What stands on it."""
    asks: Asks
    """The lines that it runs; raises what stands against it."""
    words: tuple[str, ...] = ()
    """What it may be told."""
    heavy: bool = False
    """Whether it writes."""
    button: bool = True
    """False for what is done elsewhere: in the grid, or by the button of another action."""


def find(name: str) -> Action:
    """The action of that name. Raises SchemaError with the names there are."""
    if name not in ACTIONS:
        raise SchemaError(
            f"there is nothing to press called {name!r}", hint=f"there are {', '.join(ACTIONS)}"
        )
    return ACTIONS[name]


def step_of(name: str) -> str:
    """That step. Raises SchemaError with the names there are."""
    if name not in STEPS:
        raise SchemaError(f"there is no step {name!r}", hint=f"steps are {', '.join(STEPS)}")
    return name


def calls(desk: "Desk", name: str, words: Words) -> list[Call]:
    """The lines that a press would run. Raises SyncnbError where it may not be pressed, or does not know a word."""
    action = find(name)
    unknown = [word for word in words if word not in action.words]
    if unknown:
        near = difflib.get_close_matches(unknown[0], action.words, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is told {', '.join(action.words) or 'nothing'}"
        raise SchemaError(f"{name} is not told {unknown[0]!r}", hint=hint)
    return action.asks(desk, words)


def phrase(desk: "Desk", name: str, words: Words, *, sure: bool = True) -> str:
    """What has to be typed before this is done: the name of what is written; empty where nothing has to be.

    sure: by the plan with all that was decided, however long it takes to make; else by what is known at once.
    """
    if name == "sync":
        wanted = set(words.get("allow") or ()) & set(WEIGHTY)
        return desk.remote.name if wanted and desk.remote is not None else ""
    plan = None
    if name in ("apply", "undo") and desk.decisions is not None:
        plan = desk.decisions.plan if sure else desk.decisions.likely
    return plan.target.name if plan is not None and any(h.name in WEIGHTY for h in plan.hazards) else ""


def confirmed(desk: "Desk", name: str, words: Words, *, sure: bool = True) -> None:
    """Raise PlanError where something has to be typed, and was not."""
    wanted = phrase(desk, name, words, sure=sure)
    if wanted and words.get("confirm") != wanted:
        raise PlanError(
            "rows will be deleted, or many will change, and that was not confirmed",
            hint=f"type the name of the database that is written: {wanted}",
        )


def _connect(desk: "Desk", words: Words) -> list[Call]:
    side = words.get("side") or ("remote" if "local" in desk.hand and "remote" not in desk.hand else "local")
    if side not in ("local", "remote"):
        raise SyncnbError(f"there is no side {side!r}", hint="connect local or remote")
    told = {name: words.get(name) or None for name in ("profile", "env", "path")}
    given = {name: value for name, value in told.items() if value}
    if len(given) != 1:
        raise SyncnbError(
            "nothing to connect to was chosen, or several", hint="choose a profile, a variable or a file"
        )
    path = given.pop("path", None)
    if path and ("://" in str(path) or looks_like_conninfo(str(path))):
        raise SyncnbError(
            "an address may hold a password, and would stay in the notebook",
            hint="put it into an environment variable or a profile, and choose its name",
        )
    options = {**given, "writable": words.get("writable") or None, "timezone": words.get("timezone")}
    return [Call(side, "sn.connect", () if path is None else (str(path),), options)]


def _inspect(desk: "Desk", words: Words) -> list[Call]:
    there = [name for name in ("local", "remote") if name in desk.hand]
    if not there:
        store_of(desk, "local")
    return [Call(f"schema_{name}", f"{name}.inspect") for name in there]


DIFF = ("key", "columns", "ignore", "tolerance", "limit", "ids", "base", "schemas")
"""What a comparison is told as `sn.diff` takes it."""


def _diff(desk: "Desk", words: Words) -> list[Call]:
    tables = words.get("tables") or None
    return [Call("d", "sn.diff", both(desk), {"tables": tables, **{name: words.get(name) for name in DIFF}})]


def _last(desk: "Desk", target: str, verb: str) -> Words:
    """The options with which something was made that is in hand."""
    found = next((call for call in reversed(desk.calls) if (call.target, call.verb) == (target, verb)), None)
    return {} if found is None else found.words


def _choose(desk: "Desk", words: Words) -> list[Call]:
    row, side = words.get("row"), words.get("side")
    if not row:
        raise PlanError("no row was chosen", hint="choose one of those that wait")
    if desk.decisions is None:
        raise PlanError("there is no plan to decide on", hint="draw one first")
    if side in IDENTITIES:
        return _identify(desk, {"row": row, "said": side})
    if side not in ("local", "remote", "open"):
        raise PlanError("no side was chosen", hint="local, remote or open; or which thing an id is")
    cells = dict.fromkeys(words.get("columns") or (), str(side))
    if cells and side == "open":
        raise PlanError("a single cell cannot be left open", hint="decide the whole row")
    trial = desk.decisions.copy()
    trial.choose(row, cells or str(side), str(words.get("reason") or ""))
    return trial.calls


def _ask(desk: "Desk", words: Words) -> list[Call]:
    table, key = words["row"]
    drawn = dict(_last(desk, "p", "sn.plan"))
    if desk.decisions is None or not drawn:
        raise PlanError("there is no plan to decide on", hint="draw one first")
    asked = {name: list(keys) for name, keys in {**(drawn.get("ask") or {}), **desk.asked}.items()}
    plain: Any = int(key) if key.isdigit() and str(int(key)) == key else key
    asked[table] = [*(each for each in asked.get(table, ()) if each != plain), plain]
    return [Call("p", "sn.plan", (Name("d"),), {**drawn, "ask": asked})]


def _edit(desk: "Desk", words: Words) -> list[Call]:
    if desk.decisions is None:
        raise PlanError("there is no plan to edit", hint="draw one first")
    trial = desk.decisions.copy()
    trial.edit(words["row"], words["column"], words.get("value"))
    return trial.calls


IDENTITIES = ("same", "different", "both")


def _plan(desk: "Desk", words: Words) -> list[Call]:
    if desk.diff is None:
        raise PlanError("nothing was compared yet", hint="compare first")
    only_local = desk.local is not None and desk.local.writable and not (desk.remote and desk.remote.writable)
    into = words.get("into") or ("local" if only_local else "remote")
    target = store_of(desk, into)
    if target.dialect == "frame":
        raise PlanError(f"{target.name} is a frame, and is not written", hint="plan into the database")
    told = {"resolve": policy(words), **{name: words.get(name) for name in ("deletes", "collisions")}}
    ask = desk.asked if told["resolve"] is not None else {}
    return [Call("p", "sn.plan", (Name("d"),), {"into": Name(into), **told, "ask": ask})]


def _identify(desk: "Desk", words: Words) -> list[Call]:
    (table, key), said = words["row"], words["said"]
    before, drawn = dict(_last(desk, "d", "sn.diff")), dict(_last(desk, "p", "sn.plan"))
    known = before.get("ids")
    ids = dict(known) if isinstance(known, Mapping) else {}
    number: Any = int(key) if key.isdigit() and str(int(key)) == key else key
    ids[table] = {**ids.get(table, {}), number: "same" if said == "same" else "different"}
    if said == "both":
        other = drawn.get("collisions")
        drawn["collisions"] = {**(other if isinstance(other, Mapping) else {}), table: "keep_both"}
    if drawn.get("resolve") is not None:
        drawn["ask"] = desk.asked
    return [
        Call("d", "sn.diff", both(desk), {**before, "ids": ids}),
        Call("p", "sn.plan", (Name("d"),), {"into": Name(desk.target_name), **drawn}),
    ]


def _planned(desk: "Desk") -> Plan:
    if desk.decisions is None:
        raise PlanError("there is no plan", hint="draw one first")
    return desk.decisions.likely  # `apply` looks at the hazards of the whole one itself


def _written(desk: "Desk", words: Words) -> list[Call]:
    """Apply, read again, and say what the history has by now."""
    plan = _planned(desk)
    target = desk.target
    if target is None or not desk.is_target(target, plan):
        raise PlanError(f"the plan writes {plan.target.name}, which is not in hand", hint="connect it")
    if not target.writable:
        raise PlanError(f"{target.name} was opened to be read", hint="connect it with writable=True")
    allow = tuple(words.get("allow") or ())
    if unknown := [name for name in allow if name not in HAZARDS]:
        raise PlanError(f"there is no hazard {unknown[0]!r}", hint=f"hazards are {', '.join(HAZARDS)}")
    missing = [h for h in plan.hazards if h.name not in allow]
    if missing:
        told = "; ".join(f"{h.name} in {h.table}: {h.what}" for h in missing)
        raise PlanError(
            f"the plan has hazards that were not allowed: {told}",
            hint="allow them by name, or decide otherwise",
        )
    into = Name(desk.target_name)
    options = {"allow": allow, "caller": CALLER, "approved_by": desk.by, "rest": words.get("rest") or None}
    chosen = [] if desk.decisions is None else desk.decisions.calls
    return [
        *chosen,
        Call("r", "sn.apply", (Name("p"), into), options),
        Call("proof", "sn.verify", (Name("r"), into)),
        Call("runs", "sn.history", (into,)),
    ]


def _apply(desk: "Desk", words: Words) -> list[Call]:
    plan = _planned(desk)
    if not len(plan) and not plan.maps and not plan.stages:
        waiting = sum(map(len, plan.undecided))
        raise PlanError(
            "there is nothing to write", hint="decide the open rows" if waiting else "both sides agree"
        )
    return _written(desk, words)


def _verify(desk: "Desk", words: Words) -> list[Call]:
    if desk.report is None or desk.report.run is None:
        raise PlanError("nothing was applied yet", hint="apply a plan first")
    return [Call("proof", "sn.verify", (Name("r"), Name(desk.target_name)))]


def _history(desk: "Desk", words: Words) -> list[Call]:
    if desk.target is None:
        store_of(desk, "remote")
    return [Call("runs", "sn.history", (Name(desk.target_name),))]


def _look_back(desk: "Desk", words: Words) -> list[Call]:
    run = words.get("run")
    if run in (None, ""):
        raise PlanError("no run was chosen", hint="choose the run that shall be taken back")
    if desk.runs is not None and int(run) not in desk.runs:
        raise PlanError(f"there is no run {run}", hint="look at the history again")
    return [Call("p", "sn.undo", (int(run), Name(desk.target_name)))]


def _undo(desk: "Desk", words: Words) -> list[Call]:
    plan = None if desk.decisions is None else desk.decisions.drawn
    if plan is None or plan.undo_of is None:
        raise PlanError("nothing was shown yet of what taking a run back writes", hint="look at it first")
    if words.get("run") not in (None, "", plan.undo_of, str(plan.undo_of)):
        raise PlanError(
            f"what was shown takes back run {plan.undo_of}", hint=f"look at run {words['run']} first"
        )
    return _written(desk, words)


def _diagnose(desk: "Desk", words: Words) -> list[Call]:
    stores = [Name(name) for name in ("local", "remote") if name in desk.hand]
    text = str(words.get("text") or "").strip()
    tables = words.get("tables") or None
    if not text:
        return [Call("found", "sn.diagnose", both(desk), {"tables": tables})]
    return [Call("found", "sn.diagnose", (Pasted("message", text), *stores), {"tables": tables})]


def _migrate(desk: "Desk", words: Words) -> list[Call]:
    if desk.findings is None:
        raise PlanError("nothing was diagnosed yet", hint="diagnose first: what is found is what is altered")
    if not desk.findings.remedies:
        raise PlanError(
            "nothing that was found asks for an altered table", hint="there is nothing to migrate"
        )
    told = {name: words.get(name) for name in ("types", "sql_values", "keep")}
    return [Call("p", "sn.migrate", (Name(desk.target_name), Name("found")), told)]


RULED = ("resolve", "rule", "stamp", "collisions")
ALLOWED = ("allow", "confirm", "rest")
ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action(
            "connect",
            "connect",
            "Connect",
            _connect,
            ("side", "profile", "env", "path", "timezone", "writable"),
        ),
        Action("inspect", "inspect", "Inspect", _inspect),
        Action("diagnose", "diagnose", "Diagnose", _diagnose, ("text", "tables")),
        Action("diff", "diff", "Compare", _diff, ("tables", *DIFF)),
        Action("plan", "plan", "Draw the plan", _plan, ("into", *RULED, "deletes")),
        Action("choose", "conflicts", "Decide this row", _choose, ("row", "side", "columns", "reason")),
        Action("identify", "conflicts", "Say which thing it is", _identify, ("row", "said"), button=False),
        Action("ask", "conflicts", "Leave this row to a person", _ask, ("row",), button=False),
        Action("edit", "plan", "Edit a value", _edit, ("row", "column", "value"), button=False),
        Action("apply", "plan", "Apply", _apply, ALLOWED, heavy=True),
        Action("verify", "plan", "Read it again", _verify),
        Action("migrate", "migrate", "Draw the migration", _migrate, ("types", "sql_values", "keep")),
        Action("look", "sync", "Look at what it would do", look, ("tables", "direction", *RULED, *PAYLOAD)),
        Action(
            "sync",
            "sync",
            "Sync now",
            sync,
            ("tables", "direction", *RULED, *PAYLOAD, "allow", "confirm"),
            heavy=True,
        ),
        Action("history", "history", "Show the runs", _history),
        Action("look_back", "history", "Look at what taking it back writes", _look_back, ("run",)),
        Action("undo", "history", "Undo", _undo, ("run", *ALLOWED), heavy=True),
    )
}
"""Every button, in the order of the steps."""
