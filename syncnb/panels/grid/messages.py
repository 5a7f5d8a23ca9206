"""What the browser asks, and what it is told: plain JSON both ways, checked here, tested without a browser."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError, SyncnbError
from syncnb.panels.grid import changing
from syncnb.panels.grid.previews import AFTER, DECISION, REASON, Preview
from syncnb.rendering.tables import visible

if TYPE_CHECKING:
    from syncnb.panels.grid.showing import Grid

__all__ = ["answer", "frame_of", "page_of"]

Said = dict[str, Any]


def frame_of(grid: "Grid") -> Said:
    """What does not change while the grid is shown."""
    return {
        "title": visible(grid.source.title[:200]),
        "headings": [heading.wire for heading in grid.source.headings],
        "choices": list(grid.source.choices),
        "word": "decision" if isinstance(grid.source, Preview) else "state",
        "size": grid.view.size,
        "decides": isinstance(grid.source, Preview),
    }


def page_of(grid: "Grid") -> Said:
    """The page in sight."""
    view, wish = grid.view, grid.view.wish
    return {
        "page": view.page + 1,
        "pages": view.pages,
        "matching": len(view),
        "total": len(grid.source),
        "start": view.page * view.size,
        "sort": None if wish.sort is None else list(wish.sort),
        "text": wish.text,
        "columns": list(wish.columns),
        "choice": wish.choice,
        "lines": [line.wire for line in view.lines()],
        "edited": len(grid.source.edits) if isinstance(grid.source, Preview) else 0,
    }


def answer(grid: "Grid", message: Mapping[str, Any]) -> Said:
    """Do what was asked, and the reply to it: `refused` with the reason, or whatever it gives.

    A message of any form gets a reply, whatever goes wrong: an exception would be lost in the kernel's log.
    """
    number = message.get("id") if isinstance(message, Mapping) else None
    try:
        return {"id": number, **_VERBS[str(message["do"])](grid, message)}
    except SyncnbError as error:
        return {"id": number, "refused": _line(error.message), "hint": _line(error.hint)}
    except Exception as error:
        return {
            "id": number,
            "refused": _line(f"not understood: {type(error).__name__}: {error}"),
            "hint": "run the cell again",
        }


def _line(text: str) -> str:
    return visible(text[:1000])


def _sort(grid: "Grid", message: Mapping[str, Any]) -> Said:
    at = message["at"]
    grid.view.sort(None if at is None else _column(grid, at), descending=bool(message.get("descending")))
    return _shown(grid)


def _filter(grid: "Grid", message: Mapping[str, Any]) -> Said:
    grid.view.filter(
        str(message.get("text", "")),
        columns=[_column(grid, at) for at in message.get("columns", ())],
        choice=str(message.get("choice", "")),
    )
    return _shown(grid)


def _turn(grid: "Grid", message: Mapping[str, Any]) -> Said:
    grid.view.turn(int(message["page"]) - 1)
    return _shown(grid)


def _about(grid: "Grid", message: Mapping[str, Any]) -> Said:
    line, at = _row(grid, message), _column(grid, message["at"])
    return {"about": [[label, text] for label, text in grid.source.about(line, at)]}


def _begin(grid: "Grid", message: Mapping[str, Any]) -> Said:
    """The text with which an edit begins."""
    line, at = _row(grid, message), _column(grid, message["at"])
    if at == REASON and isinstance(grid.source, Preview):
        return {"text": grid.source.reason(line)}
    if at != AFTER:
        grid.preview  # noqa: B018 - raises for differences, with the way to go
        raise PlanError("this cell cannot be edited", hint="edit after or reason; the space bar decides")
    return {"text": changing.text_of(grid.preview, line)}


def _set(grid: "Grid", message: Mapping[str, Any]) -> Said:
    line, at, text = _row(grid, message), _column(grid, message["at"]), message["text"]
    if text is not None and not isinstance(text, str):
        raise TypeError("text")
    if at == REASON:
        changing.give_reason(grid.preview, line, text or "")
    elif at == AFTER:
        changing.edit(grid.preview, line, text)
    else:
        raise PlanError("this cell cannot be edited", hint="edit after or reason")
    grid._changed()
    return {}


def _decide(grid: "Grid", message: Mapping[str, Any]) -> Said:
    line = _row(grid, message)
    changing.decide(grid.preview, line, changing.next_word(grid.preview, line))
    grid._changed()
    return {"at": DECISION}


def _shown(grid: "Grid") -> Said:
    grid._shown_again()
    return {}


def _row(grid: "Grid", message: Mapping[str, Any]) -> int:
    line = int(message["line"])
    if not 0 <= line < len(grid.source):
        raise IndexError(f"line {line}")
    return line


def _column(grid: "Grid", at: Any) -> int:
    if not isinstance(at, int) or not 0 <= at < len(grid.source.headings):
        raise IndexError(f"column {at}")
    return at


_VERBS: dict[str, Callable[["Grid", Mapping[str, Any]], Said]] = {
    "sort": _sort,
    "filter": _filter,
    "turn": _turn,
    "about": _about,
    "begin": _begin,
    "set": _set,
    "decide": _decide,
}
