"""Hostile names and values go through every verb: nothing of them is run, as HTML, as SQL or as a formula."""

import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import psycopg
import pytest

import syncnb as sn
from syncnb.rendering import Cell, Sheet
from tests.databases import Workbench

XSS = "<img src=x onerror=alert(1)>"
QUOTE = "\"'`]><script>alert(1)</script>"
DROP = "x'); DROP TABLE victim; --"
VALUES = (XSS, QUOTE, DROP, "'; DROP TABLE victim; --", '"; DROP TABLE victim; --', "\\'; DROP TABLE victim; --", "%s %(a)s :a ? $1 {} {0}", "=cmd|' /C calc'!A0", "javascript:alert(1)", "</td></table></div><svg onload=alert(1)>")  # fmt: skip
NAMES = ('t"; DROP TABLE victim; --', f"t {XSS}", "t' OR 1=1; --", "t%s :a {}")
"""Names of tables and of columns."""

TAGS = {"style", "div", "p", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "span", "code", "pre", "br", "section", "ul", "li", "b", "em", "strong", "h3", "h4"}  # fmt: skip


class Strict(HTMLParser):
    """Keeps every tag and attribute that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or (value or "").strip().lower().startswith("javascript:"):
                self.wrong.append(f"<{tag} {name}={value}>")

    handle_startendtag = handle_starttag


def harmless(html: str) -> list[str]:
    """The tags and attributes in it that are none of ours."""
    parser = Strict()
    parser.feed(html)
    parser.close()
    return parser.wrong


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def filled(name: str, columns: tuple[str, str], turn: int) -> list[str]:
    """A table of that name with a key and a column of text, both of hostile values; `turn` makes sides differ."""
    key, text = map(quoted, columns)
    made = [f"CREATE TABLE {quoted(name)} ({key} VARCHAR(99) PRIMARY KEY, {text} VARCHAR(99))"]
    values = [(one, VALUES[(at + turn) % len(VALUES)]) for at, one in enumerate(VALUES)][turn:]
    rows = ", ".join(f"({literal(one)}, {literal(other)})" for one, other in values)
    return [*made, f"INSERT INTO {quoted(name)} VALUES {rows}"]


def catalogue(store: Any, bench: Workbench) -> list[Any]:
    """Every object that is not ours, and what the victim holds."""
    if store.dialect == "sqlite":
        with sqlite3.connect(store.path) as connection:
            found = connection.execute(
                "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '%syncnb%' AND name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
            ).fetchall()
            rows = connection.execute("SELECT * FROM victim").fetchall()
        connection.close()
        return [found, rows]
    with psycopg.connect(bench.last) as connection:
        found = connection.execute(
            "SELECT c.oid, c.relname, c.relkind, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT IN ('syncnb', 'pg_toast') AND n.nspname NOT LIKE 'pg_%' ORDER BY 1"
        ).fetchall()
        return [found, connection.execute("SELECT * FROM victim").fetchall()]


def shown(found: Any) -> Iterator[str]:
    """What a notebook shows of an object, as HTML."""
    html = found._repr_html_()
    if html is not None:
        yield html


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("at", range(len(NAMES)), ids=["semicolon", "tag", "quote", "placeholders"])
def test_nothing_hostile_is_run(bench: Workbench, engine: str, at: int) -> None:
    name, columns = NAMES[at], (f"k {NAMES[at - 1]}", f"v {NAMES[at - 2]}")
    victim = ["CREATE TABLE victim (id INTEGER PRIMARY KEY)", "INSERT INTO victim VALUES (7)"]
    local = bench.sqlite(*filled(name, columns, 0), *victim)
    made = bench.make(engine, *filled(name, columns, 1), *victim)
    remote = sn.connect(made.path if engine == "sqlite" else bench.last, writable=True)  # type: ignore[attr-defined]
    before = catalogue(remote, bench)
    d = sn.diff(local, remote)
    table = d[name]
    assert (table.counts.changed, table.counts.only_local) == (len(VALUES) - 1, 1)
    where = sn.diff(local, remote, name, where=sn.col(columns[1]) == VALUES[2])
    p = sn.plan(d, into=remote, resolve=sn.take_local)
    r = sn.apply(p, remote)
    proof = sn.verify(r, remote, expect=[sn.count(name, len(VALUES)), sn.unique(name, columns[0])])
    undo = sn.undo(r, remote)
    found = sn.diagnose(local, remote)
    told = sn.diagnose(
        f'null value in column "{columns[1]}" of relation "{name}" violates not-null constraint'
    )
    things = [
        d,
        table,
        table.rows,
        table.cells,
        table.explain(VALUES[1], columns[1]),
        where,
        p,
        p.preview(),
        r,
    ]
    things += [r.counts, proof, undo, sn.history(remote), found, told, local.inspect(), local.inspect()[name]]
    things += [sn.explain_conflict(remote, name, [columns[0]]), sn.suggest_keys(local, remote, name)]
    assert [wrong for thing in things for html in shown(thing) for wrong in harmless(html)] == []
    assert (bool(proof), sn.diff(local, remote).verdict) == (True, "equal")
    assert sn.apply(undo, remote).status == "applied"
    assert catalogue(remote, bench) == before
    # What a person may copy and run does the same, and no more.
    run(remote, bench, p.sql())
    assert sn.diff(local, remote).verdict == "equal"
    assert catalogue(remote, bench) == before


def run(store: Any, bench: Workbench, script: str) -> None:
    if store.dialect == "sqlite":
        with sqlite3.connect(store.path) as connection:
            connection.executescript(script)
        connection.close()
    else:
        with psycopg.connect(bench.last, autocommit=True) as connection:
            connection.execute(script.encode())


def test_every_part_of_a_sheet_is_escaped() -> None:
    long = XSS + "x" * 99  # is cut, and whole in a tooltip
    sheet = Sheet(XSS, [XSS, QUOTE], [[Cell(XSS), Cell(long, "' onclick='alert(1)")]], [XSS, QUOTE])
    assert harmless(sheet.html()) == []
    assert sheet.html().count("&lt;img") == 6
