"""What SQLite's catalogue keeps only as the text of CREATE statements.

The pragmas name neither constraints nor checks, generated expressions, column collations or the
predicate of a partial index. They are cut out of the text here, unchanged; nothing is interpreted.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Constraint",
    "IndexText",
    "Node",
    "TableText",
    "comma_separated",
    "index_text",
    "table_text",
    "tokens",
]

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|'(?:[^']|'')*')
      | (?P<word>\w[\w$]*)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)
CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}


@dataclass(frozen=True, slots=True)
class Node:
    """One token, or a pair of parentheses with what is inside."""

    text: str
    word: str = ""
    """In upper case; empty where quoted, a mark or a group."""
    inside: tuple["Node", ...] = ()
    start: int = 0
    end: int = 0

    @property
    def is_group(self) -> bool:
        return self.text.startswith("(")

    @property
    def name(self) -> str:
        """As an identifier, without its quotes."""
        quote = self.text[0]
        if quote == "[":
            return self.text[1:-1]
        return self.text[1:-1].replace(quote * 2, quote) if quote in "\"'`" else self.text

    @property
    def inner(self) -> str:
        return self.text[1:-1].strip()


@dataclass(frozen=True, slots=True)
class Constraint:
    """A named or nameless constraint, on its columns."""

    name: str | None
    columns: tuple[str, ...] = ()
    deferrable: bool = False
    deferred: bool = False


@dataclass(slots=True)
class TableText:
    """What the text of one CREATE TABLE says beyond the pragmas."""

    primary: str | None = None
    """The name of the primary key's constraint."""
    uniques: list[Constraint] = field(default_factory=list)
    foreign_keys: list[Constraint] = field(default_factory=list)
    """In the order they are declared."""
    checks: list[str] = field(default_factory=list)
    generated: dict[str, str] = field(default_factory=dict)
    collations: dict[str, str] = field(default_factory=dict)
    autoincrement: bool = False


@dataclass(frozen=True, slots=True)
class IndexText:
    """The key parts of a CREATE INDEX and its predicate."""

    parts: tuple[str, ...] = ()
    where: str | None = None


def table_text(sql: str) -> TableText:
    """Cut a CREATE TABLE statement into its facts; an unreadable part is left out."""
    found = TableText()
    body = next((node for node in tokens(sql) if node.is_group), None)
    for item in comma_separated(body.inside if body else ()):
        if item[0].word in CONSTRAINTS:
            _read_constraints(item, found, columns=())
        else:
            _read_constraints(item[1:], found, columns=(item[0].name,))
    return found


def index_text(sql: str) -> IndexText:
    """Cut a CREATE INDEX statement into key parts and predicate."""
    nodes = tokens(sql)
    at = next((i for i, node in enumerate(nodes) if node.is_group), None)
    if at is None:
        return IndexText()
    parts = []
    for item in comma_separated(nodes[at].inside):
        kept = item[:-1] if len(item) > 1 and item[-1].word in ("ASC", "DESC") else item
        parts.append(sql[kept[0].start : kept[-1].end])
    after = next((node for node in nodes[at + 1 :] if node.word == "WHERE"), None)
    where = sql[after.end :].strip().rstrip(";").strip() if after else None
    return IndexText(tuple(parts), where)


def _read_constraints(nodes: Sequence[Node], found: TableText, *, columns: tuple[str, ...]) -> None:
    """Walk the constraints of one column (its name in `columns`) or of the table (none)."""
    name: str | None = None
    on = columns
    for at, node in enumerate(nodes):
        following = nodes[at + 1] if at + 1 < len(nodes) else Node(" ")
        if node.word == "CONSTRAINT":
            name = following.name
            continue
        if node.word == "DEFERRABLE" and found.foreign_keys:
            last = found.foreign_keys[-1]
            can = nodes[at - 1].word != "NOT"
            does = can and [node.word for node in nodes[at + 1 : at + 3]] == ["INITIALLY", "DEFERRED"]
            found.foreign_keys[-1] = Constraint(last.name, last.columns, deferrable=can, deferred=does)
        if node.word in ("KEY", "UNIQUE") and following.is_group:
            on = tuple(item[0].name for item in comma_separated(following.inside))
        if _keep(node, following, found, name, on):
            name = None


def _keep(node: Node, following: Node, found: TableText, name: str | None, on: tuple[str, ...]) -> bool:
    """Keep the fact that begins at this node. False where none does."""
    if node.word == "PRIMARY":
        found.primary = name
    elif node.word == "UNIQUE":
        found.uniques.append(Constraint(name, on))
    elif node.word == "REFERENCES":
        found.foreign_keys.append(Constraint(name, on))
    elif node.word == "CHECK" and following.is_group:
        found.checks.append(following.inner)
    elif node.word == "AS" and following.is_group:
        found.generated.update(dict.fromkeys(on, following.inner))
    elif node.word == "COLLATE":
        found.collations.update(dict.fromkeys(on, following.name.upper()))
    elif node.word == "AUTOINCREMENT":
        found.autoincrement = True
    else:
        return False
    return True


def comma_separated(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    """The items between top-level commas."""
    item: list[Node] = []
    for node in nodes:
        if node.text == ",":
            if item:
                yield item
            item = []
        else:
            item.append(node)
    if item:
        yield item


def tokens(sql: str) -> tuple[Node, ...]:
    """The statement as tokens, with each pair of parentheses as one node."""
    levels: list[list[Node]] = [[]]
    opened: list[int] = []
    for match in TOKEN.finditer(sql):
        text, start, end = match.group(), match.start(), match.end()
        if match.lastgroup == "space":
            continue
        if text == "(":
            opened.append(start)
            levels.append([])
        elif text == ")" and opened:
            inside, begin = tuple(levels.pop()), opened.pop()
            levels[-1].append(Node(sql[begin:end], "", inside, begin, end))
        else:
            word = text.upper() if match.lastgroup == "word" else ""
            levels[-1].append(Node(text, word, (), start, end))
    return tuple(levels[0])
