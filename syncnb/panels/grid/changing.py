"""What a person does to the lines of a plan: another value, a decision, a reason. Refused ones leave no trace."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.errors import PlanError
from syncnb.panels.grid.edits import Edit
from syncnb.panels.grid.plan_lines import Part
from syncnb.panels.grid.previews import Preview
from syncnb.planning import Plan
from syncnb.planning.parsing import parsed
from syncnb.resolving import NULL
from syncnb.values.raw import MIXED
from syncnb.values.reading import as_text

__all__ = [
    "code",
    "decide",
    "decided",
    "edit",
    "give_reason",
    "line_of",
    "next_word",
    "text_of",
    "text_of_side",
]

WORDS = ("apply", "keep", "open")


def edit(preview: Preview, line: int, typed: str | None) -> None:
    """Another value for a line; None is NULL. The row is applied then.

    Raises PlanError, with the reason, for a value that the column cannot hold and for a cell that has none.
    """
    part, row = _editable(preview, line)
    place = preview.place(line)
    table, key, name = place
    value = parsed(preview.plan, table, name or "", typed)
    as_planned = preview.value(line, after=True)
    if type(value) is type(as_planned) and value == as_planned:
        preview.edits.values.pop(place, None)
    else:
        preview.edits.values[place] = Edit(typed, value)
        if preview.decision(line) != "apply":
            preview.edits.decisions[table, key] = "apply"
            _forget_what_is_drawn(preview, part, row, (table, key))
    preview.edits.touch((table, key), _lines(part, row))


def text_of(preview: Preview, line: int, *, longest: int = 20_000) -> str | None:
    """The text with which editing a line begins; None for NULL. Raises PlanError where it cannot be edited."""
    _editable(preview, line)
    known = preview.edits.values.get(preview.place(line))
    if known is not None:
        return known.typed
    value = preview.value(line, after=True)
    text = None if value is None else as_text(value)
    if text is not None and (len(text) > longest or "\r" in text or "\0" in text):
        why = "longer than a cell" if len(text) > longest else "with line ends that a cell would change"
        raise PlanError(f"this value is {why}", hint="edit it in p.preview(), and pass that to p.decide")
    return text


def text_of_side(preview: Preview, line: int, *, own: bool) -> str | None:
    """The text of a cell as the target has it (`own`), or as the other side does; None for NULL."""
    _editable(preview, line)
    value = preview.value(line, after=not own)
    return None if value is None else as_text(value)


def decide(preview: Preview, line: int, word: str) -> None:
    """`apply`, `keep` or `open` for the row of a line; `local` and `remote` say the same by side.

    Raises PlanError for another word, and where the row cannot be decided so.
    """
    part, row, _ = preview.find(line)
    table, key, _ = preview.place(line)
    word = _as_word(preview.plan, word)
    _check_row(preview, line)
    drawn = _drawn(part, row)
    if part.block is None and word == "apply":
        raise PlanError(
            f"{table} {key} cannot be written: {part.open[row].why}", hint='decide "keep", with a reason'
        )
    if word == "open" and drawn == "apply":
        raise PlanError(f"{table} {key} is decided by the plan", hint='decide "keep" to leave it as it is')
    if word == "open":
        for place in preview.edits.of_row((table, key)):
            del preview.edits.values[place]
    preview.edits.decisions[table, key] = word
    _forget_what_is_drawn(preview, part, row, (table, key))
    preview.edits.touch((table, key), _lines(part, row))


def next_word(preview: Preview, line: int) -> str:
    """What the next press of the bar decides for the row of a line."""
    part, row, _ = preview.find(line)
    table, key, _ = preview.place(line)
    now = preview.decision(line)
    if part.block is None:
        return "open" if now == "keep" else "keep"
    if _drawn(part, row) == "apply" or preview.edits.of_row((table, key)):
        return "keep" if now == "apply" else "apply"
    return {"open": "apply", "apply": "keep", "keep": "open"}[now]


def give_reason(preview: Preview, line: int, reason: str) -> None:
    """Why this row is decided as it is; an empty text takes an earlier one back."""
    part, row, _ = preview.find(line)
    table, key, _ = preview.place(line)
    _check_row(preview, line)
    preview.edits.reasons.pop((table, key), None)
    if reason not in ("", preview.reason_drawn(part, row)):
        preview.edits.reasons[table, key] = reason
    preview.edits.touch((table, key), _lines(part, row))


def decided(preview: Preview, by: str) -> Plan:
    """The plan with all of it."""
    edits = preview.edits
    if not edits:
        return preview.plan
    lines: Any = preview.plan.preview()
    for table, key in edits.rows:
        row = (lines["table"] == table) & (lines["key"] == key)
        if (table, key) in edits.decisions:
            lines.loc[row, "decision"] = edits.decisions[table, key]
        if (table, key) in edits.reasons:
            lines.loc[row, "reason"] = edits.reasons[table, key]
        for place in edits.of_row((table, key)):
            typed = edits.values[place].typed
            lines.loc[row & (lines["column"] == place[2]), "after"] = NULL if typed is None else typed
    return preview.plan.decide(lines, by=by)


def code(preview: Preview, by: str) -> str:
    """The Python lines that decide the same about `p`; empty where nothing was decided."""
    edits = preview.edits
    if not edits:
        return ""
    said = ["lines = p.preview()"]
    for table, key in edits.rows:
        said.append(f'row = (lines["table"] == {table!r}) & (lines["key"] == {key!r})')
        for column, words in (("decision", edits.decisions), ("reason", edits.reasons)):
            if (table, key) in words:
                said.append(f'lines.loc[row, "{column}"] = {words[table, key]!r}')
        for place in edits.of_row((table, key)):
            typed = edits.values[place].typed
            value = "sn.NULL" if typed is None else repr(typed)
            said.append(f'lines.loc[row & (lines["column"] == {place[2]!r}), "after"] = {value}')
    said.append(f"p = p.decide(lines, by={by!r})" if by else "p = p.decide(lines)")
    return "\n".join(said)


def line_of(preview: Preview, table: str, key: str, column: str | None = None) -> int:
    """The number of a line, or of the first one of a row. Raises PlanError where there is none."""
    for part in preview.parts:
        if part.fixed or (part.block is not None and part.table != table):
            continue
        row = pc.index(part.key_texts, key).as_py()
        while row >= 0 and part.block is None and part.open[row].table != table:
            row = pc.index(part.key_texts, key, start=row + 1).as_py()
        for line in part.of_row(row) if row >= 0 else ():
            if column in (None, preview.place(part.start + line)[2]):
                return part.start + line
    where = " ".join(filter(None, [table, key, column]))
    raise PlanError(f"{where} is not in this plan", hint="take table, key and column from p.preview()")


def _editable(preview: Preview, line: int) -> tuple[Part, int]:
    part, row, _ = preview.find(line)
    table, key, name = preview.place(line)
    if not preview.plan.whole:
        raise PlanError("this plan was saved without its values", hint="decide on the plan itself")
    if part.block is None:
        raise PlanError(f"{table} {key} cannot be written: {part.open[row].why}", hint="decide on the row")
    if not part.block.after:
        raise PlanError(f"{table} {key} is deleted: it has no value", hint="decide keep to leave the row")
    _check_row(preview, line)
    if name in part.block.key:
        raise PlanError(f"{table}.{name} identifies the row", hint="edit another column")
    return part, row


def _check_row(preview: Preview, line: int) -> None:
    """A decision names its row by table and key; raises PlanError where that names two, or an id."""
    table, key, _ = preview.place(line)
    if preview.find(line)[0].fixed:
        raise PlanError(f"{table} {key} tells which id means the same", hint="decide on the row itself")
    parts = [part for part in preview.parts if part.block and part.table == table and not part.fixed]
    types = {part.block.keys[0].type for part in parts if part.block}
    single = all(part.block is not None and len(part.block.keys) == 1 for part in parts)
    if single and len(types) == 1 and types <= {pa.int64(), pa.string(), pa.binary(), pa.bool_()} - {MIXED}:
        return
    if table not in preview.alike:
        keys = Counter(text for part in parts for text in part.key_texts.to_pylist())
        preview.alike[table] = {text: count for text, count in keys.items() if count > 1}
    if key in preview.alike[table]:
        raise PlanError(
            f"{preview.alike[table][key]} rows of {table} read {key}",
            hint="their keys look alike: plan them apart",
        )


def _as_word(plan: Plan, word: str) -> str:
    if word in ("local", "remote"):
        return "keep" if word == plan.into else "apply"
    if word not in WORDS:
        raise PlanError(f"{word!r} is no decision", hint=f"one of {', '.join((*WORDS, 'local', 'remote'))}")
    return word


def _drawn(part: Part, row: int) -> str:
    return part.open[row].decision if part.block is None else part.decision


def _forget_what_is_drawn(preview: Preview, part: Part, row: int, place: tuple[str, str]) -> None:
    if preview.edits.decisions.get(place) == _drawn(part, row):
        del preview.edits.decisions[place]


def _lines(part: Part, row: int) -> range:
    lines = part.of_row(row)
    return range(part.start + lines.start, part.start + lines.stop)
