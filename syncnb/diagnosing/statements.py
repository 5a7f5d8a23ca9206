"""Statements as people paste them, read tolerantly: what they write, into what, under which target.

Nothing is validated and nothing is ever executed from here; what cannot be read is left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncnb.stores.sqlite_text import Node, comma_separated, tokens

__all__ = ["Statement", "statements"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `verb` is its first words in lower case: insert, update, create unique index, …"""

    text: str
    verb: str = ""
    table: str | None = None
    columns: tuple[str, ...] | None = None
    """Of INSERT, UPDATE, or the key parts of an index; None where none are named."""
    values: tuple[tuple[str, ...], ...] = ()
    """The rows of VALUES, each value as it is written."""
    selects: bool = False
    """INSERT … SELECT."""
    source: str | None = None
    """The table that it selects from."""
    replaces: bool = False
    """INSERT OR REPLACE, REPLACE INTO."""
    target: tuple[str, ...] | None = None
    target_where: str | None = None
    on_constraint: str | None = None
    upserts: bool = False
    """Has an ON CONFLICT clause."""
    updates: bool = False
    """DO UPDATE."""
    name: str | None = None
    """Of the index or constraint that is created."""
    words: frozenset[str] = frozenset()
    """All its bare words, in upper case."""

    def literal(self, row: int, column: str) -> str | None:
        """What one row gives for a named column, as written; None where it gives none."""
        names = [name.casefold() for name in self.columns or ()]
        if row >= len(self.values) or column.casefold() not in names:
            return None
        at = names.index(column.casefold())
        return self.values[row][at] if at < len(self.values[row]) else None


def statements(text: str) -> tuple[Statement, ...]:
    """Every statement of a text, in order; calls of clients that name a conflict target count as one."""
    found = [_read(part, text) for part in _divided(tokens(text))]
    known = [statement for statement in found if statement.verb]
    return tuple(known) or tuple(_of_clients(text))


def _divided(nodes: Sequence[Node]) -> list[list[Node]]:
    parts: list[list[Node]] = [[]]
    for node in nodes:
        if node.text == ";":
            parts.append([])
        else:
            parts[-1].append(node)
    return [part for part in parts if part]


def _read(nodes: list[Node], text: str) -> Statement:
    words = frozenset(_all_words(nodes))
    bare = Statement(text[nodes[0].start : nodes[-1].end], words=words)
    at = next((i for i, node in enumerate(nodes) if node.word in READERS), None)
    return replace(READERS[nodes[at].word](nodes[at:], text, bare), words=words) if at is not None else bare


def _all_words(nodes: Sequence[Node]) -> list[str]:
    found: list[str] = []
    for node in nodes:
        found += [node.word] if node.word else _all_words(node.inside)
    return found


def _insert(nodes: list[Node], text: str, bare: Statement) -> Statement:
    """INSERT [OR …] INTO t [(columns)] VALUES …, SELECT …, with ON CONFLICT; REPLACE INTO."""
    into = _after(nodes, "INTO")
    if into is None:
        return bare
    table, at = _name(nodes, into)
    columns = None
    if at < len(nodes) and nodes[at].word == "AS":
        at += 2
    if at < len(nodes) and nodes[at].is_group:
        columns = tuple(item[0].name for item in comma_separated(nodes[at].inside))
        at += 1
    head = [node.word for node in nodes[:into]]
    done = replace(
        bare,
        verb="insert",
        table=table,
        columns=columns,
        selects=any(node.word == "SELECT" for node in nodes[at:]),
        source=_named(nodes, _after(nodes[at:], "FROM"), start=at),
        replaces="REPLACE" in head,
        values=tuple(_values(nodes[at:], text)),
    )
    return _with_target(done, nodes[at:], text)


def _values(nodes: Sequence[Node], text: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    start = _after(nodes, "VALUES")
    for node in nodes[start:] if start is not None else ():
        if node.is_group:
            rows.append(tuple(_written(item, text) for item in comma_separated(node.inside)))
        elif node.text != ",":
            break
    return rows


def _written(item: Sequence[Node], text: str) -> str:
    return text[item[0].start : item[-1].end]


def _with_target(statement: Statement, nodes: Sequence[Node], text: str) -> Statement:
    """The ON CONFLICT clause, if there is one."""
    at = next(
        (i for i, n in enumerate(nodes[:-1]) if n.word == "ON" and nodes[i + 1].word == "CONFLICT"), None
    )
    if at is None:
        return statement
    rest = list(nodes[at + 2 :])
    done = replace(statement, upserts=True, updates=_has(rest, "DO", "UPDATE"))
    if rest and rest[0].is_group:
        parts = tuple(_unquoted(item, text) for item in comma_separated(rest[0].inside))
        return replace(done, target=parts, target_where=_predicate(rest[1:], text))
    if len(rest) > 2 and rest[0].word == "ON" and rest[1].word == "CONSTRAINT":
        return replace(done, on_constraint=rest[2].name)
    return done


def _predicate(nodes: list[Node], text: str) -> str | None:
    """What stands between WHERE and DO, right behind the target."""
    if not nodes or nodes[0].word != "WHERE":
        return None
    end = next((i for i, node in enumerate(nodes) if node.word == "DO"), len(nodes))
    return _written(nodes[1:end], text) if end > 1 else None


def _unquoted(item: Sequence[Node], text: str) -> str:
    """A plain column by its name; an expression as it is written."""
    return item[0].name if len(item) == 1 and not item[0].is_group else _written(item, text)


def _update(nodes: list[Node], text: str, bare: Statement) -> Statement:
    start = 3 if len(nodes) > 2 and nodes[1].word == "OR" else 1
    table, _ = _name(nodes, start + (nodes[start].word == "ONLY" if start < len(nodes) else 0))
    at = _after(nodes, "SET")
    end = next((i for i, n in enumerate(nodes) if n.word in ("WHERE", "FROM", "RETURNING")), len(nodes))
    items = list(comma_separated(nodes[at:end])) if at is not None else []
    columns = tuple(item[0].name for item in items if not item[0].is_group)
    given = tuple(_written(item[2:], text) if len(item) > 2 else "" for item in items)
    return replace(bare, verb="update", table=table, columns=columns, values=(given,))


def _delete(nodes: list[Node], _text: str, bare: Statement) -> Statement:
    at = _after(nodes, "FROM")
    return replace(bare, verb="delete", table=_name(nodes, at)[0] if at is not None else None)


def _create(nodes: list[Node], text: str, bare: Statement) -> Statement:
    head = [node.word for node in nodes[:4]]
    if "INDEX" not in head:
        kind = next((word for word in head if word in ("TABLE", "VIEW", "TRIGGER")), "")
        at = _after(nodes, kind) if kind else None
        return replace(bare, verb=f"create {kind.lower()}".strip(), table=_named(nodes, at))
    on = _after(nodes, "ON")
    index = _after(nodes, "INDEX")
    table, at = _name(nodes, on) if on is not None else (None, len(nodes))
    group = next((node for node in nodes[at:] if node.is_group), None)
    return replace(
        bare,
        verb="create unique index" if "UNIQUE" in head else "create index",
        table=table,
        name=_named(nodes, index) if on is not None and on - 1 != index else None,
        columns=tuple(_unquoted(item[:1] if _plain(item) else item, text) for item in comma_separated(group.inside))
        if group
        else None,
    )  # fmt: skip


def _plain(item: Sequence[Node]) -> bool:
    return len(item) > 1 and item[-1].word in ("ASC", "DESC", "LAST", "FIRST")


def _alter(nodes: list[Node], _text: str, bare: Statement) -> Statement:
    at = _after(nodes, "TABLE")
    if at is None:
        return replace(bare, verb="alter")
    at += 1 if at < len(nodes) and nodes[at].word == "ONLY" else 0
    table, end = _name(nodes, _past_exists(nodes, at))
    done = replace(bare, verb="alter table", table=table)
    group = next((node for node in nodes[end:] if node.is_group), None)
    if (group and _has(nodes, "UNIQUE")) or (group and _has(nodes, "PRIMARY", "KEY")):
        done = replace(done, columns=tuple(item[0].name for item in comma_separated(group.inside)))
    elif (column := _column_of(nodes[end:])) is not None:
        done = replace(done, columns=(column,))
    return replace(done, name=_named(nodes, _after(nodes, "CONSTRAINT")))


def _column_of(nodes: Sequence[Node]) -> str | None:
    """The column in ALTER/ADD/DROP [COLUMN] name."""
    for at, node in enumerate(nodes[:-1]):
        if node.word in ("ALTER", "ADD", "DROP"):
            skip = 1 if nodes[at + 1].word == "COLUMN" else 0
            skip += 3 if at + 1 + skip < len(nodes) and nodes[at + 1 + skip].word == "IF" else 0
            following = nodes[at + 1 + skip : at + 2 + skip]
            return following[0].name if following and following[0].word != "CONSTRAINT" else None
    return None


def _drop(nodes: list[Node], _text: str, bare: Statement) -> Statement:
    at = _after(nodes, "TABLE")
    if at is None:
        return replace(bare, verb="drop")
    return replace(bare, verb="drop table", table=_named(nodes, at))


def _merge(nodes: list[Node], _text: str, bare: Statement) -> Statement:
    at = _after(nodes, "INTO")
    return replace(bare, verb="merge", table=_named(nodes, at))


def _simple(nodes: list[Node], _text: str, bare: Statement) -> Statement:
    at = _after(nodes, "FROM") if nodes[0].word == "SELECT" else None
    return replace(bare, verb=nodes[0].word.lower(), table=_named(nodes, at))


READERS = {
    "INSERT": _insert, "REPLACE": _insert, "UPDATE": _update, "DELETE": _delete, "CREATE": _create,
    "ALTER": _alter, "DROP": _drop, "MERGE": _merge, "SELECT": _simple, "BEGIN": _simple, "COPY": _simple,
    "COMMIT": _simple, "START": _simple, "PRAGMA": _simple, "REFRESH": _simple, "VACUUM": _simple,
    "REINDEX": _simple, "TRUNCATE": _simple,
}  # fmt: skip


def _after(nodes: Sequence[Node], word: str) -> int | None:
    return next((i + 1 for i, node in enumerate(nodes) if node.word == word), None)


def _has(nodes: Sequence[Node], *words: str) -> bool:
    found = [node.word for node in nodes]
    return any(tuple(found[i : i + len(words)]) == words for i in range(len(found)))


def _past_exists(nodes: Sequence[Node], at: int) -> int:
    while at < len(nodes) and nodes[at].word in ("IF", "NOT", "EXISTS", "CONCURRENTLY"):
        at += 1
    return at


def _named(nodes: Sequence[Node], at: int | None, *, start: int = 0) -> str | None:
    return None if at is None else _name(nodes, _past_exists(nodes, start + at))[0]


def _name(nodes: Sequence[Node], at: int) -> tuple[str | None, int]:
    """A name with its schema, and where the statement goes on."""
    if at >= len(nodes) or nodes[at].is_group:
        return None, at
    parts = [nodes[at].name]
    at += 1
    while at + 1 < len(nodes) and nodes[at].text == ".":
        parts.append(nodes[at + 1].name)
        at += 2
    return ".".join(parts), at


# supabase-js and -py, PostgREST's query, SQLAlchemy's dialect insert.
TARGETS = re.compile(
    r"on_?conflict['\"]?\s*[:=]\s*\(?\[?['\"]?(?P<list>[\w\s,'\"]+?)['\"]?\]?\)?(?=[\s&})]|$)"
    r"|index_elements\s*=\s*\[(?P<elements>[^\]]*)\]",
    re.IGNORECASE,
)
TABLES = re.compile(r"\b(?:from|table|into)\(?\s*['\"](?P<table>[\w.]+)['\"]", re.IGNORECASE)


def _of_clients(text: str) -> list[Statement]:
    found = TARGETS.search(text)
    if not found:
        return []
    names = re.findall(r"\w+", found["list"] or found["elements"] or "")
    table = TABLES.search(text)
    where = table["table"] if table else None
    return (
        [Statement(text, "insert", where, target=tuple(names), upserts=True, updates=True)] if names else []
    )
