"""What commands that show or save a plan share: its text, a safe place for its file, the next command."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from syncnb.cli.arguments import without_secrets
from syncnb.cli.opening import note
from syncnb.cli.words import in_command_words
from syncnb.errors import PlanError, SyncnbError

if TYPE_CHECKING:
    from syncnb.planning import Plan
    from syncnb.rendering import Cell, Sheet

__all__ = ["checked_place", "loaded", "plan_text", "say_next"]

SHOWN = ("step", "table", "verb", "key", "column", "before", "after", "why", "decision", "reason")
VALUES = ("before", "after")
LOOKS = {"step": "number", "key": "key", "before": "local", "after": "remote"}
SAVED = b'"syncnb plan"'


def checked_place(text: str) -> Path:
    """Where a plan may be saved: in a folder that is there, and over nothing but an older plan."""
    path = Path(text)
    if not path.parent.is_dir():
        raise SyncnbError(f"there is no folder for {path.name}", hint="make it first, or name another file")
    if path.is_dir():
        raise SyncnbError(f"{path.name} is a folder", hint="name a file for the plan")
    if path.exists() and path.stat().st_size and not _is_plan(path):
        raise SyncnbError(
            f"{path.name} is there, and is no plan", hint="name another file: it is kept as it is"
        )
    return path


def loaded(text: str) -> "Plan":
    """The plan in this file. Raises PlanError where it is none, or not as it was saved."""
    from syncnb.planning import load_plan

    path = Path(text)
    if path.is_file() and not _is_plan(path):
        raise PlanError(f"{path.name} is no saved plan", hint="`syncnb plan … --out FILE` saves one")
    return load_plan(path)


def _is_plan(path: Path) -> bool:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SyncnbError(
            f"{path.name} cannot be read: {error.strerror}",
            hint="name another file, or ask for the right to read it",
        ) from None
    return data.startswith(b"{") and SAVED in data


def plan_text(plan: "Plan", *, whole: bool = False) -> str:
    """The plan for a terminal: its first lines, or all of them."""
    from syncnb.planning.previewing import plan_sheet

    sheet = plan_sheet(plan)
    notes = [in_command_words(note) for note in sheet.notes]
    if whole:
        notes = [note for note in notes if not re.match("… .* more: ", note)]
        sheet = replace(sheet, rows=_all_rows(plan), headers=SHOWN if sheet.headers else ())
    if not plan.whole:
        sheet = _without(sheet, VALUES)
        notes.append("saved without its values: it can be read, not applied")
    return replace(sheet, notes=notes).text()


def _all_rows(plan: "Plan") -> "list[list[Cell]]":
    frame = plan.preview()
    columns = [frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in SHOWN]
    return [
        [_cell(name, value) for name, value in zip(SHOWN, line, strict=True)]
        for line in zip(*columns, strict=True)
    ]


def _cell(name: str, value: object) -> "Cell":
    from syncnb.rendering import Cell

    if value is None or (value == "" and name not in VALUES):
        return Cell("∅", "null") if name in VALUES else Cell("", "absent")
    return Cell(str(value), LOOKS.get(name, ""))


def _without(sheet: "Sheet", names: tuple[str, ...]) -> "Sheet":
    """The sheet without these columns."""
    kept = [at for at, name in enumerate(sheet.headers) if name not in names]
    return replace(
        sheet,
        headers=[sheet.headers[at] for at in kept],
        rows=[[row[at] for at in kept] for row in sheet.rows],
    )


def say_next(plan: "Plan", file: str, store: str) -> None:
    """The command that applies a saved plan, beside the result."""
    hazards = dict.fromkeys(hazard.name for hazard in plan.hazards)
    allowed = ["--allow", *hazards] if hazards else []
    words = ["syncnb", "apply", file, without_secrets(store, [store]), *allowed]
    note(f"nothing is written yet; next: {shlex.join(words)}")
