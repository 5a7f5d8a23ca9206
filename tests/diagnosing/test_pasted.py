"""What people paste: logs, tracebacks, JSON with escapes, other languages, other drivers."""

import gettext
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import syncnb as sn
from syncnb.diagnosing import pasted
from syncnb.diagnosing.causes import candidates, codes, languages
from syncnb.diagnosing.causes.wording import KEPT
from syncnb.diagnosing.pasted import complaints
from syncnb.diagnosing.statements import statements
from syncnb.examples.missing_constraint import MESSAGE

NOT_COVERED = "there is no unique or exclusion constraint matching the ON CONFLICT specification"

PASTES = {
    "SQLAlchemy's traceback, with everything twice": (
        'psycopg.errors.UniqueViolation: duplicate key value violates unique constraint "t_pkey"\n'
        "DETAIL:  Key (id)=(1) already exists.\n\nThe above exception was the direct cause of the following exception:\n\n"
        'sqlalchemy.exc.IntegrityError: (psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "t_pkey"\n'
        "DETAIL:  Key (id)=(1) already exists.\n[SQL: INSERT INTO t (a)\nVALUES (%(a)s)]\n[parameters: {'a': 4}]",
        [{"code": "23505", "constraint": "t_pkey", "columns": ("id",), "values": ("1",), "statement": "INSERT INTO t (a)\nVALUES (%(a)s)"}],
    ),
    "PostgREST": (
        f'{{"code":"42P10","details":null,"hint":null,"message":"{NOT_COVERED}"}}',
        [{"code": "42P10"}],
    ),
    "PostgREST, stale": (
        """{"code":"PGRST204","message":"Could not find the 'c' column of 't' in the schema cache"}""",
        [{"code": "PGRST204", "table": "t", "columns": ("c",)}],
    ),
    "JSON within JSON": (
        r'{"level":"error","error":"{\"code\":\"23505\",\"message\":\"duplicate key value violates unique constraint \\\"u\\\"\",\"details\":\"Key (a, b)=(1, x) already exists.\"}"}',
        [{"code": "23505", "constraint": "u", "columns": ("a", "b"), "values": ("1", "x")}],
    ),
    "PDO and SQLite": (
        "SQLSTATE[23000]: Integrity constraint violation: 19 UNIQUE constraint failed: hosts.id",
        [{"code": "19", "table": "hosts", "columns": ("id",)}],
    ),
    "Go": ("ERROR: null value in column \"a\" of relation \"t\" violates not-null constraint (SQLSTATE 23502)", [{"code": "23502", "table": "t", "columns": ("a",)}]),
    "node-sqlite": ("SqliteError: UNIQUE constraint failed: t.a, t.b code: 'SQLITE_CONSTRAINT_UNIQUE'", [{"code": "2067", "table": "t"}]),
    "sqlx": ("error returned from database: (code: 1555) UNIQUE constraint failed: t.id", [{"code": "1555", "table": "t", "columns": ("id",)}]),
    "a server's log": (
        '2026-01-01 10:00:00 UTC [99] ERROR:  insert or update on table "c" violates foreign key constraint "c_p_fkey"\n'
        '2026-01-01 10:00:00 UTC [99] DETAIL:  Key (p)=(5) is not present in table "p".\n'
        "2026-01-01 10:00:00 UTC [99] STATEMENT:  INSERT INTO c VALUES (5)",
        [{"code": "23503", "table": "c", "constraint": "c_p_fkey"}],
    ),
    "the swallowed first error": (
        "InFailedSqlTransaction: current transaction is aborted, commands ignored until end of transaction block\n"
        'ERROR: relation "x" does not exist',
        [{"code": "25P02"}, {"code": "42P01", "table": "x"}],
    ),
    "German": (
        "FEHLER:  doppelter Schlüsselwert verletzt Unique-Constraint »t_pkey«\nDETAIL:  Schlüssel »(id)=(1)« existiert bereits.",
        [{"code": "23505", "constraint": "t_pkey", "columns": ("id",), "values": ("1",)}],
    ),
    "Russian": (
        'ОШИБКА:  значение NULL в столбце "a" отношения "t" нарушает ограничение NOT NULL',
        [{"code": "23502", "table": "t", "columns": ("a",)}],
    ),
    "Japanese, in its own order": (
        'ERROR:  リレーション"t"の列"a"のNULL値が非NULL制約に違反しています',
        [{"code": "23502", "table": "t", "columns": ("a",)}],
    ),
    "JSON that names its table in a field of its own": (
        r'{"table":"hosts","code":"23505","message":"duplicate key value violates unique constraint \"u\"","detail":"Key (name)=(a) already exists."}',
        [{"code": "23505", "table": "hosts", "columns": ("name",), "values": ("a",), "constraint": "u"}],
    ),
    "JSON without a message": (
        '{"table":"hosts","code":"23505","column":"name"}', [{"code": "23505", "table": "hosts", "columns": ("name",)}],
    ),
    "JSON that names its table around the error": (
        '{"tableName": "hosts", "error": {"code": "23502", "message": "no value"}}', [{"code": "23502", "table": "hosts"}],
    ),
    "JSON with several errors, each with its table": (
        '{"errors": [{"table": "a", "code": "23505", "message": "x"}, {"table": "b", "code": "23502", "message": "y"}]}',
        [{"code": "23505", "table": "a"}, {"code": "23502", "table": "b"}],
    ),
    "a message that names a row, and another table beside it": (
        '{"table": "sync_log", "code": "19", "message": "Failed to sync INSERT operation for hosts:5: UNIQUE constraint failed: hosts.id"}',
        [{"table": "hosts", "row": "5"}],
    ),
    "YAML": (
        'error:\n  code: "23505"\n  message: duplicate key value violates unique constraint "u"\n  detail: Key (a, b)=(1, x) already exists.\n',
        [{"code": "23505", "constraint": "u", "columns": ("a", "b"), "values": ("1", "x")}],
    ),
    "YAML, the code last and quotes within quotes": (
        'message: "duplicate key value violates unique constraint \\"u\\""\ncode: 23505',
        [{"code": "23505", "constraint": "u"}],
    ),
    "YAML, a list, texts of several lines": (
        "- code: 23505\n  message: |\n    duplicate key value violates\n    unique constraint \"u\"\n  table: hosts\n"
        "- code: 23502\n  message: null value in column \"n\" violates\n    not-null constraint\n  table: domains\n",
        [{"code": "23505", "table": "hosts", "constraint": "u"}, {"code": "23502", "table": "domains", "columns": ("n",)}],
    ),
    "what node prints of an error": (
        "error: duplicate key value violates unique constraint \"u\"\n    at Parser.parseErrorMessage (parser.js:283:98) {\n  length: 200,\n"
        "  severity: 'ERROR',\n  code: '23505',\n  detail: 'Key (name)=(a) already exists.',\n  hint: undefined,\n  column: null,\n  table: 'hosts',\n  constraint: 'u'\n}",
        [{"code": "23505", "table": "hosts", "constraint": "u", "values": ("a",), "hint": ""}],
    ),
    "the code of an error apart from its message": (
        "duplicate key value violates unique constraint \"u\"\n\n  code: '23505',\n  table: 'hosts',",
        [{"code": "23505", "table": "hosts", "constraint": "u"}],
    ),
    "psql, verbose": (
        'ERROR:  23514: new row violates it\nSCHEMA NAME:  public\nTABLE NAME:  hosts\nCOLUMN NAME:  n\nCONSTRAINT NAME:  c\nLOCATION:  a, b.c:1',
        [{"code": "23514", "table": "hosts", "columns": ("n",), "constraint": "c"}],
    ),
    "fields that are no error": (
        "code: review\ntable: hosts\nERROR: deadlock detected", [{"code": "40P01", "table": None}],
    ),
    "text around it": (
        f"Hi team, since this morning we see this:\n> Failed to insert products: {NOT_COVERED}\nAny idea? Thanks!",
        [{"code": "42P10", "table": "products"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pasted", "wanted"), PASTES.values(), ids=PASTES)
def test_what_was_pasted_is_read(pasted: str, wanted: list[dict[str, object]]) -> None:
    found = complaints(pasted)
    assert [{name: getattr(c, name) for name in w} for c, w in zip(found, wanted, strict=True)] == wanted


@pytest.mark.parametrize("name", ["YAML, a list, texts of several lines", "JSON without a message"])
def test_where_it_is_and_each_cause_once(name: str) -> None:
    frame = sn.diagnose(PASTES[name][0]).frame
    assert not frame.duplicated(["cause"]).any()
    wanted = PASTES[name][1]
    places = {
        f"{each['table']} ({', '.join(each['columns'])})" if each.get("columns") else each["table"]
        for each in wanted
    }  # type: ignore[arg-type]
    assert set(frame["where"]) == places


def test_the_message_of_the_incident() -> None:
    found = complaints(MESSAGE)
    assert [(c.code, c.table) for c in found] == [("42P10", "products"), ("42P10", "modifiers")]


def test_lines_that_name_rows_are_each_their_own() -> None:
    log = "\n".join(
        f"ERROR - Failed to sync INSERT operation for hosts:{n}: (sqlite3.IntegrityError) UNIQUE constraint failed: hosts.id"
        for n in range(300)
    )
    found = complaints(log + "\n" + log)
    assert len(found) == 300
    assert {c.operation for c in found} == {"INSERT"}


def test_a_driver_s_exception_has_its_code() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError) as caught:
        connection.execute("INSERT INTO t VALUES (1)")
    (found,) = complaints(caught.value)
    assert (found.code, found.engine, found.table, found.columns) == ("1555", "sqlite", "t", ("id",))


HOSTILE = {
    "braces without end": "{" * 50_000,
    "a deep document": '{"error":' * 3000 + '"x"' + "}" * 3000,
    "a long line": "UNIQUE constraint failed: " + "a" * 1_000_000,
    "a field of blanks": "code: 23505\nmessage:" + " " * 15_000 + "x" + " " * 4_000,
    "a field that goes on": "code: 23505\nmessage: |\n" + "  x\n" * 50_000,
    "many quotes": 'ERROR: "' * 20_000,
    "controls": "ERROR: \x00\x1b[31m duplicate key value violates \u202e",
    "nothing": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_paste_is_only_text(text: str) -> None:
    assert complaints(text)


MESSAGES = {
    'duplicate key value violates unique constraint "%s"': "23505",
    NOT_COVERED: "42P10",
    'null value in column "%s" of relation "%s" violates not-null constraint': "23502",
    'insert or update on table "%s" violates foreign key constraint "%s"': "23503",
    'new row for relation "%s" violates check constraint "%s"': "23514",
    'relation "%s" does not exist': "42P01",
    'column "%s" of relation "%s" does not exist': "42703",
    "value too long for type character varying(%d)": "22001",
    "deadlock detected": "40P01",
    'could not create unique index "%s"': "23505",
    "canceling statement due to statement timeout": "57014",
    "canceling statement due to lock timeout": "55P03",
    'invalid input syntax for type %s: "%s"': "22P02",
    "integer out of range": "22003",
    "current transaction is aborted, commands ignored until end of transaction block": "25P02",
    "cannot execute %s in a read-only transaction": "25006",
    "could not serialize access due to concurrent update": "40001",
    'cannot insert a non-DEFAULT value into column "%s"': "428C9",
    'relation "%s" already exists': "42P07",
    "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters": "55000",
}
CATALOGUES = sorted(Path("/usr/share/locale").glob("*/LC_MESSAGES/postgres-*.mo"))


@pytest.mark.skipif(not CATALOGUES, reason="PostgreSQL's translations are not on this machine")
@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-3])
def test_a_server_may_speak_another_language(path: Path) -> None:
    """Against the translations of the server itself."""
    with path.open("rb") as file:
        spoken = gettext.GNUTranslations(file)
    told = {text: spoken.gettext(text) for text in MESSAGES}
    wrong = {
        said: candidates(None, said)[0]
        for text, said in told.items()
        if said != text and candidates(None, said)[0] != MESSAGES[text]
    }
    assert not wrong


STATEMENTS = {
    "an upsert": ("insert into s.t(id, a) values (9, 'x;y') on conflict (a) where b is null do update set b = 1", {"verb": "insert", "table": "s.t", "columns": ("id", "a"), "values": (("9", "'x;y'"),), "target": ("a",), "target_where": "b is null", "updates": True}),
    "quoted names": ('INSERT INTO "My Table" ("A b") VALUES (1) ON CONFLICT ("A b") DO NOTHING', {"table": "My Table", "columns": ("A b",), "target": ("A b",), "updates": False}),
    "an expression": ("INSERT INTO t VALUES (1) ON CONFLICT (coalesce(a, 0), b) DO NOTHING", {"target": ("coalesce(a, 0)", "b")}),
    "on a constraint": ("INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT u DO NOTHING", {"on_constraint": "u", "target": None}),
    "INSERT … SELECT": ("insert into t select * from s on conflict do nothing", {"selects": True, "upserts": True}),
    "REPLACE": ("INSERT OR REPLACE INTO t VALUES (1)", {"replaces": True}),
    "an index": ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a, lower(b))", {"verb": "create unique index", "table": "t", "name": "i", "columns": ("a", "lower(b)")}),
    "a new column": ("ALTER TABLE ONLY t ADD COLUMN IF NOT EXISTS z int NOT NULL", {"verb": "alter table", "table": "t", "columns": ("z",)}),
    "a constraint": ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, b)", {"columns": ("a", "b"), "name": "u"}),
    "supabase": ("await db.from('products').upsert(rows, { onConflict: 'a,b' })", {"table": "products", "target": ("a", "b")}),
    "PostgREST's address": ("POST /rest/v1/products?on_conflict=a,b", {"target": ("a", "b")}),
    "an update": ("UPDATE t SET a = 5, b = b + 1 WHERE id = 3", {"verb": "update", "table": "t", "columns": ("a", "b")}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), STATEMENTS.values(), ids=STATEMENTS)
def test_statements_are_read(text: str, wanted: dict[str, object]) -> None:
    found = statements(text)[-1]
    assert {name: getattr(found, name) for name in wanted} == wanted


SECRET = "s3cr3t-Zw9"


@pytest.mark.parametrize(
    "text",
    [
        f"connection to postgresql://ann:{SECRET}@db.example:5432/shop failed: connection refused",
        f"FATAL: password authentication failed for user ann (password={SECRET})",
        f"ERROR: syntax error at or near: ALTER ROLE ann PASSWORD '{SECRET}'",
        f'{{"error": "connection refused", "url": "postgres://ann:{SECRET}@db/x"}}',
        f'relation "x" does not exist [headers: Authorization: Bearer {SECRET}]',
    ],
)
def test_passwords_of_a_paste_are_not_repeated(text: str) -> None:
    found = sn.diagnose(text)
    shown = repr(found) + found._repr_html_() + str(found.to_json()) + found.frame.to_csv()
    assert SECRET not in shown
    assert SECRET not in repr(complaints(text))


ALIKE = {
    "the same line": (lambda number: "code: 5", 1, 1),
    "lines that differ in their numbers": (lambda number: f"12:00:{number % 60:02} [{number}] code: 5", 2000, 3),
}  # fmt: skip


@pytest.mark.parametrize(("line", "complained", "asked"), ALIKE.values(), ids=ALIKE)
def test_what_thousands_of_lines_point_to_is_asked_once(
    line: Callable[[int], str], complained: int, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two that tell something among them, and one whose number matters."""
    texts: list[str] = []
    monkeypatch.setattr(pasted, "candidates", lambda code, text: texts.append(text) or candidates(code, text))
    telling = [
        "code: 5 database is locked",
        "code: 2067 UNIQUE constraint failed: t.a",
        "code: 5 and \\u0000",
    ]
    found = pasted.complaints(
        "\n".join([*map(line, range(1, 1001)), *telling, *map(line, range(1001, 2001))])
    )
    assert (len(found), len(texts) - len(telling)) == (complained + 3, asked)
    told = [(each.code, each.causes[0], each.table) for each in found if each.causes]
    assert told == [
        ("5", "lock_contention", None),
        ("2067", "other_unique_violated", "t"),
        ("5", "null_byte_in_text", None),
    ]


def test_every_number_that_a_wording_asks_for_is_kept() -> None:
    """Of lines of one shape only one is looked at."""
    wordings = [sign.text for sign in codes.SIGNS] + [
        *codes.ENGLISH.values(),
        *(s for _, s in languages.STEMS),
    ]
    plain = [re.sub(r"\\d|\{[\d,]+\}", "", wording) for wording in wordings]
    numbers = {number for wording in plain for number in re.findall(r"\d+", wording)}
    assert {"0", "00", "0000", "65535"} <= numbers
    assert {number for number in numbers if not KEPT.fullmatch(number)} == set()
    assert [wording for wording in wordings if re.search(r"\\[A-Z]|\d\{", wording)] == []
