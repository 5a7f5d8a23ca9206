"""The grid as a person meets it: in JupyterLab, with mouse and keyboard."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Open
from tests.browser.lab import unhurt

HOSTILE = r'''
import pathlib, sqlite3
bad = '<img src=x onerror="window.hurt=1">'
worse = "</script><script>window.hurt=1</script>"
rtl = "\u202e\u05d0\u05d1 \u2066abc"
for name, last in (("left", "one"), ("right", "two")):
    pathlib.Path(f"{name}.db").unlink(missing_ok=True)  # another notebook of this lab has made them too
    with sqlite3.connect(f"{name}.db") as c:
        c.execute(f"""CREATE TABLE "t {worse} {bad.replace('"', '')} {rtl}" (id TEXT PRIMARY KEY, "{worse} {rtl}" TEXT, long TEXT, "x{'y' * 5000}" TEXT)""")
        rows = [(bad, worse + last, "w" * 1_000_000 + last, last), (rtl, rtl + last, "\u05d0" * 1000 + last, last), ("k" * 5000, "\n" * 50 + last, "", last)]
        c.executemany(f"""INSERT INTO "t {worse} {bad.replace('"', '')} {rtl}" VALUES (?, ?, ?, ?)""", rows)
right = sn.connect("right.db", writable=True)
hurt = sn.diff(sn.connect("left.db"), right, progress=False)
'''

CELLS = (
    "import syncnb as sn\nlocal, remote = sn.demo('tour')\nd = sn.diff(local, remote, progress=False)",
    "hosts = sn.grid(d['hosts'], size=5)\nhosts",
    "p = sn.plan(d, into=remote)\ng = sn.grid(p, by='ann', size=20)\ng",
    HOSTILE,
    "bad = sn.grid(hurt)\nbad",
    "sn.grid(sn.plan(hurt, into=right))",
    "from IPython.display import HTML\nHTML(bad._repr_html_())",
)
ACCESSIBLE = (Path(__file__).parent / "accessible.js").read_text("utf-8")
THEMES = ("JupyterLab Light", "JupyterLab Dark")


@pytest.fixture(scope="module")
def tour(opened: Open) -> Any:
    """Grids over the demo and over hostile rows, as they come up."""
    notebook = opened("tour.ipynb", *CELLS)
    notebook.page.get_by_role("grid", name="hosts").wait_for(timeout=60_000)
    notebook.page.get_by_role("grid", name="plan into inventory").wait_for()
    notebook.page.locator(".syncnb-grid").nth(3).wait_for()
    return notebook


class Shown:
    """One grid in the page."""

    def __init__(self, page: Any, name: str) -> None:
        self.page = page
        self.table = page.get_by_role("grid", name=name)
        self.box = page.locator(".syncnb-grid", has=self.table)

    def shows(self, at: int, *texts: str) -> None:
        """Wait until this column holds these texts, from top to bottom."""
        from playwright.sync_api import expect

        expect(self.table.locator(f"tbody tr > :nth-child({at})")).to_have_text(list(texts), timeout=60_000)

    def clear(self) -> None:
        """Search for nothing, in all columns, as it was at first."""
        self.box.get_by_label("In which column").select_option("")
        self.box.get_by_role("searchbox").fill("")

    def find(self, text: str, cell: str) -> None:
        """Type into the search field, and wait until this cell is found."""
        self.box.get_by_role("searchbox").fill(text)
        self.table.locator("tbody tr:first-child").get_by_role("gridcell", name=cell, exact=True).wait_for()

    def says(self, text: str) -> None:
        self.box.get_by_role("status").filter(has_text=text).wait_for()

    def cell(self, row: int, column: int) -> Any:
        return self.table.locator(f"tbody tr:nth-child({row}) > :nth-child({column})")


def python(tour: Any, code: str) -> str:
    """What an expression is in the kernel, as text."""
    file = tour.lab.folder / "told.txt"
    file.unlink(missing_ok=True)
    tour.page.evaluate(
        "code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}).done",
        f"import pathlib; _ = pathlib.Path('told.txt').write_text(str(({code})))",
    )
    return file.read_text()


@pytest.fixture
def hosts(tour: Any) -> Shown:
    """The grid of hosts, with nothing searched for, whatever a test before left there."""
    from playwright.sync_api import expect

    shown = Shown(tour.page, "hosts")
    shown.clear()
    expect(shown.table.locator("tbody tr")).to_have_count(5, timeout=60_000)
    return shown


def test_it_sorts_by_mouse_and_keyboard(tour: Any, hosts: Shown) -> None:
    hosts.shows(1, "14", "16", "18", "19", "20")
    heading = hosts.table.get_by_role("columnheader", name="last_seen remote")
    heading.click()
    tour.page.wait_for_function("!!document.querySelector('[aria-sort=ascending]')")
    tour.page.keyboard.press("Enter")
    tour.page.wait_for_function("!!document.querySelector('[aria-sort=descending]')")
    hosts.shows(1, "22", "21", "20", "19", "18")
    assert heading.get_attribute("aria-sort") == "descending"
    tour.page.keyboard.press("Enter")
    tour.page.wait_for_function("!document.querySelector('[aria-sort=descending]')")
    hosts.shows(1, "14", "16", "18", "19", "20")


def test_it_turns_and_finds(tour: Any, hosts: Shown) -> None:
    hosts.box.get_by_role("button", name="Next page").click()
    hosts.says("rows 6 to 7 of 7")
    hosts.shows(1, "21", "22")
    hosts.cell(1, 1).click()
    tour.page.keyboard.press("PageUp")
    hosts.says("rows 1 to 5 of 7")
    hosts.box.get_by_role("searchbox").fill("MAIL")
    hosts.says("rows 1 to 1 of 1, from 7 in all")
    hosts.shows(1, "19")
    assert python(tour, "len(hosts)") == "1"
    hosts.box.get_by_role("searchbox").fill("∅")
    hosts.box.get_by_label("In which column").select_option(label="in description")
    hosts.shows(1, "18")
    hosts.clear()
    hosts.says("rows 1 to 5 of 7")


def test_arrows_move_and_tell_the_cell_at_length(tour: Any, hosts: Shown) -> None:
    hosts.cell(1, 3).click()
    for key in ("ArrowRight", "ArrowDown", "ArrowUp", "End", "Home", "ArrowRight", "ArrowRight"):
        tour.page.keyboard.press(key)
    told = hosts.box.locator(".about")
    told.get_by_text("text differs").wait_for()
    assert told.inner_text().split() == [
        "cell",
        "14",
        "environment",
        "local",
        "production",
        "remote",
        "staging",
        "why",
        "text",
        "differs",
    ]
    before = hosts.cell(1, 3).bounding_box()["width"]
    tour.page.keyboard.press("Alt+ArrowRight")
    assert hosts.cell(1, 3).bounding_box()["width"] > before + 5
    tour.page.keyboard.press("Alt+ArrowLeft")
    tour.page.keyboard.press("F2")
    hosts.says("differences are facts")


def test_a_column_is_dragged_and_key_and_heading_stay_in_sight(tour: Any, hosts: Shown) -> None:
    grip = hosts.table.get_by_role("columnheader", name="state").locator(".grip")
    place, before = grip.bounding_box(), hosts.cell(1, 2).bounding_box()["width"]
    tour.page.mouse.move(place["x"] + 3, place["y"] + 9)
    tour.page.mouse.down()
    tour.page.mouse.move(place["x"] + 43, place["y"] + 9, steps=3)
    tour.page.mouse.up()
    assert hosts.cell(1, 2).bounding_box()["width"] == pytest.approx(before + 40, abs=4)
    assert hosts.table.get_by_role("columnheader", name="state").get_attribute("aria-sort") == "none"
    key = hosts.cell(1, 1).bounding_box()["x"]
    scroller = hosts.box.locator(".scroller")
    scroller.evaluate("node => { node.scrollLeft = 400; }")
    assert hosts.cell(1, 1).bounding_box()["x"] == pytest.approx(key, abs=1)
    plan = Shown(tour.page, "plan into inventory")
    top = plan.table.locator("thead th").first.bounding_box()["y"]
    plan.box.locator(".scroller").evaluate("node => { node.scrollTop = 60; }")
    assert plan.table.locator("thead th").first.bounding_box()["y"] == pytest.approx(top, abs=1)
    for box in (scroller, plan.box.locator(".scroller")):
        box.evaluate("node => node.scrollTo(0, 0)")


def test_a_cell_is_edited_by_keyboard_and_a_bad_edit_stays_with_its_reason(tour: Any) -> None:
    plan, keyboard = Shown(tour.page, "plan into inventory"), tour.page.keyboard
    plan.find("staging", "differs staging")
    plan.cell(1, 5).click()
    keyboard.press("F2")
    field = plan.table.get_by_role("textbox", name="New after")
    field.wait_for()
    assert field.input_value() == "production"
    keyboard.type("standby")
    keyboard.press("Enter")
    plan.table.get_by_role("gridcell", name="differs edited standby").wait_for()
    plan.says("1 decided here")
    assert "'standby'" in python(tour, "g.code")

    plan.find("2026-03-01 05:21:01", "differs 2026-03-01 05:21:01+00")
    plan.cell(1, 5).click()
    keyboard.press("Enter")
    field.wait_for()
    keyboard.type("2026-02-31")
    keyboard.press("Enter")
    reason = plan.table.get_by_role("alert")
    reason.filter(has_text="it is no date or stamp").wait_for()
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == reason.get_attribute("id")
    assert field.evaluate("node => node === document.activeElement")
    keyboard.press("Escape")
    plan.table.get_by_role("gridcell", name="differs 2026-03-01 05:21:01+00").wait_for()
    assert "2026-02-31" not in python(tour, "g.code")


def test_the_bar_decides_a_reason_is_written_and_null_is_set(tour: Any) -> None:
    plan, keyboard = Shown(tour.page, "plan into inventory"), tour.page.keyboard
    plan.find("Blog and news", "differs Blog and news")
    plan.cell(1, 6).click()
    for word in ("apply", "keep"):
        keyboard.press("Space")
        plan.table.get_by_role("gridcell", name=f"edited {word}").wait_for()
    keyboard.press("ArrowRight")
    keyboard.press("F2")
    plan.table.get_by_role("textbox", name="New reason").wait_for()
    keyboard.type("theirs is better")
    keyboard.press("Enter")
    plan.table.get_by_role("gridcell", name="theirs is better").wait_for()
    plan.find("Mail relay", "differs Mail relay")
    plan.cell(1, 5).dblclick()
    plan.table.get_by_role("button", name="Set NULL").click()
    plan.table.get_by_role("gridcell", name="differs edited ∅").wait_for()
    said = python(tour, "g.code")
    assert "lines.loc[row, \"reason\"] = 'theirs is better'" in said
    assert '"after"] = sn.NULL' in said
    assert python(tour, "[r.reason for r in g.plan.open if r.key == '16']") == "['theirs is better (ann)']"
    plan.box.get_by_role("searchbox").fill("")
    plan.says("rows 1 to 20")


def test_tab_goes_through_the_controls_and_once_into_the_grid(tour: Any, hosts: Shown) -> None:
    hosts.box.get_by_role("searchbox").focus()
    seen = []
    for _ in range(6):
        tour.page.keyboard.press("Tab")
        seen.append(
            tour.page.evaluate(
                "(() => { const n = document.activeElement; return n.getAttribute('aria-label') ?? n.getAttribute('role') ?? n.tagName })()"
            )
        )
    assert seen[:4] == ["In which column", "Which state", "Next page", "Last page"]
    cell = seen.index("rowheader") if "rowheader" in seen else seen.index("gridcell")
    assert {"rowheader", "gridcell"} & set(seen[cell + 1 :]) == set()


@pytest.mark.parametrize("theme", THEMES)
def test_nothing_keeps_a_person_out_in_light_and_dark(tour: Any, theme: str, tmp_path: Path) -> None:
    tour.theme(theme)
    for name in ("hosts", "plan into inventory"):
        shown = Shown(tour.page, name)
        shown.cell(1, 4).click()
        shown.box.locator(".about dd").first.wait_for()
        assert shown.box.evaluate(ACCESSIBLE) == []
    picture = tmp_path / f"{theme.split()[1].lower()}.png"
    tour.page.screenshot(path=picture)
    assert picture.stat().st_size > 20_000


def test_one_table_stands_where_two_are_sent(tour: Any) -> None:
    """The static one is hidden while the widget is up."""
    assert tour.page.locator(".syncnb-twin").count() == 4
    assert not any(twin.is_visible() for twin in tour.page.locator(".syncnb-twin").all())


def test_hostile_names_and_values_are_only_text(tour: Any) -> None:
    page = tour.page
    page.locator(".jp-RenderedHTMLCommon .syncnb").last.wait_for()
    first = page.get_by_role("grid").nth(2)
    first.locator("tbody tr:nth-child(1) > :nth-child(3)").click()
    page.locator(".syncnb-grid").nth(2).locator(".about dd").nth(1).wait_for()
    unhurt(page)
    assert page.locator(".syncnb-grid :is(img, script), .syncnb :is(img, script)").count() == 0
    for box in page.locator(".syncnb-grid").all():
        assert box.evaluate("node => node.scrollWidth <= node.parentElement.clientWidth + 1")
        assert box.evaluate("node => node.getBoundingClientRect().height") < 900
        heights = box.evaluate(
            "node => [...node.querySelectorAll('tbody tr')].map(row => row.getBoundingClientRect().height)"
        )
        assert max(heights) < 40
    assert "(1,000,003 characters)" in first.inner_text()
    assert "\\u202e" in first.inner_text()
    assert "\u202e" not in first.inner_text()


def test_what_is_saved_is_small_and_says_what_to_do_where_the_kernel_is_gone(tour: Any) -> None:
    tour.command("docmanager:save")
    tour.page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = (tour.lab.folder / "tour.ipynb").read_text()
    assert len(saved) < 100_000
    assert '"widgets"' not in saved
    assert "syncnb-twin" in saved
    [kernel] = [k for k in tour.lab.ask("api/sessions") if k["path"] == "tour.ipynb"]
    tour.command("application:close")
    tour.lab.ask(f"api/kernels/{kernel['kernel']['id']}", method="DELETE")
    tour.page.locator(".syncnb-grid").first.wait_for(state="detached")
    tour.command("docmanager:open", path="tour.ipynb")
    tour.page.get_by_text("run this cell in JupyterLab").first.wait_for()
    assert tour.page.locator(".syncnb-twin").first.is_visible()
