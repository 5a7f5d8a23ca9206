"""One page of everything that syncnb can show, of a database whose every name and value wants to run a script."""

import sqlite3
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
import pandas as pd
import psycopg

import syncnb as sn
from syncnb.runbooks.reporting import html_report
from tests.databases import Workbench
from tests.test_hostile import literal, quoted
from tests.test_secrets import CANARY

__all__ = ["IMG", "page"]

FIRE = "window.fired=1"
IMG = f"<img src=x onerror={FIRE}>"
VALUES = (
    IMG,
    f"</script><script>{FIRE}</script>",
    f"\"'`]><svg onload={FIRE}>",
    f"</td></tr></table></pre></div></details><iframe srcdoc='<script>parent.{FIRE}</script>'></iframe>",
    f"[x](javascript:{FIRE}) ![x](x' onerror='{FIRE}) <a href=\"javascript:{FIRE}\">x</a>",
    f"`````\n<script>{FIRE}</script>\n\n$$</script><script>{FIRE}</script>$$",
    f"' onmouseover='{FIRE}' autofocus onfocus='{FIRE}' x='",
    f"{{{{ constructor.constructor('{FIRE}')() }}}} &lt;img src=x onerror={FIRE}&gt; &#60;img src=x onerror={FIRE}&#62;",
    f"\x1b[31m<img src=x onerror={FIRE}>\x1b[0m\u202e",
)
TABLE, KEY, TEXT, STAMP = f"t {IMG}", f"k{IMG}", f"v</th>{IMG}", f"s\"'>{IMG}"
ROLE = "canary_shown"


def filled(stamp: str, turn: int) -> list[str]:
    """The table, some of its rows alike on both sides, others not, each at another hour."""
    key, text, at = map(quoted, (KEY, TEXT, STAMP))
    rows = [
        (one, VALUES[(n + turn) % len(VALUES)], f"2026-01-0{n + 1} 0{turn + 1}:00:00")
        for n, one in enumerate(VALUES)
    ]
    return [
        f"CREATE TABLE {quoted(TABLE)} ({key} VARCHAR(200) PRIMARY KEY, {text} VARCHAR(200) UNIQUE, {at} {stamp})",
        *(f"INSERT INTO {quoted(TABLE)} VALUES ({', '.join(map(literal, row))})" for row in rows[turn:]),
    ]


def sides(bench: Workbench) -> tuple[Any, Any]:
    """A file, and a PostgreSQL database reached by a role whose password is a canary."""
    local = replace(bench.sqlite(*filled("DATETIME", 0), timezone="UTC"), writable=True)  # type: ignore[type-var]
    bench.postgresql(*filled("TIMESTAMP", 1))
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute(f"DROP ROLE IF EXISTS {ROLE}")
        owner.execute(f"CREATE ROLE {ROLE} SUPERUSER LOGIN PASSWORD '{CANARY}'")
    url = f"postgresql://{ROLE}:{quote(CANARY, safe='')}@{bench.last.rpartition('@')[2]}"
    return local, sn.connect(url, writable=True, timezone="UTC")


def shown(local: Any, remote: Any, folder: Path) -> Iterator[Any]:
    """Everything that has a face in a notebook, of these two."""
    yield from (local, remote, local.inspect(), remote.inspect(), local.inspect()[TABLE])
    d = sn.diff(local, remote)
    table = d[TABLE]
    yield from (
        d,
        d.summary,
        d.conflicts,
        table,
        table.rows,
        table.cells,
        table.columns,
        table.explain(VALUES[1], TEXT),
    )
    yield from (sn.change_map(table), sn.clock_picture(table, STAMP))
    yield from (
        sn.diagnose(local, remote),
        sn.suggest_keys(local, remote, TABLE),
        sn.explain_conflict(remote, TABLE, [TEXT]),
    )
    yield sn.diagnose(
        "\n".join(VALUES)
        + f'\nERROR:  duplicate key value violates unique constraint "{IMG}"\nDETAIL:  Key ({IMG})=({IMG}) already exists.'
    )
    yield sn.diagnose(f"UNIQUE constraint failed: {TABLE}.{TEXT}", local, remote)
    yield sn.what_replace_would_do(local, remote)
    asked = sn.plan(d, into=remote, resolve=sn.take_local, ask={TABLE: [VALUES[2]]})
    p = asked.choose(TABLE, VALUES[2], "local", reason=IMG, by=IMG)
    stale = sn.plan(d, into=remote, resolve=sn.newest(STAMP), deletes=True)
    yield from (asked, p, p.preview(), stale, sn.required_grants(p, remote))
    yield from (sn.grid(table), sn.grid(p, by=IMG))
    yield from desk(local, remote, folder)
    r = sn.apply(p, remote, allow=("many_changes", "deletes"), caller=IMG, approved_by=IMG)
    yield from (
        r,
        r.counts,
        r.outcomes,
        sn.verify(r, remote, expect=[sn.count(TABLE, 3), sn.unique(TABLE, TEXT)]),
    )
    refused = sn.apply(stale, remote, allow=("many_changes", "deletes"), caller=IMG)
    yield from (refused, refused.outcomes, sn.history(remote), sn.history(remote).frame, sn.roll_call(remote))
    yield sn.undo(r, remote)
    m = sn.migrate(remote, [sn.remedy("index", TABLE, TEXT, name=f"i{IMG}")])
    yield from (m, m.preview(), sn.apply(m, remote))
    yield from (sn.track(local), sn.pending(local))
    done = sn.sync(local, remote, resolve=sn.take_local, caller=IMG)
    yield from (done, done.waiting, sn.agree(local, remote))
    told(
        local,
        f"INSERT INTO {quoted(TABLE)} VALUES ('only here', 'only', NULL)",
    )
    yield sn.accept(sn.diff(local, remote), {TABLE: ["only here"]}, reason=IMG, by=IMG)
    yield from (
        sn.diff(local, remote),
        sn.sync({TABLE: [{KEY: IMG, TEXT: "x" * 300}]}, remote, key=KEY, source=IMG, rest=True),
    )


def told(local: Any, statement: str) -> None:
    """Somebody else writes."""
    with sqlite3.connect(local.path) as connection:
        connection.execute(statement)
    connection.close()


def desk(local: Any, remote: Any, folder: Path) -> Iterator[Any]:
    """The panel at each of its steps, as it is saved; and the notebook that it writes."""
    panel = sn.panel(local, remote, by=IMG)
    for button in ("inspect", "diagnose", "diff", "plan"):
        panel.press(button).result()
        yield panel
    key = panel.conflicts.open[0][1]
    panel.conflicts.choose(key, "local", reason=VALUES[4] + VALUES[5])
    yield from (panel, panel.conflicts, panel.to_runbook(folder / "by hand.ipynb"))


def failures(local: Any, remote: Any) -> dict[str, Callable[[], Any]]:
    """What goes wrong with such names, each with the words of an error of ours."""
    return {
        "a table": lambda: sn.diff(local, remote, IMG),
        "a column": lambda: sn.diff(local, remote, key={TABLE: IMG}),
        "a key": lambda: sn.diff(local, remote, key=VALUES[3]),
        "a condition": lambda: sn.diff(local, remote, where=sn.col(IMG) == VALUES[1]),
        "a file": lambda: sn.connect(f"{IMG}.db"),
        "a scheme": lambda: sn.connect(f"oracle://{quote(CANARY)}@{IMG}"),
        "a variable": lambda: sn.connect(env="CANARY"),
        "a host": lambda: sn.connect(f"postgresql://{ROLE}:{quote(CANARY, safe='')}@127.0.0.1:1/{quote(IMG, safe='')}"),
        "a database": lambda: sn.connect(f"postgresql://{quote(IMG, safe='')}:{quote(CANARY, safe='')}@{remote.parameters['host']}:{remote.parameters['port']}/{quote(IMG, safe='')}"),
        "an option": lambda: sn.plan(sn.diff(local, remote), into=remote, collisions=IMG),
        "a frame": lambda: sn.diff(sn.connect({IMG: pd.DataFrame({IMG: [1]})}), remote, IMG),
    }  # fmt: skip


def page(bench: Workbench, folder: Path) -> tuple[Path, Path, int]:
    """A saved notebook with all of it, the page that a report of it is, and how many things stand there."""
    local, remote = sides(bench)
    new: Any = nbformat.v4
    cells = []
    for thing in shown(local, remote, folder):
        data = {"text/plain": repr(thing)}
        html = thing._repr_html_() if hasattr(thing, "_repr_html_") else None
        if html is not None:
            data["text/html"] = html
        cells.append(
            new.new_code_cell(f"{VALUES[1]}  # {TABLE}", outputs=[new.new_output("display_data", data)])
        )
    for what, work in failures(local, remote).items():
        cells.append(new.new_code_cell(what, outputs=[new.new_output("error", **said(what, work))]))
    cells += nbformat.read(folder / "by hand.ipynb", as_version=4).cells  # type: ignore[no-untyped-call]
    book, report = folder / "saved.ipynb", folder / "report.html"
    nbformat.write(new.new_notebook(cells=cells), book)  # type: ignore[no-untyped-call]
    html_report(book, report)
    return book, report, len(cells)


def said(what: str, work: Callable[[], Any]) -> dict[str, Any]:
    """The output that a kernel keeps of an error."""
    try:
        work()
    except sn.SyncnbError as problem:
        lines = problem._render_traceback_()
        return {"ename": type(problem).__name__, "evalue": str(problem), "traceback": lines}
    except Exception as problem:
        return {
            "ename": type(problem).__name__,
            "evalue": str(problem),
            "traceback": traceback.format_exception(problem),
        }
    raise AssertionError(f"{what} did not fail")
