"""Columns, rules and indexes are added and taken back while others write: every row survives, and the catalogue comes back.

The oracle reads rows and definitions from the database itself, and keeps what it saw before each run. Invariants: 1 (no row or value is lost
but what is allowed as lossy), 3 (again is a no-op), 4 (undo brings back each definition by its text), 6 (applied, or nothing has changed).
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import syncnb as sn
from tests.machines.world import Machine, cases, keys, typed, values
from tests.proof.counting import count, judged

TABLES = (
    "CREATE TABLE t (k INTEGER PRIMARY KEY, u{any}, v TEXT, n INTEGER DEFAULT 7, CHECK (n > 0)) -- kept",
    "CREATE TABLE c (k INTEGER PRIMARY KEY, t INTEGER REFERENCES t ON DELETE CASCADE, s{any})",
    "CREATE TABLE log (k {number}, said TEXT)",
    "CREATE INDEX plain ON t (v)",
    "CREATE VIEW w AS SELECT k, u FROM t",
)
TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER told AFTER DELETE ON t BEGIN INSERT INTO log (said) VALUES ('gone ' || OLD.k); END",
    ),
    "postgresql": (
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO public.log (said) VALUES ('gone ' || OLD.k); RETURN NULL; END$$",
        "CREATE TRIGGER told AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION tell()",
    ),
}
STEPS: dict[str, Any] = {
    "a column": [sn.remedy("add_column", "t", "x", type="TEXT")],
    "a column that is filled": [sn.remedy("add_column", "t", "y", type="TEXT"), sn.remedy("backfill", "t", "y", source="v")],
    "a unique rule": [sn.remedy("unique", "t", "u", name="one u")],
    "a partial rule": [sn.remedy("unique", "t", ("v",), where="n > 7", name="one v")],
    "an index": [sn.remedy("index", "c", ("s", "t"), name="by s")],
    "not null": [sn.remedy("not_null", "t", "u")],
    "two at once": [sn.remedy("not_null", "c", "t"), sn.remedy("unique", "c", ("t", "s"), name="one s")],
}  # fmt: skip
SEEN = {
    "sqlite": "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name IN ('t', 'c', 'log', 'w') ORDER BY 1, 2",
    "postgresql": """
SELECT 'column', attrelid::regclass::text, attname::text, format_type(atttypid, atttypmod) || ' ' || attnotnull || ' '
    || coalesce((SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum), '')
FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'c'::regclass, 'log'::regclass, 'w'::regclass) AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'rule', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) || ' ' || convalidated
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) || ' ' || indisvalid
FROM pg_index WHERE indrelid IN ('t'::regclass, 'c'::regclass, 'log'::regclass)
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid) || ' ' || tgenabled::text
FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ('t'::regclass, 'c'::regclass, 'log'::regclass)
UNION ALL SELECT 'view', 'w', '', pg_get_viewdef('w'::regclass) ORDER BY 1, 2, 3, 4
""",
}
SOUND = {
    "sqlite": {"PRAGMA foreign_key_check": [], "PRAGMA integrity_check": [("ok",)]},
    "postgresql": {
        "SELECT conname FROM pg_constraint WHERE NOT convalidated": [],
        "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid": [],
    },
}
"""What a database says where nothing is half done."""
Rows = dict[str, dict[Any, dict[str, Any]]]


class Migrating(Machine):
    def __init__(self) -> None:
        number = "INTEGER PRIMARY KEY" if self.engine == "sqlite" else "SERIAL PRIMARY KEY"
        tables = (statement.replace("{number}", number) for statement in TABLES)
        self.ddl = (*tables, *TRIGGERS[self.engine])
        super().__init__()
        self.runs: list[tuple[sn.Report, list[Any], list[Any], Rows]] = []
        """Each with the catalogue before and after, and the rows after."""

    @property
    def catalogue(self) -> list[Any]:
        return self.remote.ask(SEEN[self.engine])

    @property
    def rows(self) -> Rows:
        found: Rows = {}
        for table in ("t", "c", "log"):
            cursor = self.remote.connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            found[table] = {row[0]: dict(zip(names, map(typed, row), strict=True)) for row in cursor}
        return found

    @initialize(rows=st.lists(st.tuples(keys, values, values), max_size=5))
    def fill(self, rows: list[tuple[int, Any, Any]]) -> None:
        for k, u, v in rows:
            self.remote.run("INSERT INTO t (k, u, v) VALUES (?, ?, ?)", k, u, v)
            self.remote.run("INSERT INTO c VALUES (?, ?, ?)", 10 + k, k, u)

    @rule(
        k=keys, u=values, v=values, n=st.integers(0, 9), how=st.sampled_from(["insert", "update", "delete"])
    )
    def edit(self, k: int, u: Any, v: Any, n: int, how: str) -> None:
        """Somebody else writes; the CHECK of the table holds at all times."""
        if how == "delete":
            self.remote.run("DELETE FROM t WHERE k = ?", k)
        elif how == "update":
            took = self.remote.run("UPDATE t SET u = ?, v = ?, n = ? WHERE k = ?", u, v, n, k)
            assert n or not took or k not in self.rows["t"], "the CHECK was lost"
        else:
            assert not self.remote.run("INSERT INTO t (k, u, v, n) VALUES (?, ?, ?, 0)", k, u, v), (
                "the CHECK was lost"
            )
            self.remote.run("INSERT INTO t (k, u, v, n) VALUES (?, ?, ?, ?)", k, u, v, n + 1)

    def _columns(self) -> list[str]:
        return [column[0] for column in self.remote.connection.execute("SELECT * FROM t").description]

    @rule(k=keys, value=values, column=st.sampled_from("xy"))
    def fill_the_new_column(self, k: int, value: Any, column: str) -> None:
        if column in self._columns():
            self.remote.run(f"UPDATE t SET {column} = ? WHERE k = ?", value, k)

    @rule(what=st.sampled_from(sorted(STEPS)), drift=st.one_of(st.none(), st.tuples(keys, values)))
    def migrate(self, what: str, drift: tuple[int, Any] | None) -> None:
        """Drawn, then perhaps written to by somebody, then applied, twice."""
        store = self.remote.store
        try:
            p = sn.migrate(store, STEPS[what])
        except sn.PlanError:
            return
        if drift:
            self.remote.run("UPDATE t SET u = ?, v = u WHERE k = ?", drift[1], drift[0])
        before, catalogue = self.rows, self.catalogue
        try:
            r = sn.apply(p, store, allow=allowed(p), progress=False)
        except (sn.PlanError, sn.WriteError) as problem:  # seen beforehand, or by the database itself
            assert drift, problem
            with judged():
                assert (self.rows, self.catalogue) == (before, catalogue), (
                    f"{problem}, and something has changed"
                )
            return
        after, now = self.rows, self.catalogue
        if r.status != "applied":
            with judged():
                assert (after, now) == (before, catalogue), f"{r.status}, and something has changed"
            assert drift or r.status == "nothing to do", r.results
            return
        with judged():
            assert without_nulls(kept(before, after), before) == without_nulls(before, before), (
                "a row was lost or changed"
            )
            assert what == "a column that is filled" or kept(before, after) == before
        self._holds(what)
        assert sn.verify(r, store)
        self.runs.append((r, catalogue, now, after))
        again = sn.apply(p, store, allow=allowed(p), progress=False)
        assert (again.status, self.rows, self.catalogue) == ("already applied", after, now)

    def _holds(self, what: str) -> None:
        """What the migration promised, asked of the database."""
        sql = {
            "a unique rule": "SELECT u FROM t WHERE u IS NOT NULL GROUP BY u HAVING count(*) > 1",
            "a partial rule": "SELECT v FROM t WHERE n > 7 AND v IS NOT NULL GROUP BY v HAVING count(*) > 1",
            "not null": "SELECT 1 FROM t WHERE u IS NULL",
            "a column that is filled": "SELECT 1 FROM t WHERE y IS NULL AND v IS NOT NULL",
            "a column": "SELECT 1 FROM t WHERE x IS NOT NULL",
        }.get(what)
        assert sql is None or self.remote.ask(sql) == []
        assert {query: self.remote.ask(query) for query in SOUND[self.engine]} == SOUND[self.engine]

    @precondition(lambda self: self.runs)
    @rule(back=st.integers(1, 3), lossy=st.booleans())
    def undo(self, back: int, lossy: bool) -> None:
        at = len(self.runs) - min(back, len(self.runs))
        r, before, after, wrote = self.runs[at]
        rows, catalogue = self.rows, self.catalogue
        store = self.remote.store
        try:
            p = sn.undo(r, store)
        except sn.PlanError as problem:
            assert at < len(self.runs) - 1 or rows != wrote, problem
            return
        allow = allowed(p) if lossy else tuple(set(allowed(p)) - {"lossy"})
        try:
            undone = sn.apply(p, store, allow=allow, progress=False)
        except sn.PlanError as problem:  # a later migration has written this definition anew
            with judged():
                assert (self.rows, self.catalogue) == (rows, catalogue), (
                    f"{problem}, and something has changed"
                )
            assert at < len(self.runs) - 1, problem
            return
        found, now = self.rows, self.catalogue
        if undone.status != "applied":
            with judged():
                assert (found, now) == (rows, catalogue), f"{undone.status}, and something has changed"
            assert not lossy or at < len(self.runs) - 1 or rows != wrote, (undone.status, undone.results)
            return
        count("undos that were applied")
        with judged():
            assert kept(found, rows) == found, "the undo of a definition changed a row"
            assert {t: set(found[t]) for t in found} == {t: set(rows[t]) for t in rows}, "the undo lost a row"
        gone = {name for row in rows["t"].values() for name in row} - {
            name for row in found["t"].values() for name in row
        }
        written = [k for k, row in rows["t"].items() if "x" in gone and row["x"] != typed(None)]
        assert lossy or not written, "values went with a column, and nobody allowed it"
        if catalogue == after:
            assert now == before, "the catalogue is not as it was"
        del self.runs[at]
        count("undos of migrations, rows and definitions as before")


def allowed(plan: sn.Plan) -> tuple[str, ...]:
    return tuple({hazard.name for hazard in plan.hazards})


def kept(before: Rows, after: Rows) -> Rows:
    """The rows after, with the columns that they had before."""
    return {
        table: {
            k: {name: row.get(name) for name in next(iter(before[table].values()), {})}
            for k, row in rows.items()
        }
        for table, rows in after.items()
    }


def without_nulls(rows: Rows, where: Rows) -> Rows:
    """Without the cells of y that were NULL: those may be filled."""
    nothing = typed(None)
    return {
        table: {
            k: {name: cell for name, cell in row.items() if name != "y" or where[table][k][name] != nothing}
            for k, row in found.items()
        }
        for table, found in rows.items()
    }


TestMigrating, TestMigratingPostgres = cases(Migrating, sqlite=(20, 8), postgresql=(3, 5))
