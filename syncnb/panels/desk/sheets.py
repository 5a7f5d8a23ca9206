"""The desk where no widgets come up: a table of its steps, and what the step in sight has in hand."""

import html as escaping
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from syncnb.panels.desk import actions
from syncnb.rendering import Cell, Sheet
from syncnb.rendering.tables import visible

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["html", "outcome", "results", "text", "titles"]

WITHOUT = (
    "run this cell in JupyterLab or Notebook 7 for the panel to click in "
    '(pip install "syncnb[lab]"); desk.press("…") does the same'
)
titles = {
    "connect": "Connect",
    "inspect": "Inspect",
    "diagnose": "Diagnose",
    "diff": "Compare",
    "conflicts": "Conflicts",
    "plan": "Plan and apply",
    "migrate": "Migrate",
    "sync": "Sync",
    "history": "History",
}
"""What the steps are called."""


def results(desk: "Desk", step: str) -> list[Any]:
    """What a step has in hand, to be shown: values that know how to show themselves."""
    hand = desk.hand
    plan = None if desk.decisions is None else desk.decisions.likely
    found: dict[str, list[Any]] = {
        "inspect": [hand.get("schema_local"), hand.get("schema_remote")],
        "diagnose": [hand.get("found")],
        "diff": [hand.get("d")],
        "conflicts": [desk.conflicts] if desk.decisions is not None else [],
        "plan": [plan, hand.get("r"), hand.get("proof")],
        "migrate": [plan if plan is not None and plan.stages else None],
        "sync": [effects(desk), hand.get("done"), hand.get("runs") if "done" in hand else None],
        "history": [hand.get("runs"), plan if plan is not None and plan.undo_of else None],
    }
    return [each for each in found.get(step, []) if each is not None]


class Effects:
    """What a sync would do, table by table."""

    def __init__(self, sheet: Sheet) -> None:
        self._made = sheet

    def _sheet(self) -> Sheet:
        return self._made


def effects(desk: "Desk") -> Effects | None:
    """Inserts, updates, deletes, unchanged and rejected rows of the plan in hand; None where there is none."""
    plan, d = None if desk.decisions is None else desk.decisions.likely, desk.diff
    if plan is None or d is None or plan.stages or plan.undo_of is not None:
        return None
    names = ("inserts", "updates", "deletes", "unchanged", "rejected")
    counts: dict[str, dict[str, int]] = {table.name: {"unchanged": table.counts.same} for table in d.tables}
    for block in (block for block in plan.blocks if not block.role and not block.only_touches):
        there = counts.setdefault(block.table, {})
        there[f"{block.verb}s"] = there.get(f"{block.verb}s", 0) + len(block)
    left = [(block.table, len(block)) for block in plan.undecided] + [(row.table, 1) for row in plan.open]
    for table, number in left:
        there = counts.setdefault(table, {})
        there["rejected"] = there.get("rejected", 0) + number
    rows = [
        [Cell(table), *(Cell(f"{there.get(name, 0):,}", "number") for name in names)]
        for table, there in counts.items()
    ]
    notes = ["rejected rows are open: nobody decided them, or they cannot be written; they come again"]
    return Effects(Sheet(f"a sync into {plan.target.name} would do", ("table", *names), rows, notes))


def outcome(desk: "Desk") -> tuple[str, bool]:
    """What is said last in one line, and whether it is bad news."""
    if desk.busy:
        at = desk.progress
        rows = f" {at.done:,} of {at.total:,} rows" if at.total else f" {at.done:,} rows" if at.done else ""
        return f"{desk.busy} is going on: {at.what}{rows}".rstrip(": "), False
    if desk.error is not None:
        return f"{visible(desk.error.message)} ({visible(desk.error.hint)})", True
    if desk.last in ("apply", "undo", "sync") and (bad := _badly_ended(desk)):
        return bad, True
    return (f"done: {visible(desk.calls[-1].line[:200])}" if desk.calls else "nothing was pressed yet"), False


def _badly_ended(desk: "Desk") -> str:
    """What is not as it was meant after a run that raised nothing: rows that were refused, a proof that fails."""
    if desk.last == "sync":
        done = desk.hand["done"]
        return visible(done.line) if not done else ""
    report, proof = desk.report, desk.proof
    if report is not None and report.status in ("refused", "unknown"):
        why = "; ".join(f"{each.table} {each.key}: {each.sentence}" for each in report.results[:3])
        told = "nothing was written" if report.status == "refused" else "nobody knows whether it was written"
        return visible(f"run {report.run}: {report.status}, {told} ({why or 'compare again'})")
    return repr(proof).partition("\n")[0] if proof is not None and not proof else ""


def _buttons(desk: "Desk", step: str) -> list[tuple[str, str, str]]:
    """Each button of a step: what stands on it, why it cannot be pressed, and the Python that it runs."""
    found = []
    for action in (each for each in actions.ACTIONS.values() if each.step == step and each.button):
        why = desk.why_not(action.name)
        found.append((action.label, why, "" if why else desk.python(action.name).replace("\n", "; ")))
    return found


def _one_step(desk: "Desk", step: str) -> Sheet:
    rows = [
        [
            Cell(label, "key"),
            Cell(*(("not yet", "partial") if why else ("may be pressed", "good"))),
            Cell(why or python),
        ]
        for label, why, python in _buttons(desk, step)
    ]
    return Sheet(
        f"{_title(desk)}: {titles[step]}", ("button", "state", "python, or why not"), rows, _notes(desk)
    )


def _all_steps(desk: "Desk") -> Sheet:
    # Where both are connected that step is done, and the others say more.
    done = "connect" if {"local", "remote"} <= set(desk.hand) else ""
    rows = []
    for step in (each for each in desk.steps if each != done):
        buttons = _buttons(desk, step)
        now = [label for label, why, _ in buttons if not why]
        later = [f"{label}: {why.partition(' (')[0]}" for label, why, _ in buttons if why]
        rows.append([Cell(titles[step], "key"), _list(now, "good"), _list(later[:1], "partial")])
    return Sheet(_title(desk), ("step", "may be pressed", "not yet"), rows, _notes(desk))


def _list(texts: list[str], look: str) -> Cell:
    return Cell(", ".join(texts), look) if texts else Cell("", "absent")


def _title(desk: "Desk") -> str:
    names = [desk.hand[name].name for name in ("local", "remote") if name in desk.hand]
    return f"desk: {' and '.join(names) or 'nothing connected'}"


def _notes(desk: "Desk") -> list[str]:
    said, bad = outcome(desk)
    return [*([said] if bad else []), WITHOUT]


def _sheets(desk: "Desk") -> Iterator[Sheet]:
    if len(desk.steps) > 1:
        yield _all_steps(desk)
        return
    for each in results(desk, desk.steps[0]):
        yield each._sheet()
    yield _one_step(desk, desk.steps[0])


def text(desk: "Desk") -> str:
    """For a terminal, and for who compares notebooks: the same at every run."""
    return "\n\n".join(sheet.text() for sheet in _sheets(desk))


def html(desk: "Desk") -> str:
    """For a page that shows no widgets."""
    code = desk.code
    lines = f"<pre class='code'>{escaping.escape(code)}</pre>" if code else ""
    return "".join(sheet.html() for sheet in _sheets(desk)) + lines
