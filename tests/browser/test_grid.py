"""The grid as a person meets it: in JupyterLab, with mouse and keyboard."""

from typing import Any

import pytest

from tests.browser.conftest import Open

TOUR = (
    "import syncnb as sn\nlocal, remote = sn.demo('tour')\nd = sn.diff(local, remote)",
    "sn.grid(d['hosts'], size=5)",
    "p = sn.plan(d, into=remote)\ng = sn.grid(p, by='ann', size=20)\ng",
)


@pytest.fixture(scope="module")
def tour(opened: Open) -> Any:
    notebook = opened("tour.ipynb", *TOUR)
    notebook.page.get_by_role("grid", name="hosts").wait_for(timeout=60_000)
    notebook.page.get_by_role("grid", name="plan into inventory").wait_for()
    return notebook


def test_look(tour: Any) -> None:
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        tour.theme(theme)
        tour.page.screenshot(path=f"/tmp/grid-shots/{theme.split()[1].lower()}.png")
