"""Roles with exactly what a plan needs, with less, with other eyes, and with more than is good."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

import syncnb as sn
from syncnb import journal
from tests.databases import Workbench
from tests.test_repair import everything

ROLE = "exact clerk"
DDL = (
    "CREATE TABLE p (id {serial} PRIMARY KEY, name VARCHAR(20) UNIQUE, note VARCHAR(20))",
    "CREATE TABLE c (id {number} PRIMARY KEY, p_id INTEGER REFERENCES p ON DELETE CASCADE, v VARCHAR(9), w VARCHAR(9))",
    "CREATE TABLE kid (id INTEGER PRIMARY KEY, c_id INTEGER REFERENCES c ON DELETE SET NULL)",
)
LOCAL = (
    "INSERT INTO p VALUES (1, 'one', 'new'), (4, 'four', NULL)",
    "INSERT INTO c VALUES (10, 1, 'new', 'w'), (13, 4, 'v', 'w')",
)
REMOTE = (
    "INSERT INTO p VALUES (1, 'one', 'old'), (2, 'two', NULL)",
    "INSERT INTO c VALUES (10, 1, 'old', 'w'), (11, 2, 'v', 'w')",
    "INSERT INTO kid VALUES (1, 11), (2, 10)",
)
ALLOW = ("deletes", "cascades")
Scene = tuple[sn.Store, sn.Store, str]
"""Local, remote as its owner, and the address of the remote as the role."""


@pytest.fixture
def scene(bench: Workbench, pg: str) -> Iterator[Scene]:
    """A local file, the same PostgreSQL database as its owner sees it, and as a role that may nothing."""
    here = {"serial": "INTEGER", "number": "INTEGER"}
    there = {"serial": "serial", "number": "INTEGER GENERATED ALWAYS AS IDENTITY"}
    local = bench.sqlite(*(ddl.format(**here) for ddl in DDL), *LOCAL)
    with psycopg.connect(pg, autocommit=True) as owner:
        for statement in (*(ddl.format(**there) for ddl in DDL), *REMOTE):
            owner.execute(statement.replace("INTO c VALUES", "INTO c OVERRIDING SYSTEM VALUE VALUES"))
        owner.execute(journal.install_sql("postgresql").encode())
        owner.execute(f"CREATE ROLE \"{ROLE}\" LOGIN PASSWORD 'pw'")
        owner.execute(f"REVOKE ALL ON DATABASE {owner.info.dbname} FROM PUBLIC")
        owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    address = f"postgresql://{ROLE.replace(' ', '%20')}:pw@{pg.rpartition('@')[2]}"
    yield local, sn.connect(pg, writable=True), address
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(f'DROP OWNED BY "{ROLE}"')
        owner.execute(f'DROP ROLE "{ROLE}"')


@contextmanager
def without(pg: str, statement: str) -> Iterator[None]:
    """While this right is taken away."""
    with psycopg.connect(pg, autocommit=True) as owner:
        owner.execute(statement.replace("GRANT ", "REVOKE ", 1).replace(" TO ", " FROM ").encode())
        yield
        owner.execute(statement.encode())


def drawn(local: sn.Store, owner: sn.Store) -> sn.Plan:
    d = sn.diff(local, owner, ["p", "c"])
    return sn.plan(d, into=owner, resolve=sn.take_local, deletes=True)


def test_exactly_these_rights_are_enough_and_each_is_needed(pg: str, scene: Scene) -> None:
    local, owner, address = scene
    p = drawn(local, owner)
    before = everything(owner)
    needed = sn.required_grants(p, owner, role=ROLE)
    with psycopg.connect(pg, autocommit=True) as connection:
        connection.execute(needed.sql.encode())
    clerk = sn.connect(address, writable=True)
    seen = sn.required_grants(p, clerk, role=ROLE)
    assert seen.frame["held"].tolist() == [each.purpose != "speed" for each in seen.grants]
    assert seen.missing == ()
    assert seen.sql == needed.sql.replace(
        f"-- {needed.notes[-1]}\n", ""
    )  # the owner is a superuser, and told so
    told = dict(zip(needed.grants, needed.statements, strict=True))
    for grant, statement in told.items():
        if grant.purpose == "apply" and grant.kind != "SEQUENCE":
            with without(pg, statement):
                assert refused(lambda: sn.apply(p, clerk, allow=ALLOW)), grant
            assert everything(owner) == before, grant
    r = sn.apply(p, clerk, allow=ALLOW)
    assert (r.status, r.results) == ("applied", ())
    assert not [note for note in r.notes if "GRANT" in note or "cannot be taken back" in note]
    assert sn.verify(r, clerk)
    undo = sn.undo(r, clerk)
    for grant, statement in told.items():
        if grant.purpose not in ("apply", "speed"):
            with without(pg, statement):
                assert sn.required_grants(p, clerk).missing == (grant,)
                ask = (
                    (lambda: sn.verify(r, clerk))
                    if grant.purpose == "verify"
                    else (lambda: sn.apply(undo, clerk, allow=ALLOW))
                )
                assert refused(ask), grant
    assert sn.apply(undo, clerk, allow=ALLOW).status == "applied"
    assert everything(owner) == before


def refused(ask: Callable[[], object]) -> bool:
    """Whether a line says that the role may not, and what to do."""
    with pytest.raises(sn.SyncnbError) as problem:
        ask()
    said = problem.value.message
    return bool(problem.value.hint) and ("permission denied" in said or "may not" in said)


def test_a_sequence_that_may_not_be_set_forward_is_told(pg: str, scene: Scene) -> None:
    local, owner, address = scene
    p = drawn(local, owner)
    needed = sn.required_grants(p, owner, role=ROLE, undo=False)
    with psycopg.connect(pg, autocommit=True) as connection:
        connection.execute(needed.sql.encode())
    clerk = sn.connect(address, writable=True)
    sequences = [s for g, s in zip(needed.grants, needed.statements, strict=True) if g.kind == "SEQUENCE"]
    assert len(sequences) == 4
    with without(pg, sequences[0]):
        r = sn.apply(p, clerk, allow=ALLOW)
    assert [note for note in r.notes if "needs GRANT USAGE, SELECT ON SEQUENCE" in note]


def test_some_columns_are_enough_to_change_them(pg: str, scene: Scene) -> None:
    """A role that may read two columns and write one: what it cannot read it neither compares nor touches."""
    local, owner, address = scene
    before = everything(owner)
    with psycopg.connect(pg, autocommit=True) as connection:
        connection.execute(journal.install_sql("postgresql", role=ROLE).encode())
        name = connection.info.dbname
        for right in (
            f"CONNECT ON DATABASE {name}",
            "USAGE ON SCHEMA public",
            "SELECT (id, note), UPDATE (note) ON p",
        ):
            connection.execute(f'GRANT {right} TO "{ROLE}"'.encode())
    clerk = sn.connect(address, writable=True)
    d = sn.diff(local, clerk, "p")
    assert ([u.name for u in d["p"].uncompared if u.what == "column"], d.verdict) == (["name"], "different")
    p = sn.plan(d, into=clerk, resolve=sn.take_local, deletes=True)
    assert [(b.verb, b.columns) for b in p.blocks if b.verb != "insert"] == [("update", ("note",))]
    assert any("cannot read all columns" in note for note in p.notes)
    lines = p.preview()
    lines.loc[lines["verb"] == "insert", "decision"] = "keep"
    p = p.decide(lines)
    assert sn.required_grants(p, clerk).missing == ()
    r = sn.apply(p, clerk)
    assert (r.status, bool(sn.verify(r, clerk))) == ("applied", True)
    assert sn.apply(sn.undo(r, clerk), clerk).status == "applied"
    assert everything(owner) == before


def test_policies_hide_rows_that_are_then_neither_inserted_nor_deleted(pg: str, scene: Scene) -> None:
    local, owner, address = scene
    with psycopg.connect(pg, autocommit=True) as connection:
        connection.execute(journal.install_sql("postgresql", role=ROLE).encode())
        connection.execute("INSERT INTO p VALUES (4, 'hidden', 'hidden'), (5, 'seen', NULL)")
        connection.execute("ALTER TABLE p ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY few ON p USING (name <> 'hidden' AND name <> 'two')")
        for right in (f"CONNECT ON DATABASE {connection.info.dbname}", "USAGE ON SCHEMA public", "ALL ON p"):
            connection.execute(f'GRANT {right} TO "{ROLE}"'.encode())
    before = everything(owner)
    clerk = sn.connect(address, writable=True)
    d = sn.diff(local, clerk, "p")
    assert d.verdict == "different"
    assert any("row-level security" in u.why for u in d["p"].uncompared)
    p = sn.plan(d, into=clerk, resolve=sn.take_local, deletes=True)
    assert [hazard.name for hazard in p.hazards if hazard.name == "row_security"] == ["row_security"]
    with pytest.raises(sn.PlanError, match="row_security"):
        sn.apply(p, clerk, allow=ALLOW)
    r = sn.apply(p, clerk, allow=(*ALLOW, "row_security"))
    assert [(each.key, each.refusal) for each in r.results] == [("4", sn.Refusal.TAKEN)]
    assert "this role cannot see" in r.results[0].detail
    assert everything(owner) == before
    assert any("row-level security" in note for note in sn.required_grants(p, clerk).notes)


def test_what_is_told_without_a_store_and_of_other_stores(bench: Workbench, pg: str, scene: Scene) -> None:
    local, owner, _ = scene
    p = drawn(local, owner)
    bare = sn.required_grants(p)
    known = sn.required_grants(p, owner)
    assert places(bare) == {place for place in places(known) if place[1] != ("public", "kid")}
    assert bare.frame["held"].isna().all()
    assert "told where the store is given" in bare.notes[-1]
    assert "superuser" in known.notes[-1]
    assert 'GRANT SELECT ON TABLE "public"."p" TO "the_role";' in bare.sql
    assert "-- faster with: GRANT TEMPORARY ON DATABASE" in bare.sql
    with pytest.raises(sn.PlanError, match="another database"):
        sn.required_grants(p, local)
    target = sn.connect(local.path, writable=True)  # type: ignore[attr-defined]
    back = sn.plan(sn.diff(target, owner, ["p"]), into=target, resolve=sn.take_remote)
    assert (len(sn.required_grants(back)), sn.required_grants(back).notes[0][:13]) == (0, "a SQLite file")
    steps = sn.migrate(owner, [sn.remedy("index", "p", "note", name="by_note")])
    altering = sn.required_grants(steps, owner, undo=False)
    assert ("CREATE", ("public",)) in places(altering)
    assert any("only their owner may alter tables: the role must own p" in note for note in altering.notes)


def places(grants: sn.Grants) -> set[tuple[str, tuple[str, ...]]]:
    return {(each.right, each.path) for each in grants.grants}


def test_it_is_shown_and_on_the_command_line(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from syncnb.cli import main

    local, owner, _ = scene
    p = drawn(local, owner)
    path = p.save(tmp_path / "plan.json")
    assert main(["show", str(path), "--grants", ROLE]) == 0
    assert capsys.readouterr().out == sn.required_grants(p, role=ROLE).sql
    first, heads, *lines = repr(sn.required_grants(p, role=ROLE)).splitlines()
    assert first == f"rights that {ROLE} needs: {len(sn.required_grants(p))}"
    assert heads.split() == ["right", "on", "needed", "for", "held", "why"]
    assert lines[1].startswith("TEMPORARY")
