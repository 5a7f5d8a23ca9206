"""The desk without a browser: every press is the Python that it shows, what may be pressed, what is refused, stopped."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from syncnb.panels.desk import actions, sheets
from syncnb.panels.desk.calls import Call, Name, literal, needed
from syncnb.panels.desk.fields import ABOUT, FIELDS
from tests.databases import Workbench
from tests.panels.making import sides

RULE = {"rule": "newest", "stamp": "updated_at"}
ROW = ("hosts", "225")


def desk_of(demo: str = "repair_session", *, writable: bool = False, **words: Any) -> sn.Desk:
    local, remote = sn.demo(demo)
    if writable:
        local = sn.connect(local.path, writable=True, timezone="UTC")  # type: ignore[attr-defined]
    return sn.panel(local, remote, by="ann", **words)


def pressed(desk: sn.Desk, *steps: tuple[str, dict[str, Any]]) -> sn.Desk:
    for name, fields in steps:
        box = desk.widget.box(actions.find(name).step)
        box.refresh()
        for field, value in fields.items():
            box.fields[field].value = value
        desk.widget.button(name).click()
        assert desk.error is None, desk.error
    return desk


@pytest.fixture(autouse=True)
def _drawn_without_a_fault(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A panel that cannot be drawn only logs, so that it never breaks the work."""
    yield
    assert [record.getMessage() for record in caplog.records if "drawn" in record.getMessage()] == []


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sides(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", [(1,)], [(2,)])
    file = tmp_path / "profiles.toml"
    file.write_text(f'[cache]\npath = "{tmp_path}/local.db"\n[shop]\nenv = "SHOP_DB"\nwritable = true\n')
    monkeypatch.setenv("SYNCNB_PROFILES", str(file))
    monkeypatch.setenv("SHOP_DB", f"sqlite:///{tmp_path}/remote.db")
    return file


# --- every button, clicked, is the call that it shows ---

PLAN = (("diff", {}), ("plan", RULE))
APPLIED = (*PLAN, ("apply", {}))
LOG = "UNIQUE constraint failed: hosts.id\nwhile syncing hosts:225"
BUTTONS: dict[str, tuple[str, tuple[tuple[str, dict[str, Any]], ...], str, dict[str, Any]]] = {
    "inspect": ("repair_session", (), "inspect", {}),
    "diagnose both": ("repair_session", (), "diagnose", {}),
    "diagnose a paste": ("repair_session", (), "diagnose", {"text": LOG}),
    "compare": ("repair_session", (), "diff", {}),
    "compare some tables": ("repair_session", (("diff", {}),), "diff", {"tables": ("hosts",), "ignore": "updated_at", "limit": "3"}),
    "compare by another key": ("id_collisions", (), "diff", {"key": "hosts=name", "ids": True}),
    "plan": ("repair_session", (("diff", {}),), "plan", {}),
    "plan by a rule": ("repair_session", (("diff", {}),), "plan", RULE),
    "plan with all its words": (
        "id_collisions", (("diff", {}),), "plan",
        {"into": "remote", "rule": "newest", "stamp": "hosts=last_seen, *=updated_at", "collisions": ("keep_both",), "deletes": True},
    ),
    "choose a row": ("repair_session", (("diff", {}), ("plan", {})), "choose", {"row": ROW, "side": "local", "reason": "rescanned today"}),
    "choose a cell": ("repair_session", (("diff", {}), ("plan", {})), "choose", {"row": ROW, "side": "local", "columns": ("environment",)}),
    "say which thing it is": ("id_collisions", (("diff", {}), ("plan", {})), "choose", {"row": ("domain_dns_records", "1096"), "side": "both"}),
    "apply": ("repair_session", PLAN, "apply", {}),
    "verify": ("repair_session", APPLIED, "verify", {}),
    "history": ("repair_session", APPLIED, "history", {}),
    "look back": ("repair_session", APPLIED, "look_back", {"run": 1}),
    "undo": ("repair_session", (*APPLIED, ("look_back", {"run": 1})), "undo", {"run": 1}),
    "look at a sync": ("repair_session", (), "look", RULE),
    "sync": ("repair_session", (), "sync", RULE),
    "sync both ways": ("repair_session", (), "sync", {**RULE, "direction": "both"}),
}  # fmt: skip
STABLE = ("p", "d", "r", "proof", "found", "schema_local", "schema_remote")


def told(thing: Any) -> str:
    """What can be compared of a thing in hand: all but the stamps of runs."""
    if isinstance(thing, sn.Runs):
        return thing.frame.drop(columns=["started", "finished", "backlog_since"]).to_string()  # type: ignore[no-any-return]
    if isinstance(thing, sn.Plan):
        return f"{thing!r}\n{thing.preview().to_string()}\n{thing.sql()}"
    return repr(thing)


@pytest.mark.parametrize(("demo", "before", "action", "fields"), BUTTONS.values(), ids=BUTTONS)
def test_a_click_is_the_python_that_stands_beside_it(
    demo: str, before: tuple[Any, ...], action: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNCNB_NOW", "2026-03-04T12:00:00Z")
    writable = action == "sync"
    desk = pressed(desk_of(demo, writable=writable), *before)
    box = desk.widget.box(actions.find(action).step)
    box.refresh()
    for field, value in fields.items():
        box.fields[field].value = value
    lines = desk.python(action, **box.words(action))
    assert all(line in box.twins[action].value.replace("&quot;", '"') for line in lines.split("\n"))
    assert not box.presses[action].disabled
    pressed(desk, (action, fields))
    script = f"{desk.log}\n{lines}" if action == "choose" and fields["side"] != "both" else desk.log
    assert script.endswith(lines)

    twin = desk_of(demo, writable=writable)
    typed: dict[str, Any] = {"sn": sn, "local": twin.local, "remote": twin.remote, "message": LOG}
    exec(compile(f"from datetime import timedelta\n{script}", "typed", "exec"), typed)
    for name in {line.partition(" = ")[0] for line in script.split("\n")}:
        clicked = desk.plan if name == "p" else desk.hand[name]
        assert told(clicked) == told(typed[name]), name
    assert (
        sn.history(desk.remote).frame["status"].tolist() == sn.history(twin.remote).frame["status"].tolist()
    )
    assert sn.diff(desk.local, desk.remote, progress=False).summary.equals(
        sn.diff(twin.local, twin.remote, progress=False).summary
    )


def test_every_button_is_in_that_table_or_in_a_test_of_its_own() -> None:
    assert {row[2] for row in BUTTONS.values()} | {"connect", "migrate", "identify", "edit", "ask"} == set(
        actions.ACTIONS
    )
    assert set(FIELDS) == set(ABOUT) == set(actions.STEPS)


def test_connect_by_profile_variable_and_file(profiles: Path) -> None:
    desk = sn.panel()
    pressed(
        desk,
        ("connect", {"side": "local", "profile": "cache"}),
        ("connect", {"side": "remote", "profile": "", "env": "SHOP_DB", "writable": True}),
    )
    assert (
        desk.log == 'local = sn.connect(profile="cache")\nremote = sn.connect(env="SHOP_DB", writable=True)'
    )
    assert (desk.local.name, desk.remote.name, desk.remote.writable) == ("local.db", "remote.db", True)
    pressed(
        desk,
        ("connect", {"side": "local", "env": "", "path": f"{profiles.parent}/local.db", "writable": False}),
    )
    assert desk.press("diff").result().verdict == "different"
    assert sn.connect(profile="shop").writable
    assert not sn.connect(profile="shop", writable=False).writable


ROWS = "code,name,seen\na,Anna,\nb,Bea,\nz,Zoe,\n"


def payload_desk(folder: Path) -> sn.Desk:
    """A file of rows for a table that has an `a` of another name, a `b` that is the same, a `c`, and a rule for names."""
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT CHECK (name <> 'Zoe'), seen TEXT)"
        )
        connection.execute("CREATE TABLE past (at TEXT, rows INT)")
        people = [(1, "a", "Ann"), (2, "b", "Bea"), (3, "c", "Cid")]
        connection.executemany("INSERT INTO people (id, code, name) VALUES (?, ?, ?)", people)
    connection.close()
    (folder / "people.csv").write_text(ROWS)
    return sn.panel(
        sn.connect(folder / "people.csv"), sn.connect(folder / "shop.db", writable=True), by="ann"
    )


def test_rows_from_outside_are_looked_at_and_passed_on(tmp_path: Path) -> None:
    desk = pressed(payload_desk(tmp_path), ("look", {"key": "code", "touch": "seen"}))
    assert desk.log.split("\n") == [
        'd = sn.diff(local, remote, key="code", touch=["seen"], partial=True)',
        "p = sn.plan(d, into=remote, resolve=sn.take_local)",
    ]
    shown = sheets.effects(desk)
    assert shown is not None
    assert shown._sheet().text().split("\n")[-2].split() == ["people", "0", "1", "0", "1", "1"]
    box = desk.widget.box("sync")
    box.presses["sync"].click()
    assert not desk.hand["done"], "all rows or none"
    assert sheets.outcome(desk) == ("Sync #1 refused: 1 row rejected, nothing written (caller: panel)", True)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        assert connection.execute("SELECT name FROM people WHERE code = 'a'").fetchone() == ("Ann",)
    connection.close()
    pressed(desk, ("sync", {"key": "code", "touch": "seen", "rest": True}))
    assert (
        'sn.sync(local, remote, key="code", touch=["seen"], rest=True, caller="panel", approved_by="ann")'
        in desk.log
    )
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        found = connection.execute("SELECT code, name, seen IS NULL FROM people ORDER BY 1").fetchall()
    connection.close()
    assert found == [("a", "Anna", 0), ("b", "Bea", 0), ("c", "Cid", 1)]
    assert len(desk.runs) == 2
    assert desk.runs in sheets.results(desk, "sync"), "the run appears beneath it"


def test_what_goes_with_rows_from_outside_alone(tmp_path: Path) -> None:
    desk = payload_desk(tmp_path)
    assert "a payload is not written to" in desk.why_not("sync", direction="pull")
    other = desk_of(writable=True)
    assert "are for rows from outside" in other.why_not("sync", history_table="past")
    assert "are for rows from outside" in other.why_not("look", touch=["seen"])


def test_migrate_and_apply_it(bench: Workbench) -> None:
    shop = bench.make(
        "sqlite",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    )
    shop = sn.connect(shop.path, writable=True)  # type: ignore[attr-defined]
    desk = sn.panel(remote=shop)
    desk.hand["found"] = sn.diagnose(shop, tables="t", target=["code"])
    pressed(desk, ("migrate", {}), ("apply", {}))
    assert desk.calls[0].line == "p = sn.migrate(remote, found)"
    assert desk.proof
    assert shop.inspect()["t"].rules[-1].columns == ("code",)
    pressed(desk, ("look_back", {"run": 1}), ("undo", {}))
    assert len(shop.inspect()["t"].rules) == 0 or shop.inspect()["t"].rules[-1].columns != ("code",)


# --- what may be pressed ---

NOT_YET: dict[str, tuple[tuple[tuple[str, dict[str, Any]], ...], str, dict[str, Any], str]] = {
    "plan before compare": ((), "plan", {}, "nothing was compared yet"),
    "apply before plan": ((), "apply", {}, "there is no plan"),
    "apply what writes nothing": ((("diff", {"tables": ("host_ips",)}), ("plan", {})), "apply", {}, "nothing to write"),
    "verify before apply": ((), "verify", {}, "nothing was applied yet"),
    "undo unseen": (APPLIED, "undo", {}, "nothing was shown yet"),
    "undo of another run than was shown": ((*APPLIED, ("look_back", {"run": 1})), "undo", {"run": 7}, "takes back run 1"),
    "a run that is not there": (APPLIED, "look_back", {"run": 9}, "there is no run 9"),
    "no run": ((), "look_back", {}, "no run was chosen"),
    "migrate before diagnose": ((), "migrate", {}, "nothing was diagnosed yet"),
    "newest of what": ((("diff", {}),), "plan", {"rule": "newest"}, "needs a column of stamps"),
    "a rule that is none": ((("diff", {}),), "plan", {"rule": "oldest"}, "no rule 'oldest'"),
    "no row": ((*PLAN,), "choose", {"side": "local"}, "no row was chosen"),
    "no side": ((*PLAN,), "choose", {"row": ("hosts", "228")}, "no side was chosen"),
    "sync into what is read-only": ((), "sync", {}, "opened to be read"),
    "an address in the notebook": ((), "connect", {"path": "postgresql://u:secret@h/d"}, "may hold a password"),
    "an address in words": ((), "connect", {"path": "host=h password=secret dbname=d"}, "may hold a password"),
    "nothing to connect to": ((), "connect", {}, "nothing to connect to"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "action", "words", "why"), NOT_YET.values(), ids=NOT_YET)
def test_it_says_why_it_cannot_be_pressed_and_a_press_does_nothing(
    before: tuple[Any, ...], action: str, words: dict[str, Any], why: str
) -> None:
    desk = desk_of()
    for name, told_words in before:
        desk.press(
            name, **{**told_words, **({"resolve": sn.newest("updated_at")} if told_words == RULE else {})}
        ).result()
    calls, hand = list(desk.calls), dict(desk.hand)
    assert why in desk.why_not(action, **words)
    assert "secret" not in desk.why_not(action, **words)
    with pytest.raises(sn.SyncnbError, match=why):
        desk.press(action, **words).result()
    assert why in str(desk.error)
    assert (desk.calls, desk.hand) == (calls, hand), "nothing is lost"
    with pytest.raises(sn.SchemaError, match="nothing to press called 'aply'"):
        desk.press("aply")


def test_who_refers_to_a_row_is_told() -> None:
    desk = pressed(desk_of("id_collisions"), ("diff", {}), ("plan", {}))
    lines = desk.conflicts.frame.drop_duplicates(["table", "key"]).set_index(["table", "key"])
    for conflict in desk.diff["domains"].conflicts:
        for key in {str(conflict.local_id), str(conflict.remote_id)} & set(lines.loc["domains"].index):
            told = lines.loc[("domains", key), "children"]
            assert told == f"{conflict.local_children} in local, {conflict.remote_children} in remote"


def test_what_is_typed_into_diagnose_is_in_hand_only_when_it_was_pressed() -> None:
    desk = desk_of()
    box = desk.widget.box("diagnose")
    box.fields["text"].value = "password=hunter2 in a paste"
    assert "message" not in desk.hand
    assert "hunter2" not in box.twins["diagnose"].value + repr(desk)
    box.presses["diagnose"].click()
    assert "hunter2" not in desk.code + desk.log + repr(desk) + repr(desk.calls) + repr(desk.findings)


@pytest.mark.parametrize("step", actions.STEPS)
def test_all_that_is_asked_stands_above_the_button_that_is_told_it(step: str) -> None:
    box = desk_of().widget.box(step)
    shown = list(box.children)
    for field in FIELDS[step]:
        above = shown.index(box.fields[field.name])
        told = [name for name in box.presses if not field.actions or name in field.actions]
        assert told
        assert all(shown.index(box.presses[name]) > above for name in told)


def test_a_reason_is_for_one_row() -> None:
    desk = pressed(
        desk_of(),
        ("diff", {}),
        ("plan", {}),
        ("choose", {"row": ROW, "side": "local", "reason": "rescanned today"}),
    )
    box = desk.widget.box("conflicts")
    box.refresh()
    assert (box.fields["row"].value, box.fields["reason"].value) == ("", "")
    box.fields["side"].value = "remote"
    assert box.presses["choose"].disabled, "no row is chosen"


def test_a_word_that_is_not_known_is_refused() -> None:
    desk = desk_of()
    assert "did you mean tables" in desk.why_not("diff", tabels=["hosts"])
    assert "it is told nothing" in desk.why_not("inspect", tables=["hosts"])
    told = {field.name for step in FIELDS.values() for field in step}
    assert told <= {word for action in actions.ACTIONS.values() for word in action.words}


def test_two_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        sides(tmp_path / side, "CREATE TABLE t (id INTEGER PRIMARY KEY)", [(1,)] if side == "a" else [], [])
    left = sn.connect(tmp_path / "a" / "local.db", writable=True)
    right = sn.connect(tmp_path / "b" / "local.db", writable=True)
    desk = sn.panel(right, left)
    desk.press("diff").result()
    desk.press("plan", into="local").result()
    assert (desk.target_name, desk.target) == ("local", right)
    assert desk.press("apply").result()
    assert desk.report.status == "applied"
    assert "sn.apply(p, local" in desk.code


def test_an_error_is_a_line_with_its_hint_and_nothing_is_lost() -> None:
    desk = pressed(desk_of(), *PLAN)
    plan = desk.plan
    Path(desk.remote.path).unlink()
    desk.widget.button("apply").click()
    said = desk.widget.says.said
    assert said["bad"]
    assert said["text"].startswith(f"{desk.error.message} (")
    assert desk.plan is plan
    assert "Hint" not in said["text"]


def test_a_row_that_was_changed_behind_is_refused_and_said() -> None:
    desk = pressed(desk_of(), *PLAN)
    with sqlite3.connect(desk.remote.path) as connection:
        connection.execute("UPDATE hosts SET cores = 99 WHERE id = 229")
    connection.close()
    desk.widget.button("apply").click()
    said = desk.widget.says.said
    assert said["bad"]
    assert said["text"].startswith(
        "run 1: refused, nothing was written (hosts 229: the row has changed since the preview"
    )
    assert desk.report.status == "refused"
    assert "99" in repr(desk.report)
    assert not desk.proof
    pressed(desk, ("diff", {}))
    assert not desk.widget.says.said["bad"]


def test_deletes_and_great_changes_want_a_name_typed(tmp_path: Path) -> None:
    local, remote = sides(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", [(1,)], [(1,), (2,)])
    desk = pressed(sn.panel(local, remote), ("diff", {}), ("plan", {"deletes": True}))
    box = desk.widget.box("plan")
    assert "deletes in t: 1 row is deleted" in desk.why_not("apply")
    box.refresh()
    box.fields["allow"].value = ("deletes",)
    assert box.presses["apply"].disabled
    assert "type the name of the database that is written: remote.db" in box.twins["apply"].value
    with pytest.raises(sn.PlanError, match="not confirmed"):
        desk.press("apply", allow=("deletes",)).result()
    box.fields["confirm"].value = "remote.db"
    assert not box.presses["apply"].disabled
    desk.widget.button("apply").click()
    assert desk.proof
    assert 'allow=("deletes",)' in desk.code
    box.refresh()
    assert (box.fields["allow"].value, box.fields["confirm"].value) == ((), ""), "allowed once, for this run"


# --- conflicts ---


def test_decided_by_hand_then_by_a_rule_and_one_tie_stays() -> None:
    desk = desk_of()
    desk.press("diff").result()
    desk.press("plan").result()
    assert len(desk.conflicts.open) == 4
    desk.conflicts.choose(225, "local", reason="rescanned today")
    desk.conflicts.rule(sn.newest("updated_at"))
    assert desk.conflicts.open == [("hosts", "228")]
    lines = desk.conflicts.frame
    row = lines[lines["key"] == "225"].iloc[0]
    assert row[["column", "base", "local", "remote", "decision", "by", "reason"]].tolist() == [
        "environment", "production", "staging", "retired", "local", "ann", "rescanned today",
    ]  # fmt: skip
    written = {change.key[0]: change for change in desk.plan.changes}
    assert set(written) == {225, 226, 229}
    assert desk.code.split("\n")[1:] == [
        'p = sn.plan(d, into=remote, resolve=sn.newest("updated_at"), ask={"hosts": [225]})',
        'p = p.choose("hosts", 225, "local", reason="rescanned today", by="ann")',
    ]


CHOICES: dict[str, tuple[Any, Any, str]] = {
    "a row that does not differ": (221, "local", "221 does not differ"),
    "no such row": (1, "local", "1 does not differ"),
    "a side that is none": (225, "left", "no decision"),
    "a column that is not written": (225, {"cores": "local"}, "not in this plan"),
    "a cell for nobody": (225, {"environment": "ours"}, "is no side"),
}


@pytest.mark.parametrize(("key", "side", "why"), CHOICES.values(), ids=CHOICES)
def test_what_cannot_be_chosen_changes_nothing(key: Any, side: Any, why: str) -> None:
    desk = desk_of()
    with pytest.raises(sn.PlanError, match="no plan to decide on"):
        desk.conflicts.choose(key, side)
    desk.press("diff").result()
    desk.press("plan").result()
    before = desk.plan.id
    with pytest.raises(sn.PlanError, match=why):
        desk.conflicts.choose(key, side)
    assert desk.plan.id == before


def test_what_a_rule_decided_is_chosen_otherwise() -> None:
    """Also a row that the rule left to the target, which is in no plan."""
    desk = desk_of()
    desk.press("diff").result()
    desk.press("plan", resolve=sn.newest("updated_at")).result()
    assert "227" not in desk.plan.preview()["key"].tolist()
    desk.conflicts.choose(227, "local", reason="ours").choose(226, "remote", reason="theirs")
    assert {change.key[0] for change in desk.plan.changes} == {227, 229}
    assert 'ask={"hosts": [227]}' in desk.code
    assert sn.apply(desk.plan, desk.remote).totals["hosts"]["updated"] == 2


def test_a_decision_outlives_a_new_comparison_where_the_row_is_as_it_was() -> None:
    desk = desk_of()
    desk.press("diff").result()
    desk.press("plan").result()
    desk.conflicts.choose(225, "local", reason="rescanned today").choose(226, "remote", reason="theirs")
    with sqlite3.connect(desk.local.path) as connection:
        connection.execute("UPDATE hosts SET description = 'Something else' WHERE id = 226")
    connection.close()
    desk.press("diff").result()
    assert desk.plan is None
    desk.press("plan", resolve=sn.newest("updated_at")).result()
    assert 'p.choose("hosts", 225, "local", reason="rescanned today", by="ann")' in desk.code
    assert desk.decisions.dropped == [("hosts", "226")], "it was decided by other values"
    assert "hosts 226 was decided, and is not in this plan, or not as it was" in repr(desk.conflicts)
    assert ("hosts", "226") in desk.conflicts.open, "and no rule decides it either"


def test_a_decision_outlives_a_look_back_and_ends_with_its_run() -> None:
    desk = desk_of()
    desk.press("diff").result()
    desk.press("plan", resolve=sn.newest("updated_at")).result()
    desk.conflicts.choose(225, "local", reason="rescanned today")
    desk.press("apply").result()
    desk.press("diff").result()
    desk.press("plan", resolve=sn.newest("updated_at")).result()
    assert desk.decisions.dropped == []
    assert "ask" not in desk.code.split("\n")[-1]
    desk.conflicts.choose(228, "local", reason="more")
    desk.press("look_back", run=1).result()
    assert "choose" not in desk.python("undo")
    desk.press("plan").result()
    assert 'p.choose("hosts", 228, "local", reason="more", by="ann")' in desk.code


def test_code_has_what_was_decided_after_a_run() -> None:
    desk = desk_of()
    desk.press("diff").result()
    desk.press("plan").result()
    desk.conflicts.choose(225, "local", reason="one")
    desk.press("apply").result()
    assert desk.code.count("p.choose") == 1
    desk.conflicts.choose(226, "local", reason="two")
    assert desk.code.count("p.choose") >= 2
    assert desk.code.endswith('p = p.choose("hosts", 226, "local", reason="two", by="ann")')


def test_cell_by_cell_and_back() -> None:
    desk = desk_of()
    desk.press("diff").result()
    desk.press("plan").result()
    desk.conflicts.choose(225, {"environment": "local"}, reason="his stamp, our word")
    [change] = [each for each in desk.plan.changes if each.key == (225,)]
    assert change.after[-2:] == ("staging", "2026-03-03 06:00:00")
    desk.conflicts.choose(225, "open")
    assert ("hosts", "225") in desk.conflicts.open
    assert 225 not in [change.key[0] for change in desk.plan.changes]


def test_grids_of_a_desk_share_what_is_decided() -> None:
    desk = pressed(desk_of(), ("diff", {}), ("plan", {}))
    desk.widget.turn("conflicts")
    conflicts = desk.widget.box("conflicts")._grid
    desk.widget.turn("plan")
    plan = desk.widget.box("plan")._grid
    plan.decide("hosts", "225", "local", reason="rescanned")
    assert desk.plan.changes[-1].key == (225,) or 225 in [c.key[0] for c in desk.plan.changes]
    desk.widget.turn("conflicts")
    shown = [line["state"] for line in conflicts.widget.page["lines"] if line["cells"][1][0] == "225"]
    assert set(shown) <= {"apply"}
    assert "rescanned" in desk.code


def test_a_value_is_edited_and_a_bad_one_is_refused_with_its_reason() -> None:
    desk = desk_of()
    assert "no plan to edit" in desk.why_not("edit", row=ROW, column="cores", value="8")
    desk.press("diff").result()
    desk.press("plan").result()
    row = {"row": ("hosts", "229"), "column": "cores"}
    assert "whole number" in desk.why_not("edit", **row, value="eight")
    with pytest.raises(sn.PlanError, match="whole number"):
        desk.press("edit", **row, value="eight").result()
    assert (
        desk.python("edit", **row, value="12")
        == 'p = p.choose("hosts", 229, values={"cores": "12"}, by="ann")'
    )
    desk.press("edit", **row, value="12").result()
    assert [change.after[0] for change in desk.plan.changes if change.key == (229,)] == [12]


# --- the plan's own verb ---


def test_choose_on_a_plan_is_what_lines_of_the_preview_say() -> None:
    desk = desk_of()
    d = sn.diff(desk.local, desk.remote, progress=False)
    p = sn.plan(d, into=desk.remote)
    lines = p.preview()
    row = lines["key"].isin(["225", "226"])
    lines.loc[row, ["decision", "reason"]] = ["local", "seen"]
    assert (
        p.choose("hosts", [225, 226], "local", reason="seen", by="ann")
        .preview()
        .equals(p.decide(lines, by="ann").preview())
    )
    edited = p.choose("hosts", 228, values={"cores": 12}, reason="counted")
    assert [change.after[0] for change in edited.changes if change.key == (228,)] == [12]
    assert p.choose("hosts", 999, "local", absent="skip") is p
    for words, why in (
        (("hosts", 999, "local"), "hosts 999 is not in this plan"),
        (("hosts", 225, "left"), "is no decision"),
        (("hosts", 225), "nothing was chosen"),
    ):
        with pytest.raises(sn.PlanError, match=why):
            p.choose(*words)
    with pytest.raises(sn.PlanError, match="cores"):
        p.choose("hosts", 228, values={"cores": "eight"})
    with pytest.raises(sn.PlanError, match="not written in this row"):
        p.choose("hosts", 228, values={"name": "x"})


def test_rows_that_a_person_asks_for_are_left_by_every_rule() -> None:
    desk = desk_of()
    d = sn.diff(desk.local, desk.remote, progress=False)
    for rule in (sn.newest("updated_at"), sn.take_local, sn.take_remote):
        p = sn.plan(d, into=desk.remote, resolve=rule, ask={"hosts": [225, 1]})
        assert [key for block in p.undecided for key in block.keys[0].to_pylist() if key == 225] == [225]
    with pytest.raises(sn.SchemaError, match="no table 'hots'"):
        sn.plan(d, into=desk.remote, ask={"hots": [1]})


# --- one thread, stop, progress ---


@pytest.fixture
def long(bench: Workbench) -> sn.Desk:
    fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) INSERT INTO t SELECT i, 'row ' || i{} FROM n"
    ddl = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)"
    local = bench.sqlite(ddl, fill.format(" || '!'"))
    remote = bench.sqlite(ddl, fill.format(""))
    return sn.panel(local, sn.connect(remote.path, writable=True))  # type: ignore[attr-defined]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_long_diff_says_how_far_it_is_and_stops_and_the_next_is_whole(long: sn.Desk) -> None:
    panel = long.widget
    future = panel.button("diff").start()
    until(lambda: long.progress.done > 0)
    assert (panel.says.said["busy"], panel.stop.disabled, panel.button("diff").disabled) == (
        True,
        False,
        True,
    )
    with pytest.raises(sn.PlanError, match="diff is still going on"):
        long.press("diff").result()
    started = time.monotonic()
    panel.stop.click()
    with pytest.raises(sn.Stopped):
        future.result()
    assert time.monotonic() - started < 5
    assert long.diff is None
    assert (panel.stop.disabled, panel.button("diff").disabled, panel.says.said["bad"]) == (True, False, True)
    assert not long.stop(), "there is nothing to stop"
    panel.button("diff").click()
    assert long.diff["t"].counts.changed == 300_000


STOPS: dict[str, tuple[str, str, str]] = {
    "while it writes": ("sn.apply", "update t", "it was stopped"),
    "after it has written": ("sn.verify", "", "it was stopped after it had written: run 1: applied"),
}


@pytest.mark.parametrize(("verb", "at", "said"), STOPS.values(), ids=STOPS)
def test_a_stop_says_what_stands(
    verb: str, at: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local, remote = sides(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", [(1, 1)], [(1, 2)])
    desk = sn.panel(local, remote)
    desk.press("diff").result()
    desk.press("plan", resolve=sn.take_local).result()
    if at:
        desk.on_change(lambda: desk.progress.what == at and desk.stop())
    else:
        verify = sn.verify
        monkeypatch.setattr(sn, "verify", lambda *words, **more: (desk.stop(), verify(*words, **more))[1])
    with pytest.raises(sn.Stopped, match=said):
        desk.press("apply").result()
    assert sn.history(remote).frame["status"].tolist() == (["failed"] if at else ["success"])
    assert sn.diff(local, remote, progress=False).verdict == ("different" if at else "equal")
    assert (desk.report is None) == bool(at)


def test_ten_thousand_conflicts_are_shown_at_once(tmp_path: Path) -> None:
    rows = 10_000
    sides(
        tmp_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
        [(i, 1) for i in range(rows)],
        [(i, 2) for i in range(rows)],
    )
    desk = sn.panel(sn.connect(tmp_path / "local.db"), sn.connect(tmp_path / "remote.db", writable=True))
    desk.press("diff").result()
    desk.press("plan").result()
    panel = desk.widget
    started = time.monotonic()
    panel.turn("conflicts")
    panel.turn("plan")
    assert "10,000 wait for a decision" in repr(desk.conflicts)
    assert time.monotonic() - started < 3
    started = time.monotonic()
    desk.conflicts.choose(5_000, "local")
    assert time.monotonic() - started < 3
    assert len(desk.conflicts.open) == rows - 1


def test_a_field_that_cannot_be_read_is_said() -> None:
    desk = desk_of()
    box = desk.widget.box("diff")
    box.fields["limit"].value = "many"
    assert box.presses["diff"].disabled
    box.presses["diff"].click()
    assert "no number of rows" in desk.widget.says.said["text"]
    assert desk.diff is None


def test_what_shows_the_work_cannot_break_it(caplog: pytest.LogCaptureFixture) -> None:
    desk = desk_of()
    desk.on_change(lambda: 1 / 0)
    assert desk.press("diff").result().verdict == "different"
    assert "could not be drawn" in caplog.text
    caplog.clear()


def test_a_press_runs_in_one_thread_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_of()
    seen: list[str] = []
    inspect = type(desk.local).inspect
    monkeypatch.setattr(
        type(desk.local),
        "inspect",
        lambda self: (seen.append(threading.current_thread().name), inspect(self))[1],
    )
    desk.press("inspect").result()
    desk.press("inspect").result()
    assert len(set(seen)) == 1
    assert seen[0].startswith("syncnb-desk")


# --- lines as values ---

LITERALS: dict[str, tuple[Any, str]] = {
    "a text": ("a", '"a"'),
    "a text with quotes": ("it's \"so\"", "'it\\'s \"so\"'"),
    "marks of direction": ("a\u202eb", '"a\\u202eb"'),
    "a policy": (sn.newest("updated_at"), 'sn.newest("updated_at")'),
    "a policy by table": ({"a": sn.take_local, "*": sn.newest({"b": "c"}, timedelta(seconds=5))}, '{"a": sn.take_local, "*": sn.newest({"b": "c"}, threshold=timedelta(seconds=5))}'),
    "one of a tuple": (("deletes",), '("deletes",)'),
    "NULL": ({"a": None}, '{"a": None}'),
    "a name in hand": (Name("d"), "d"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "text"), LITERALS.values(), ids=LITERALS)
def test_a_value_as_python_is_that_value(value: Any, text: str) -> None:
    assert literal(value) == text
    assert eval(text, {"sn": sn, "timedelta": timedelta, "d": Name("d")}) == value


def test_what_has_no_text_is_refused() -> None:
    with pytest.raises(TypeError):
        literal(object())


def test_what_was_done_again_is_left_out_and_what_wrote_is_kept() -> None:
    d1, d2 = Call("d", "sn.diff", (Name("local"),)), Call("d", "sn.diff", (Name("local"),), {"limit": 2})
    p = Call("p", "sn.plan", (Name("d"),), {"into": Name("remote")})
    r = Call("r", "sn.apply", (Name("p"), Name("remote")))
    assert needed([d1, d2, p, r], {"d"}) == [d2, p, r]
    assert needed([d1, p, r, d2], {"d", "r"}) == [d1, p, r, d2]
    assert needed([d1, p], set()) == []


# --- without widgets ---


def test_it_stands_as_a_table_where_no_widget_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_of()
    before = repr(desk)
    assert "desk: cache.db and inventory.db" in before
    assert "not yet" in before
    pressed(desk, ("diff", {}))
    text = repr(desk)
    assert "Draw the plan" in text
    assert text == repr(desk)
    alone = sn.panel(desk.local, desk.remote, "diff").hold("d", desk.diff)
    assert "d = sn.diff(local, remote)" in repr(alone)
    assert repr(alone).startswith("cache.db against inventory.db: different")
    assert text.split("\n")[-1].startswith("run this cell in JupyterLab")
    assert "<script" not in desk._repr_html_()
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    desk._ipython_display_()
    assert [sorted(bundle) for bundle in shown] == [
        ["text/html", "text/plain"],
        ["application/vnd.jupyter.widget-view+json", "text/html", "text/plain"],
    ]
    assert shown[1]["text/plain"] == shown[1]["text/html"] == ""


@pytest.mark.parametrize("step", actions.STEPS)
def test_each_step_stands_alone(step: str) -> None:
    desk = desk_of(step=step)
    assert list(desk.widget.boxes) == [step]
    assert repr(desk)
    with pytest.raises(sn.SchemaError, match="no step 'difff'"):
        sn.panel(desk.local, desk.remote, "difff")


def test_the_engine_of_the_desk_needs_no_widget() -> None:
    import subprocess
    import sys

    code = (
        "import sys, syncnb as sn; local, remote = sn.demo('repair_session'); desk = sn.panel(local, remote);"
        "desk.press('diff').result(); desk.press('plan').result(); repr(desk); desk._repr_html_(); desk.code;"
        "print([n for n in ('ipywidgets', 'anywidget') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
