"""What was written is read again: by the statement itself where nothing else can happen, else by another."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import psycopg
import pyarrow as pa
import pytest

from syncnb.stores.port import WritableStore
from syncnb.stores.postgres_staged import PostgresStaged
from syncnb.stores.staging import NUMBER
from tests.databases import Workbench
from tests.stores.test_writers import ENGINES, ITEMS, delete, insert, update, values, writable

Made: TypeAlias = Callable[..., WritableStore]


@pytest.fixture
def made(bench: Workbench) -> Made:
    """Makes a writable PostgreSQL database out of SQL statements."""
    return lambda *statements: writable(bench.postgresql(*statements))


MEDDLERS = {
    "nothing": ((), "new"),
    "a check and a reference": (("ALTER TABLE items ADD CHECK (price < 100)",), "new"),
    "a trigger before it": (
        ("CREATE TRIGGER t BEFORE {verb} ON items FOR EACH ROW EXECUTE FUNCTION early()",),
        "early",
    ),
    "a trigger after it": (
        ("CREATE TRIGGER t AFTER {verb} ON items FOR EACH ROW EXECUTE FUNCTION late()",),
        "late",
    ),
    "a trigger on the statement": (
        ("CREATE TRIGGER t AFTER {verb} ON items EXECUTE FUNCTION late()",),
        "late",
    ),
}
FUNCTIONS = (
    "CREATE FUNCTION early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'early'; RETURN NEW; END $$",
    """CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN IF pg_trigger_depth() < 2 THEN UPDATE items SET name = 'late' WHERE name = 'new'; END IF; RETURN NULL; END $$""",
)


@pytest.mark.parametrize("verb", ["insert", "update"])
@pytest.mark.parametrize(("statements", "becomes"), MEDDLERS.values(), ids=MEDDLERS)
def test_rows_are_read_as_they_are_after_all_that_happens(
    made: Made, statements: tuple[str, ...], becomes: str, verb: str
) -> None:
    store = made(*ITEMS, *FUNCTIONS, *(each.format(verb=verb.upper()) for each in statements))
    step = (
        insert("items", ["id", "name", "price"], (7, "new", "1.005"), (5, "new", None))
        if verb == "insert"
        else update("items", "name", (3, "", "new"), (1, "one", "new"))
    )
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], step)
        count, found = staged.write_and_read(["name", "id", "price"])
        assert (count, found.schema.names) == (2, [NUMBER, "name", "id", "price"])
        assert values(found) == values(staged.present(["name", "id", "price"]))
        assert [row[:2] for row in values(found)] == [(0, becomes), (1, becomes)]


def test_a_cascade_within_the_table_is_read_too(made: Made) -> None:
    """The row that is written refers to itself: what its reference becomes is not known to the statement."""
    store = made(
        "CREATE TABLE items (id int PRIMARY KEY, code text UNIQUE, boss text REFERENCES items (code) ON UPDATE CASCADE)",
        "INSERT INTO items VALUES (1, 'a', 'a')",
    )
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], update("items", "code", (1, "a", "b")))
        assert values(staged.write_and_read(["code", "boss"])[1]) == [(0, "b", "b")]


def test_a_trigger_that_comes_in_between_is_seen(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(*ITEMS, *FUNCTIONS)
    asked = PostgresStaged._alone
    made_meanwhile: list[bool] = []

    def then_somebody_adds_one(staged: PostgresStaged) -> bool:
        alone = asked(staged)
        if not made_meanwhile:
            with psycopg.connect(**dict(store.parameters), autocommit=True) as other:  # type: ignore[attr-defined]
                other.execute("CREATE TRIGGER t AFTER UPDATE ON items FOR EACH ROW EXECUTE FUNCTION late()")
        made_meanwhile.append(alone)
        return alone

    monkeypatch.setattr(PostgresStaged, "_alone", then_somebody_adds_one)
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "new")))
        count, found = staged.write_and_read(["name"])
        assert (count, values(found), made_meanwhile) == (1, [(0, "late")], [True, False])


NOT_ALONE = {
    "a policy": "ALTER TABLE items ENABLE ROW LEVEL SECURITY",
    "a rule": "CREATE RULE r AS ON UPDATE TO items DO ALSO INSERT INTO log VALUES (1)",
    "a table that inherits": "CREATE TABLE heirs () INHERITS (items)",
    "a trigger that is off": "CREATE TRIGGER t AFTER UPDATE ON items EXECUTE FUNCTION late(); ALTER TABLE items DISABLE TRIGGER t",
    "a unique rule that is checked late": "ALTER TABLE items ADD UNIQUE (name) DEFERRABLE",
}
"""Some of it harmless; then the rows are looked for all the same."""


@pytest.mark.parametrize("statement", NOT_ALONE.values(), ids=NOT_ALONE)
def test_where_more_could_happen_the_rows_are_looked_for(made: Made, statement: str) -> None:
    store = made(*ITEMS, *FUNCTIONS, "CREATE TABLE log (n int)", statement)
    with store.writing() as writer:
        staged = writer.stage(writer.schema()["items"], update("items", "name", (1, "one", "new")))
        assert not staged._alone()  # type: ignore[attr-defined]
        assert values(staged.write_and_read(["name"])[1]) == [(0, "new")]


def test_where_nothing_can_the_rows_are_not_looked_for(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made(*ITEMS)
    steps = (
        update("items", "name", (1, "one", "new")),
        insert("items", ["id", "name"], (9, "b"), (8, "a")),
        # A key that the database spells otherwise: the order cannot be believed, so they are looked for.
        insert("items", ["price", "id"], ("7", 7), key=("price",)),
    )
    looked: list[str] = []
    present = PostgresStaged.present

    def looking(staged: PostgresStaged, columns: Sequence[str]) -> pa.RecordBatch:
        looked.append(staged.layout.block.verb)
        return present(staged, columns)

    monkeypatch.setattr(PostgresStaged, "present", looking)
    with store.writing() as writer:
        table = writer.schema()["items"]
        found = [values(writer.stage(table, step).write_and_read(["id", "name"])[1]) for step in steps]
        assert found == [[(0, 1, "new")], [(0, 9, "b"), (1, 8, "a")], [(0, 7, "none")]]
    assert looked == ["insert"]


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_write_and_read(bench: Workbench, engine: str) -> None:
    store = writable(bench.make(engine, *ITEMS))
    with store.writing() as writer:
        table = writer.schema()["items"]
        names = ["id", "name"]
        for step, count, rows in (
            (update("items", "name", (3, "", "c"), (9, "x", "y"), (1, "no", "a")), 1, {(0, 3, "c")}),
            (insert("items", ["id"], (7,)), 1, {(0, 7, "none")}),
            (delete("items", ["name"], (7, ("none",)), (2, ("no",))), 1, {(1, 2, None)}),
        ):
            staged = writer.stage(table, step)
            told, found = staged.write_and_read(names)
            assert (told, found.schema.names) == (count, [NUMBER, *names])
            assert rows <= set(values(found))
            staged.drop()


SIZES = {
    "rows enough": (3, 2**30, True),
    "a row too many": (2, 2**30, False),
    "too many bytes": (3, 100, False),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("rows", "size", "within"), SIZES.values(), ids=SIZES)
def test_whether_a_table_is_small(bench: Workbench, engine: str, rows: int, size: int, within: bool) -> None:
    store = bench.make(engine, 'CREATE TABLE "100%s" (id int)', 'INSERT INTO "100%s" VALUES (1), (2), (3)')
    with store.reading() as reader:
        assert reader.is_within(reader.schema()["100%s"], rows=rows, size=size) is within
