"""The panel as a person meets it: in JupyterLab, with the mouse; a whole repair, and what must never happen in it."""

import os
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.lab import unhurt
from tests.browser.renderings import IMG, page
from tests.browser.test_grid import ACCESSIBLE, HOSTILE, THEMES, python
from tests.databases import Workbench
from tests.faults.proxy import until
from tests.proof.counting import count
from tests.test_secrets import leaks

LONG = r"""
import sqlite3
fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600000) INSERT INTO t SELECT i, 'row ' || i{} FROM n"
for name, more in (("long_left", " || '!'"), ("long_right", "")):
    with sqlite3.connect(f"{name}.db") as c:
        c.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        c.execute(fill.format(more))
    c.close()
"""
CELLS = (
    "import syncnb as sn\nlocal, remote = sn.demo('repair_session')",
    "desk = sn.panel(local, remote, by='ann')\ndesk",
)
HURT = (
    "import syncnb as sn",
    HOSTILE,
    "left = sn.connect('left.db')\nhurt = sn.panel(left, right, by=bad + rtl)\nhurt",
    """
hurt.widget.button("inspect").click(); hurt.widget.button("diff").click(); hurt.widget.button("plan").click()
[table] = hurt.diff
key = hurt.conflicts.open[0][1]
hurt.conflicts.choose(key, "local", reason=worse + bad + rtl)
hurt.widget.box("diagnose").fields["text"].value = f"UNIQUE constraint failed: {bad}.{worse}" + rtl
hurt.widget.button("diagnose").click()
import sys
sys.setrecursionlimit(3000)
hurt.widget.turn("plan")
""",
)
SHUT = ("region", "landmark-one-main", "page-has-heading-one", "heading-order", "bypass", "document-title")
"""Rules about the page around it, which is JupyterLab's."""


@pytest.fixture(scope="module")
def session(opened: Open) -> Any:
    notebook = opened("session.ipynb", *CELLS)
    notebook.page.get_by_role("button", name="Compare", exact=True).wait_for(timeout=60_000)
    return notebook


def press(session: Any, name: str) -> None:
    session.page.get_by_role("button", name=name, exact=True).click()


def says(session: Any, text: str) -> None:
    session.page.locator(".syncnb-desk .says").filter(has_text=text).wait_for()


def turn(session: Any, name: str) -> None:
    session.page.locator(".syncnb-desk .row button").filter(has_text=name).first.click()
    session.page.get_by_role("heading", name=name, exact=True).wait_for()


def field(session: Any, label: str) -> Any:
    return session.page.locator(".syncnb-desk").get_by_label(label, exact=True)


def fill(session: Any, label: str, text: str) -> None:
    field(session, label).fill(text)
    session.page.keyboard.press("Tab")


def test_it_compares_and_shows_both_sides(session: Any) -> None:
    press(session, "Compare")
    says(session, "done: d = sn.diff(local, remote)")
    grid = session.page.get_by_role("grid", name="hosts")
    grid.wait_for()
    assert grid.locator("tbody tr").count() == 6
    assert python(session, "desk.log") == "d = sn.diff(local, remote)"
    assert session.page.locator(".syncnb-twin").count() == 1
    assert not session.page.locator(".syncnb-twin").is_visible(), "one of the two stands there"


def test_one_conflict_is_decided_by_hand_and_the_rest_by_a_rule(session: Any) -> None:
    turn(session, "Plan and apply")
    press(session, "Draw the plan")
    says(session, "done: p = sn.plan(d, into=remote)")
    turn(session, "Conflicts")
    assert session.page.get_by_role("button", name="Decide this row").is_disabled()
    session.page.get_by_text("not yet: no row was chosen").wait_for()
    field(session, "Row").select_option(label="hosts 225")
    fill(session, "Reason", "rescanned today")
    twin = session.page.locator(".syncnb-desk pre").filter(
        has_text='p.choose("hosts", 225, "local", reason="rescanned today"'
    )
    twin.first.wait_for()
    press(session, "Decide this row")
    session.page.get_by_text("3 wait for a decision, 1 decided").wait_for()
    turn(session, "Plan and apply")
    field(session, "Who wins").select_option(label="the newer")
    fill(session, "Newer by", "updated_at")
    press(session, "Draw the plan")
    says(session, 'done: p = sn.plan(d, into=remote, resolve=sn.newest("updated_at"), ask={"hosts": [225]})')
    assert python(session, "desk.conflicts.open") == "[('hosts', '228')]"


PICTURES = os.environ.get("SYNCNB_PICTURES", "")
"""A folder that the pictures of the documentation are put into, where it is named."""


@pytest.mark.parametrize("theme", THEMES)
def test_its_picture_shows_what_waits_and_what_was_decided(session: Any, theme: str, tmp_path: Path) -> None:
    session.theme(theme)
    session.page.set_viewport_size({"width": 1400, "height": 1500})
    turn(session, "Conflicts")
    field(session, "Row").select_option(label="hosts 228")
    session.page.get_by_text("1 wait for a decision, 1 decided").wait_for()
    picture = Path(PICTURES or tmp_path) / f"panel-{theme.split()[1].lower()}.png"
    session.page.locator(".syncnb-desk").screenshot(path=picture)
    assert picture.stat().st_size > 20_000
    session.page.set_viewport_size({"width": 1400, "height": 1000})
    turn(session, "Plan and apply")


def test_a_row_is_ticked_in_the_grid_and_a_bad_edit_stays_with_its_reason(session: Any) -> None:
    page, keyboard = session.page, session.page.keyboard
    grid = page.get_by_role("grid", name="plan into inventory.db")
    grid.wait_for()
    cell = grid.locator("tbody tr").filter(has_text="cores").filter(has_text="229").locator("> :nth-child(5)")
    cell.click()
    keyboard.press("F2")
    editor = grid.get_by_role("textbox", name="New after")
    editor.wait_for()
    keyboard.type("eight")
    keyboard.press("Enter")
    grid.get_by_role("alert").filter(has_text="whole number").wait_for()
    keyboard.press("Escape")
    cell.click()
    keyboard.press("Space")
    grid.get_by_role("gridcell", name="edited keep").first.wait_for()
    assert python(session, "[c.key for c in desk.plan.changes]") == "[(226,), (225,)]"
    keyboard.press("Space")
    grid.get_by_role("gridcell", name="edited keep").first.wait_for(state="detached")


def test_apply_shows_report_proof_and_python(session: Any) -> None:
    press(session, "Apply")
    says(session, "done: runs = sn.history(remote)")
    session.page.get_by_text("run 1: applied").wait_for()
    session.page.get_by_text("proof: every line holds").wait_for()
    assert python(session, "bool(desk.proof), desk.report.run") == "(True, 1)"
    session.page.locator(".syncnb-desk summary").filter(has_text="The Python that does the same").click()
    session.page.locator(".syncnb-desk pre").filter(
        has_text='r = sn.apply(p, remote, caller="panel", approved_by="ann")'
    ).last.wait_for()
    session.page.locator(".syncnb-desk summary").filter(has_text="The Python that does the same").click()


def test_undo_is_looked_at_and_pressed(session: Any) -> None:
    turn(session, "History")
    assert session.page.get_by_role("button", name="Undo", exact=True).is_disabled()
    field(session, "Run").select_option(label="run 1: success, 3 records")
    press(session, "Look at what taking it back writes")
    says(session, "done: p = sn.undo(1, remote)")
    press(session, "Undo")
    session.page.get_by_text("run 2 takes back run 1").wait_for()
    assert python(session, "sn.diff(local, remote, progress=False)['hosts'].counts.changed") == "6"


def test_every_step_can_be_brought_into_sight(session: Any) -> None:
    for name in ("Connect", "Inspect", "Diagnose", "Migrate", "Sync"):
        turn(session, name)
    turn(session, "Inspect")
    press(session, "Inspect")
    session.page.locator(".syncnb-desk .sheet").filter(has_text="host_ips").first.wait_for()
    turn(session, "Diagnose")
    fill(session, "What it said", "UNIQUE constraint failed: hosts.id")
    press(session, "Diagnose")
    says(session, "done: found = sn.diagnose(message, local, remote)")


def test_tab_goes_from_top_to_bottom(session: Any) -> None:
    turn(session, "Compare")
    field(session, "Who decides").focus()
    seen = []
    for _ in range(6):
        session.page.keyboard.press("Tab")
        seen.append(
            session.page.evaluate(
                "(document.activeElement.labels?.[0] ?? document.activeElement).textContent"
            )
        )
    assert seen == [
        "Only these tables",
        "Key",
        "Leave out columns",
        "Stop after rows",
        "Ids mean nothing across the two",
        "Compare",
    ]


STEPS = ("Compare", "Conflicts", "Plan and apply", "History", "Sync", "Diagnose", "Connect")


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_keeps_a_person_out_in_light_and_dark(session: Any, theme: str, tmp_path: Path) -> None:
    session.theme(theme)
    for step in STEPS:
        turn(session, step)
        assert session.page.locator(".syncnb-desk").evaluate(ACCESSIBLE) == [], step
        faults = axe(session)
        assert faults == [], step
        picture = tmp_path / f"{step}.png".replace(" ", "_")
        session.page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000


def axe(session: Any) -> list[str]:
    """What axe-core finds in the panel and calls serious or critical."""
    source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    session.page.evaluate(f"window.axe || (() => {{ {source} }})()")
    rules = {name: {"enabled": False} for name in SHUT}
    found = session.page.evaluate(
        "rules => window.axe.run('.syncnb-desk', {rules, resultTypes: ['violations']})", rules
    )
    return [
        f"{each['id']} ({each['impact']}): {[node['html'][:200] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_the_same_in_notebook_7(opened: Open) -> None:
    """Another program with the same parts: the panel comes up, compares, and its grid sorts."""
    session = opened("seven.ipynb", *CELLS, notebook7=True)
    assert session.page.evaluate("window.jupyterapp.name") == "Jupyter Notebook"
    session.page.get_by_role("button", name="Compare", exact=True).wait_for(timeout=60_000)
    press(session, "Compare")
    says(session, "done: d = sn.diff(local, remote)")
    grid = session.page.get_by_role("grid", name="hosts")
    grid.wait_for()
    grid.get_by_role("columnheader").nth(1).click()
    grid.locator("[aria-sort=ascending]").wait_for()
    assert session.page.locator(".syncnb-desk").evaluate(ACCESSIBLE) == []
    turn(session, "History")


@pytest.fixture(scope="module")
def long(opened: Open) -> Any:
    notebook = opened(
        "long.ipynb",
        "import syncnb as sn" + LONG,
        "desk = sn.panel(sn.connect('long_left.db'), sn.connect('long_right.db', writable=True), 'diff')\ndesk",
    )
    notebook.page.get_by_role("button", name="Compare", exact=True).wait_for(timeout=60_000)
    return notebook


def test_a_long_diff_shows_how_far_it_is_and_is_stopped(long: Any) -> None:
    press(long, "Compare")
    says(long, "diff is going on: t")
    long.page.get_by_role("progressbar", name="How far it is").wait_for()
    assert long.page.get_by_role("button", name="Compare", exact=True).is_disabled()
    press(long, "Stop")
    says(long, "it was stopped")
    assert python(long, "desk.diff, desk.busy") == "(None, '')"
    press(long, "Compare")
    says(long, "done: d = sn.diff(local, remote)")
    long.page.get_by_text("600,000").or_(long.page.get_by_text("600000")).first.wait_for()


def test_hostile_names_values_and_errors_are_only_text(opened: Open) -> None:
    hurt = opened("hurt.ipynb", *HURT)
    page = hurt.page
    page.locator(".syncnb-desk").get_by_role("grid").first.wait_for(timeout=60_000)
    assert python(hurt, "hurt.error") == "None"
    names = (
        "Inspect",
        "Diagnose",
        "Compare",
        "Conflicts",
        "Plan and apply",
        "Migrate",
        "Sync",
        "History",
        "Connect",
    )
    for name in names:
        turn(hurt, name)
        desk = page.locator(".syncnb-desk")
        unhurt(page, name)
        assert desk.locator(":is(img, script, iframe)").count() == 0, name
        assert "\u202e" not in desk.inner_text(), name
        assert desk.evaluate("node => node.scrollWidth <= node.parentElement.clientWidth + 2"), name
    turn(hurt, "Plan and apply")
    summary = page.locator(".syncnb-desk summary").filter(has_text="SQL")
    summary.click()
    assert "onerror" in page.locator(".syncnb-desk details pre").first.inner_text()
    turn(hurt, "Connect")
    fill(hurt, "File", "<img src=x onerror='window.hurt=1'></script>\u202e")
    press(hurt, "Connect")
    page.locator(".syncnb-desk .says.bad").filter(has_text="onerror").wait_for()
    unhurt(page)
    assert page.locator(".syncnb-desk :is(img, script)").count() == 0


SLOW = r"""
import sqlite3, pathlib
slow = "SELECT max(k) FROM (WITH RECURSIVE i(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM i WHERE k < 1000000000) SELECT k FROM i)"
for name, n in (("slow_left", 1), ("slow_right", 0)):
    with sqlite3.connect(f"{name}.db") as c:
        c.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
        c.execute("INSERT INTO t VALUES (1, ?)", (n,))
        if not n:
            c.execute(f"CREATE TRIGGER slow BEFORE UPDATE ON t BEGIN {slow}; END")
    c.close()
slowly = sn.connect("slow_right.db", writable=True)
p = sn.plan(sn.diff(sn.connect("slow_left.db"), slowly), into=slowly, resolve=sn.take_local)
sn.apply(p, slowly)
"""
EXECUTE = (
    "code => void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code})"
)


def test_the_kernel_is_interrupted_while_it_applies(long: Any) -> None:
    """The button that a person presses: nothing is written, the journal says so, and the next cell goes on."""
    lab = long.lab
    [kernel] = [each["kernel"]["id"] for each in lab.ask("api/sessions") if each["path"] == "long.ipynb"]
    long.page.evaluate(EXECUTE, SLOW)
    assert until(lambda: stands(lab.folder) == (0, ["running"]), 60)
    lab.ask(f"api/kernels/{kernel}/interrupt", method="POST")
    assert until(lambda: stands(lab.folder) == (0, ["failed"]), 60), stands(lab.folder)
    told = "sn.diff(sn.connect('slow_left.db'), slowly).verdict, sn.history(slowly).runs[-1].error"
    assert python(long, told) == "('different', 'KeyboardInterrupt')"
    with sqlite3.connect(lab.folder / "slow_right.db", timeout=0.1) as connection:
        connection.execute("DROP TRIGGER slow")  # nobody holds the file
    connection.close()
    assert python(long, "sn.apply(sn.plan(sn.diff(sn.connect('slow_left.db'), slowly), into=slowly, resolve=sn.take_local), slowly).status") == "applied"  # fmt: skip
    assert stands(lab.folder) == (1, ["failed", "success"])


def stands(folder: Path) -> tuple[int, list[str]]:
    """The row, and how the runs stand, read past syncnb."""
    path = folder / "slow_right.db"
    if not path.exists():
        return 0, []
    connection = sqlite3.connect(path, timeout=5)
    try:
        runs = [row[0] for row in connection.execute("SELECT status FROM syncnb_runs ORDER BY run")]
        return connection.execute("SELECT n FROM t").fetchone()[0], runs
    except sqlite3.OperationalError:  # it is not made yet
        return 0, []
    finally:
        connection.close()


STRANGE = """
[...document.querySelectorAll('*')].filter(node =>
    (node.closest('.jp-Cell') && node.matches('img, script, iframe, object, embed, link, base, form, meta'))
    || [...node.attributes].some(each => each.name.startsWith('on') || /^\\s*javascript:/i.test(each.value))
).map(node => node.outerHTML.slice(0, 200))
"""


def test_everything_hostile_that_is_shown_or_saved_is_only_text(
    browser: Any, bench: Workbench, tmp_path: Path
) -> None:
    """Every object, error, saved notebook and report, of hostile names and values: nothing is run, and no password is in it."""
    book, report, cells = page(bench, tmp_path)
    context = browser.new_context()
    shown, asked = context.new_page(), []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("dialog", lambda dialog: dialog.dismiss())
    shown.goto(report.as_uri())
    shown.wait_for_load_state("networkidle")
    unhurt(shown)
    assert (shown.evaluate(STRANGE), asked) == ([], [report.as_uri()])
    assert shown.locator(".jp-Cell").count() == cells
    assert shown.locator(".syncnb").count() > 35
    shown.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", IMG)
    shown.wait_for_function("window.fired === 1")  # it would have been seen
    context.close()
    texts = {"the saved notebook": book.read_text("utf-8"), "the report": report.read_text("utf-8")}
    assert leaks(texts) == {}
    count("objects and errors in a page in which a script did not fire", cells)
