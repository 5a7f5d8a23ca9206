"""What was clicked, as a notebook of the seven headings that runs on its own and writes nothing until it is told."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syncnb.errors import PlanError
from syncnb.panels.desk.calls import Call, Name, literal
from syncnb.rendering import Cell, Sheet
from syncnb.rendering.notebooks import notebook, write_new
from syncnb.stores.port import Store
from syncnb.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from syncnb.panels.desk.desk import Desk

__all__ = ["Runbook", "write"]

CellOf = tuple[str, str, str]
"""Heading, kind (markdown, code, or parameters), source."""


@dataclass(frozen=True, repr=False)
class Runbook:
    """A notebook that was written: its name and its cells."""

    name: str
    cells: tuple[CellOf, ...]

    def _sheet(self) -> Sheet:
        rows = [
            [Cell(str(at), "number"), Cell(heading), Cell(kind), Cell(source.strip().split("\n")[0])]
            for at, (heading, kind, source) in enumerate(self.cells, 1)
            if kind != "markdown"
        ]
        note = "WRITE is False in it: it looks and plans, and writes when you say so"
        return Sheet(
            f"{self.name}: {len(self.cells)} cells", ("cell", "heading", "kind", "first line"), rows, [note]
        )

    def __repr__(self) -> str:
        return self._sheet().text()

    def _repr_html_(self) -> str:
        return self._sheet().html()


def write(desk: "Desk", path: Path) -> Runbook:
    """Write it. Raises PlanError where there is nothing to write, or a file in the way."""
    story = _Story.of(desk)
    if path.exists():
        raise PlanError(
            f"{path.name} is there already", hint="name another file: a runbook is never overwritten"
        )
    if not path.parent.is_dir():
        raise PlanError(f"there is no folder for {path.name}", hint="make it first")
    cells = tuple(_cells(desk, story, path.parent.resolve()))
    write_new(path, notebook((kind, source) for _, kind, source in cells))
    return Runbook(path.name, cells)


@dataclass(frozen=True)
class _Story:
    """The lines that a runbook repeats: the last repair of a session, from looking to writing."""

    target: str
    found: Call | None
    diff: Call | None
    plan: Call | None
    choices: tuple[Call, ...]
    done: Call | None
    """The call that wrote: `sn.apply` or `sn.sync`; None where nothing was written."""
    runs: tuple[int, ...]
    """The runs of the session, whose journal is the record."""

    @staticmethod
    def of(desk: "Desk") -> "_Story":
        told = desk.calls
        at = max(
            (n for n, call in enumerate(told) if call.verb in ("sn.plan", "sn.migrate", "sn.sync")),
            default=-1,
        )
        looked = max(
            (n for n, call in enumerate(told) if call.verb in ("sn.diff", "sn.diagnose")), default=-1
        )
        if max(at, looked) < 0:
            raise PlanError("nothing was compared yet", hint='compare first: desk.press("diff")')
        last = told[at] if at >= 0 else None
        round_ = _until_next_plan(told[at + 1 :]) if last is not None else []
        choices = [call for call in round_ if call.verb == "p.choose"]
        if not choices and desk.decisions is not None and desk.decisions.drawn.undo_of is None:
            choices = desk.decisions.calls
        before = told[: at + 1] if last is not None else told
        writer = (
            last
            if last is not None and last.verb == "sn.sync"
            else next((c for c in round_ if c.writes), None)
        )
        runs = desk.runs.runs if desk.runs is not None else ()
        return _Story(
            target=_into(last, desk),
            found=_last(before, "sn.diagnose"),
            diff=_last(before, "sn.diff"),
            plan=None if last is None or last.verb == "sn.sync" else last,
            choices=tuple(choices),
            done=writer,
            runs=tuple(run.run for run in runs),
        )


def _until_next_plan(calls: Sequence[Call]) -> list[Call]:
    ends = [n for n, call in enumerate(calls) if call.target == "p" and call.verb != "p.choose"]
    return list(calls[: ends[0]] if ends else calls)


def _last(calls: Sequence[Call], verb: str) -> Call | None:
    return next((call for call in reversed(calls) if call.verb == verb), None)


def _into(call: Call | None, desk: "Desk") -> str:
    if call is None:
        return desk.target_name
    if call.verb == "sn.sync":
        return "local" if call.words.get("direction") == "pull" else "remote"
    return call.into or desk.target_name


def _cells(desk: "Desk", story: _Story, folder: Path) -> Iterator[CellOf]:
    stores: dict[str, Store] = {name: desk.hand[name] for name in ("local", "remote") if name in desk.hand}
    target = desk.hand[story.target]
    source = next((store.name for name, store in stores.items() if name != story.target), "pasted errors")
    yield (
        "Title",
        "markdown",
        TITLE.format(target=_plain(target.name), source=_plain(source), tables=_tables(story)),
    )
    yield "Settings", "markdown", SETTINGS
    settings, opening = _connect(desk, stores, story, folder)
    yield "Settings", "parameters", "\n".join([*settings, *_settings(desk, story)])
    yield "Connect", "markdown", CONNECT
    yield (
        "Connect",
        "code",
        "\n".join(
            ["import syncnb as sn", *_imports(story), *opening, f'print({", ".join(stores)}, sep="\\n")']
        ),
    )
    yield "Look", "markdown", LOOK
    yield from _look(story)
    yield "Decide", "markdown", DECIDE
    yield from _decide(story)
    yield "Act and confirm", "markdown", ACT
    yield from _act(story)
    yield (
        "Take it back",
        "markdown",
        BACK.format(
            runs=f"The runs of that session: {', '.join(map(str, story.runs))}." if story.runs else ""
        ),
    )
    yield (
        "Take it back",
        "code",
        f"# sn.apply(sn.undo(r, {story.target}), {story.target})\nsn.history({story.target})",
    )


def _plain(name: str) -> str:
    """A name within Markdown: as code, so that nothing in it means anything there."""
    return "`" + "".join(char for char in name if char.isprintable() and char not in "`<>&|")[:80] + "`"


def _tables(story: _Story) -> str:
    tables = story.diff.words.get("tables") if story.diff is not None else None
    if not tables:
        return "the tables that differ"
    names = [tables] if isinstance(tables, str) else list(tables)
    return ", ".join(_plain(str(name)) for name in names)


def _imports(story: _Story) -> list[str]:
    text = " ".join(call.line for call in (story.diff, story.plan, story.done) if call is not None)
    return ["from datetime import timedelta"] if "timedelta(" in text else []


def _settings(desk: "Desk", story: _Story) -> Iterator[str]:
    yield f"AUTHOR = {literal(desk.by)}"
    allow = story.done.words.get("allow") if story.done is not None else ()
    yield f"ALLOW = {literal(tuple(allow or ()))}"
    if story.found is not None and "message" in story.found.uses:
        yield 'MESSAGE = ""'
    yield "WRITE = False"


def _connect(
    desk: "Desk", stores: Mapping[str, Store], story: _Story, folder: Path
) -> tuple[list[str], list[str]]:
    if desk.connected:
        return [], [desk.connected]
    # A sync also writes what both agreed on, into the one that keeps it.
    syncs = story.done is not None and story.done.verb == "sn.sync"
    settings: list[str] = []
    opening: list[str] = []
    for name, store in stores.items():
        call = _last([each for each in desk.calls if each.target == name], "sn.connect")
        setting, args = _source(name, store, call, folder)
        settings.append(setting)
        zone = dict(store.timezone)
        if zone:
            args += f", timezone={literal(zone['*'] if set(zone) == {'*'} else zone)}"
        writes = name == story.target or (syncs and store.writable)
        opening.append(f"{name} = sn.connect({args}{', writable=WRITE' if writes else ''})")
    return settings, opening


def _source(name: str, store: Store, call: Call | None, folder: Path) -> tuple[str, str]:
    """The setting that names a store, and how it is opened by that name."""
    constant = name.upper()
    for word in ("profile", "env"):
        if call is not None and call.words.get(word):
            return (
                f"{constant}_{word.upper()} = {literal(call.words[word])}",
                f"{word}={constant}_{word.upper()}",
            )
    if isinstance(store, SQLiteStore):
        path = store.path.resolve()
        near = path.is_relative_to(folder)
        return f"{constant} = {literal(os.path.relpath(path, folder) if near else str(path))}", constant
    if store.dialect == "postgresql":
        # An address may hold a password: the runbook has the name of a variable to put it in.
        return f'{constant}_ENV = "{constant}_URL"', f"env={constant}_ENV"
    raise PlanError(
        f"a runbook cannot open {store.name} again: it is a frame",
        hint='tell how: sn.panel(..., connect="local, remote = ...")',
    )


def _look(story: _Story) -> Iterator[CellOf]:
    if story.found is not None:
        line = story.found.line.replace("(message", "(MESSAGE")
        if "message" in story.found.uses:
            others = [repr(each) for each in story.found.args[1:]]
            empty = f"sn.diagnose({', '.join(others)})" if len(others) == 2 else "None"
            line = f"{line} if MESSAGE else {empty}"
        yield "Look", "code", f"{line}\nfound"
    if story.diff is not None:
        yield "Look", "code", f"{story.diff.line}\nd"


def _decide(story: _Story) -> Iterator[CellOf]:
    if story.plan is None:
        planned = (
            "a sync plans and writes in one run: see below"
            if story.done is not None
            else "nothing was planned"
        )
        yield "Decide", "code", f'p = None\n"{planned}"'
        return
    yield "Decide", "code", f"{story.plan.line}\np"
    if not story.choices:
        return
    yield "Decide", "markdown", CHOICES
    lines = ["choices = ["]
    for call in story.choices:
        table, keys = call.args[:2]
        side = call.args[2] if len(call.args) > 2 else None
        said = (table, keys, side, dict(call.words.get("values") or {}), str(call.words.get("reason") or ""))
        lines.append(f"    {literal(said)},")
    lines += [
        "]",
        "for table, key, side, values, reason in choices:",
        '    p = p.choose(table, key, side, values=values, reason=reason, by=AUTHOR, absent="skip")',
        "p",
    ]
    yield "Decide", "code", "\n".join(lines)


def _act(story: _Story) -> Iterator[CellOf]:
    yield "Act and confirm", "code", _writing(story)
    yield "Act and confirm", "code", PROOF.format(target=story.target)


def _writing(story: _Story) -> str:
    """The one cell that writes."""
    if story.done is not None and story.done.verb == "sn.sync":
        words = {**story.done.words, "allow": Name("ALLOW"), "caller": "", "approved_by": Name("AUTHOR")}
        return SYNC.format(line=Call("done", "sn.sync", story.done.args, words).line)
    if story.plan is None:
        return 'r = None\n"nothing is written by this runbook"'
    words = {"allow": Name("ALLOW"), "approved_by": Name("AUTHOR")}
    return APPLY.format(line=Call("r", "sn.apply", (Name("p"), Name(story.target)), words).line)


APPLY = """
{line} if WRITE else None
r if WRITE else "nothing was written: WRITE is False"
"""
SYNC = """
{line} if WRITE else None
r = done.reports[0] if done is not None and done.reports else None
done if WRITE else "nothing was written: WRITE is False"
"""
PROOF = """
proof = sn.verify(r, {target}) if r is not None else None
assert r is None or proof, proof
proof if r is not None else "nothing to prove"
"""
TITLE = """
# Repair of {target}

{target} is brought in step with {source}, as it was done once with the mouse; this notebook does it again.

* **When to use it:** the same difference is there again, or somebody asks what was done.
* **What it can change:** {tables} of {target}, and nothing while `WRITE` is `False`.
* **How to take it back:** the last section does, by the number of the run.
"""
SETTINGS = """
## Settings

The only cell to edit. Addresses and passwords stay in variables or in a profile; this cell has their names. `WRITE = True`
lets it write.
"""
CONNECT = """
## Connect

You should see the two stores. While `WRITE` is `False` both are opened to be read.
"""
LOOK = """
## Look

You should see what differs by now. Good is `equal`: then the rest does nothing.
"""
DECIDE = """
## Decide

You should see every cell that would be written, why, and what is left open. Nothing has happened yet.
"""
CHOICES = """
What was decided by hand, with its reasons: table, key, whose row, other values, reason. A row that is in step by now, or
that the rule does not leave to a person, is passed over.
"""
ACT = """
## Act and confirm

The next cell is the only one that writes, and only with `WRITE = True`: all rows or none, each only if it still is as the
plan shows it. The one after it reads them again.
"""
BACK = """
## Take it back

Remove the `#` to take back what this notebook wrote. You should see all runs of this database. {runs}
"""
