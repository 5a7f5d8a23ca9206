"""What somebody pasted, as complaints: an exception, log lines, JSON with escapes, several in one paste."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from syncnb.diagnosing.causes import candidates
from syncnb.diagnosing.causes.wording import shape
from syncnb.diagnosing.fields import without_fields
from syncnb.diagnosing.unwrapping import without_json, without_secrets

__all__ = ["Complaint", "complaints"]

Pointed: TypeAlias = Callable[[str | None, str], tuple[str | None, tuple[str, ...]]]
"""A code, if one is told, and a text, to the code and its causes: see `candidates`."""

LONGEST = 20_000
"""Characters of a line that are read: no message is longer."""
MOST = 10_000
"""Complaints that are read from one paste; more of them say nothing new."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One error, as far as its text or its exception tells."""

    text: str
    """The message, on one line."""
    code: str | None = None
    """The SQLSTATE, or SQLite's result code as a decimal number."""
    causes: tuple[str, ...] = ()
    """What code and text point to, best first."""
    detail: str = ""
    hint: str = ""
    table: str | None = None
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """Of these columns, where the message tells them."""
    constraint: str | None = None
    statement: str | None = None
    operation: str | None = None
    """INSERT, UPDATE or DELETE, where the log line says so."""
    row: str | None = None
    """The id behind `TABLE:ID`."""
    line: str = ""
    """The whole line that it was read from."""

    @property
    def engine(self) -> str | None:
        """Which engine said it, where the code tells."""
        if self.code is None:
            return None
        return "sqlite" if len(self.code) < 5 else "postgresql"


def complaints(pasted: str | BaseException) -> tuple[Complaint, ...]:
    """Every error in what was pasted, in its order, each once. At least one: of an unknown text, the text."""
    found = [_of_exception(pasted)] if isinstance(pasted, BaseException) else list(_of_text(pasted))
    return tuple(_each_once(found)[:MOST])


def _of_exception(error: BaseException) -> Complaint:
    """An exception of a driver, of SQLAlchemy around one, or of ours."""
    inner: Any = getattr(error, "orig", None) or error
    for below in _chain(error):
        if _code_of(below):
            inner = below
            break
    diag = getattr(inner, "diag", None)
    told = next(iter(_of_text(str(inner))), Complaint(without_secrets(str(inner))))
    code = _code_of(inner) or told.code
    column = getattr(diag, "column_name", None)
    complaint = replace(
        told,
        code=code,
        detail=getattr(diag, "message_detail", None) or told.detail,
        hint=getattr(diag, "message_hint", None) or told.hint,
        table=getattr(diag, "table_name", None) or told.table,
        constraint=getattr(diag, "constraint_name", None) or getattr(inner, "constraint", None) or told.constraint,
        columns=(column,) if column else told.columns,
        statement=getattr(error, "statement", None) or told.statement,
    )  # fmt: skip
    return _keyed(replace(complaint, causes=candidates(code, complaint.text + " " + complaint.detail)[1]))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(20):
        if error is None:
            return
        yield error
        orig = getattr(error, "orig", None)
        error = orig if isinstance(orig, BaseException) else error.__cause__ or error.__context__


def _code_of(error: Any) -> str | None:
    for name in ("sqlstate", "pgcode", "sqlite_errorcode"):
        if isinstance(code := getattr(error, name, None), str | int) and code:
            return str(code)
    return None


# -- text -----------------------------------------------------------------------------------------------

LABELS = {
    "detail": r"DETAIL|DETALLE|DÉTAIL|DETTAGLI|DETALHE|DETALJ|SZCZEGÓŁY|ПОДРОБНОСТИ|ДЕТАЛІ|დეტალები|詳細|상세정보|描述",
    "hint": r"HINT|TIPP|SUGERENCIA|ASTUCE|SUGGERIMENTO|DICA|TIPS|PODPOWIEDŹ|ПОДСКАЗКА|ПІДКАЗКА|მინიშნება|ヒント|힌트|提示",
    "table": "TABLE NAME",
    "column": "COLUMN NAME",
    "constraint": "CONSTRAINT NAME",
    "statement": r"STATEMENT|QUERY|ANWEISUNG|SENTENCIA|INSTRUCTION|ISTRUZIONE|COMANDO|SATS|ОПЕРАТОР|ИНСТРУКЦИЯ|文|语句",
}  # fmt: skip
LABEL = re.compile(
    r"^\W*(?:" + "|".join(f"(?P<{name}>(?:{words}))" for name, words in LABELS.items()) + r")\s*[:：]\s*(?P<rest>.*)$"
)  # fmt: skip
SQLALCHEMY = re.compile(r"\[SQL: (?P<sql>.*?)\]\s*(?:\[parameters:|\(Background|\Z|\n)", re.DOTALL)
OPERATION = re.compile(
    r"(?P<operation>INSERT|UPDATE|DELETE|UPSERT) operation for (?P<table>[\w.\"]+):(?P<row>[^\s:]+)"
    r"|[Cc]onflict detected for (?P<table2>[\w.\"]+):(?P<row2>[^\s:]+)"
)
DOING = re.compile(
    r"\b(?:failed|error|unable|could not|cannot|while|when)\b[^:]{0,40}?\b"
    r"(?:insert(?:ing)?|sav(?:e|ing)|upsert(?:ing)?|updat(?:e|ing)|writ(?:e|ing)|sync(?:ing)?|load(?:ing)?|import(?:ing)?)"
    r"\s+(?:in(?:to)?\s+|to\s+)?(?:table\s+)?[\"'`]?(?P<table>[A-Za-z_][\w.]*)[\"'`]?\s*[:;,(]",
    re.IGNORECASE,
)
SQLSTATES = (
    re.compile(r"SQLSTATE[\s:=\[(]*['\"]?(?P<code>[0-9A-Z]{5})\b"),
    re.compile(r"\bcode['\"]?\s*[:=]\s*['\"]?(?P<code>PGRST\d{3}|(?=[0-9A-Z]*\d)[0-9A-Z]{5})\b"),
    re.compile(r"\b(?:ERROR|FATAL|PANIC):\s+(?P<code>(?=[0-9A-Z]*\d)[0-9A-Z]{5}):\s"),
    re.compile(r"[(\[](?P<code>(?=[0-9A-Z]*\d)[0-9A-Z]{5}|PGRST\d{3})[)\]]"),
)
SQLITE_NAME = re.compile(r"\bSQLITE_[A-Z_]+")
SQLITE_NUMBER = re.compile(
    r"(?:code:?\s*|General error: |violation: )(?P<code>\d{1,4})\b|failed:.*\((?P<end>\d{2,4})\)\s*$"
)
CLASS = re.compile(r"\b(?:errors|exceptions)\.(?P<name>[A-Z]\w+?)(?:Error)?\b")
NOISE = re.compile(
    r"^(File \"|Traceback |raise |During handling|The above exception|\(Background on this error)"
)
QUOTES = str.maketrans({"»": '"', "«": '"', "“": '"', "”": '"', "„": '"'})


def _of_text(text: str) -> Iterator[Complaint]:
    flat = without_secrets(without_fields(without_json(text)))
    sql = [(found.start(), found["sql"]) for found in SQLALCHEMY.finditer(flat)]
    flat = SQLALCHEMY.sub("\n", flat)
    current: Complaint | None = None
    yielded = False
    dull, read = _Dull(), _Lines()
    for line in flat.splitlines():
        if current is not None and (label := LABEL.match(line)):
            current = _labelled(current, label)
            continue
        if dull.knows(line):
            continue
        if (found := read.complaint(line)) is None:
            dull.learn(line)
            continue
        if current is not None and found.text == f"({current.code})":
            continue  # the code of what was said, told apart
        if current is not None:
            yield _finished(current, sql)
            yielded = True
        current = found
    if current is not None:
        yield _finished(current, sql)
    elif not yielded:
        yield _finished(_whole(flat), sql)


class _Dull:
    """Lines that say nothing, by their shape: a log has thousands that differ in their numbers only."""

    MOST = 2000
    """Shapes that are looked at closely; after that only lines that look like trouble."""
    TROUBLE = re.compile(
        r"error|fail|violat|constraint|conflict|denied|abort|deadlock|[^\x00-\x7f]", re.IGNORECASE
    )

    def __init__(self) -> None:
        self._shapes: set[str] = set()

    def knows(self, line: str) -> bool:
        """Whether a line of this shape said nothing before."""
        if not line.strip():
            return True
        full = len(self._shapes) >= self.MOST
        return shape(line[:LONGEST]) in self._shapes or (full and not self.TROUBLE.search(line))

    def learn(self, line: str) -> None:
        """Remember that it says nothing."""
        if len(self._shapes) < self.MOST:
            self._shapes.add(shape(line[:LONGEST]))


class _Lines:
    """Lines as complaints: what thousands of lines of one shape may point to is asked once."""

    MOST = 2000
    """Shapes that are remembered."""

    def __init__(self) -> None:
        self._read: dict[str, Complaint | None] = {}
        self._causes: dict[tuple[str | None, str], tuple[str | None, tuple[str, ...]]] = {}

    def complaint(self, line: str) -> Complaint | None:
        """The complaint that a line holds; None where it holds none."""
        if line not in self._read:
            found = _of_line(line, self._candidates)
            if len(self._read) >= self.MOST:
                return found
            self._read[line] = found
        return self._read[line]

    def _candidates(self, code: str | None, text: str) -> tuple[str | None, tuple[str, ...]]:
        key = code, shape(text)
        if key not in self._causes:
            found = candidates(code, text)
            if len(self._causes) >= self.MOST:
                return found
            self._causes[key] = found
        return self._causes[key]


def _whole(text: str) -> Complaint:
    """All lines as one, where none of them says anything: some servers break their lines."""
    joined = " ".join(text[:LONGEST].split())
    return _of_line(joined) or Complaint(joined, line=joined)


def _of_line(line: str, pointed: Pointed = candidates) -> Complaint | None:
    """The complaint that a line holds; None where it holds none."""
    bare = line.strip()[:LONGEST].translate(QUOTES)
    if not bare or NOISE.match(bare):
        return None
    told = _told_code(bare)
    code, causes = pointed(told, bare)
    if not causes and told is None:
        return None
    complaint = Complaint(_message(bare), code, causes, line=line.strip())
    return _placed(complaint, bare)


def _told_code(text: str) -> str | None:
    for pattern in SQLSTATES:
        if (found := pattern.search(text)) and (
            found["code"][:2] != "00" and not found["code"].startswith("HY")
        ):
            return None if found["code"] == "23000" else found["code"]
    if found := SQLITE_NAME.search(text):
        number = getattr(sqlite3, found.group(), None)
        return str(number) if isinstance(number, int) else None
    if found := SQLITE_NUMBER.search(text):
        return found["code"] or found["end"]
    if found := CLASS.search(text):
        return _code_of_class(found["name"])
    return None


def _code_of_class(name: str) -> str | None:
    try:
        from psycopg import errors
    except ImportError:
        return None
    return getattr(getattr(errors, name, None), "sqlstate", None)


def _message(line: str) -> str:
    """The line without what a logger puts before it."""
    head = re.compile(
        r"^.*?(?:ERROR|FATAL|FEHLER|ERREUR|ERRORE|ERRO|FEL|ОШИБКА|ПОМИЛКА|შეცდომა|오류|错误|エラー):\s+(?:[0-9A-Z]{5}:\s+)?"
        r"|^.*?\((?:sqlite3|psycopg2?|asyncpg)[\w.]*\)\s+|^[\w.]*(?:Error|Violation|Exception)[\w.]*:\s+"
    )  # fmt: skip
    return head.sub("", line, count=1).strip() or line


def _labelled(complaint: Complaint, label: re.Match[str]) -> Complaint:
    rest = label["rest"].strip().translate(QUOTES)
    if label["detail"]:
        return _keyed(_again(replace(complaint, detail=rest)))
    if label["hint"]:
        return replace(complaint, hint=rest)
    if label["table"]:
        return complaint if complaint.row else replace(complaint, table=rest)
    if label["column"]:
        return replace(complaint, columns=complaint.columns or (rest,))
    if label["constraint"]:
        return replace(complaint, constraint=rest)
    return replace(complaint, statement=complaint.statement or rest)


def _again(complaint: Complaint) -> Complaint:
    """The causes once more, now that there is a detail; the code stays."""
    causes = candidates(complaint.code, f"{complaint.text} {complaint.detail}")[1]
    return replace(complaint, causes=causes or complaint.causes)


def _finished(complaint: Complaint, sql: list[tuple[int, str]]) -> Complaint:
    return replace(complaint, statement=complaint.statement or (sql[0][1] if sql else None))


# -- names and values within a message --------------------------------------------------------------------

PLACES = (
    re.compile(r"constraint failed: (?!index)(?P<table>[^.\s,]+)\.(?P<columns>\S+(?:, \S+)*?)(?=\s*(?:[(\"'\[]|code\b|$))"),
    re.compile(r"constraint failed: index '(?P<constraint>[^']+)'"),
    re.compile(r"CHECK constraint failed: (?P<constraint>.+?)(?:\s*[\"'}\]].*)?$"),
    re.compile(r"table \"?(?P<table>[^\s\"]+)\"? has no column named \"?(?P<columns>[^\s\"]+)"),
    re.compile(r"no such table: (?:main\.|temp\.)?(?P<table>[^\s\"'}]+)"),
    re.compile(r"no such column: (?:(?P<table>\w+)\.)?(?P<columns>[^\s\"'}]+)"),
    re.compile(r"cannot store \w+ value in \w+ column (?P<table>[^.\s]+)\.(?P<columns>\S+)"),
    re.compile(r"foreign key mismatch - \"(?P<table>[^\"]+)\" referencing \"(?P<constraint>[^\"]+)\""),
    re.compile(r"(?:generated column|duplicate column name:?) \"?(?P<columns>[^\s\"]+)"),
    re.compile(r"table (?P<table>\S+) has \d+ columns but"),
    re.compile(r"リレーション\"(?P<table>[^\"]+)\"の列\"(?P<columns>[^\"]+)\""),
    re.compile(r"关系 ?\"(?P<table>[^\"]+)\" ?的 ?\"(?P<columns>[^\"]+)\""),
    re.compile(r"(?:the |Could not find the )'(?P<columns>[^']+)' column of '(?P<table>[^']+)'"),
    re.compile(r"Could not find the table '(?P<table>[^']+)'"),
    re.compile(r"column (?P<table>[a-z_]\w*)\.(?P<columns>\w+) does not exist"),
    re.compile(r"for (?:table|relation|view) (?P<table>\w[\w.]*)"),
)  # fmt: skip
QUOTED_NAMES = {
    "23505": ("constraint",),
    "23502": ("columns", "table"),
    "23503": ("table", "constraint"),
    "23514": ("table", "constraint"),
    "23P01": ("constraint",),
    "42P01": ("table",),
    "42703": ("columns", "table"),
    "42701": ("columns", "table"),
    "42704": ("constraint", "table"),
    "428C9": ("columns",),
    "42804": ("columns",),
    "42830": ("table",),
}
"""What the names in quotes are, in their order, in whatever language."""
KEY = re.compile(r"\((?P<columns>[^=]*?)\)=\((?P<values>.*)\)")


def _placed(complaint: Complaint, line: str) -> Complaint:
    found: dict[str, Any] = {}
    if at := OPERATION.search(line):
        table, row = at["table"] or at["table2"], at["row"] or at["row2"]
        found |= {"table": table.replace('"', ""), "row": row, "operation": at["operation"]}
    found |= {k: v for k, v in _names(complaint).items() if v and k not in found}
    if "table" not in found and (doing := DOING.search(line)):
        found["table"] = doing["table"]
    if isinstance(names := found.get("columns"), str):
        found["columns"] = tuple(part.rpartition(".")[2].strip('"`') for part in names.split(", "))
    return _keyed(replace(complaint, **found))


def _names(complaint: Complaint) -> dict[str, str | None]:
    for pattern in PLACES:
        if match := pattern.search(complaint.text):
            return match.groupdict()
    wanted = QUOTED_NAMES.get(complaint.code or "", ())
    return dict(zip(wanted, re.findall(r'"([^"]*)"', complaint.text), strict=False))


def _keyed(complaint: Complaint) -> Complaint:
    """With the columns and values of `Key (a, b)=(1, x)`, in whatever language around it."""
    if not (key := KEY.search(complaint.detail) or KEY.search(complaint.text)):
        return complaint
    columns = tuple(part.strip().strip('"') for part in key["columns"].split(", "))
    values = tuple(key["values"].split(", ")) if len(columns) > 1 else (key["values"],)
    return replace(complaint, columns=columns, values=values if len(values) == len(columns) else ())


def _each_once(found: list[Complaint]) -> list[Complaint]:
    """A chained traceback says the same thing twice; rows of a log are each their own."""
    kept: dict[tuple[Any, ...], Complaint] = {}
    for complaint in found:
        same = (complaint.code, complaint.text.rstrip("."), complaint.table, complaint.row)
        before = kept.get(same)
        if before is None:
            kept[same] = complaint
        else:
            kept[same] = replace(
                before,
                statement=before.statement or complaint.statement,
                detail=before.detail or complaint.detail,
                columns=before.columns or complaint.columns,
                values=before.values or complaint.values,
            )
    return list(kept.values())
