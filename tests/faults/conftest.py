"""Counts the faults that were proved by this run."""

from collections.abc import Iterator

import pytest

from tests.databases import Workbench
from tests.faults.places import Place
from tests.faults.table import FAULTS, NOT_PROVED
from tests.proof.counting import MOST, count

NUMBER = "fault"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(number): proves how a fault of tests/faults/table.py is handled"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            # Goes with the report, also from another process.
            item.user_properties.append((NUMBER, (mark.args[0], item.callspec.params["handled"])))  # type: ignore[attr-defined]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed: set[tuple[int, bool]] = set()
    spoilt: set[int] = set()
    by: dict[int, set[str]] = {}
    for word, reports in terminalreporter.stats.items():
        for report in reports:
            for number, handled in _scenes(report):
                if word == "passed":
                    passed.add((number, handled))
                    by.setdefault(number, set()).add(report.nodeid.partition("[")[0])
                elif word in ("failed", "error", "skipped"):
                    spoilt.add(number)
    if not passed and not spoilt:
        return
    proved = {number for number, _ in passed if {(number, True), (number, False)} <= passed} - spoilt
    terminalreporter.section("faults")
    terminalreporter.line(f"{len(proved)} of {len(FAULTS)} faults proved")
    count(f"{MOST}faults proved", len(proved))
    for number, one in FAULTS.items():
        if number not in proved:
            why = "a test failed" if number in spoilt else NOT_PROVED.get(number, "no test ran")
            terminalreporter.line(f"  {number} {one.name}: {why}")
        elif terminalreporter.verbosity > 0:
            terminalreporter.line(f"  {number} {one.name}: {one.expected} ({', '.join(sorted(by[number]))})")


def _scenes(report: object) -> Iterator[tuple[int, bool]]:
    for name, value in getattr(report, "user_properties", ()):
        if name == NUMBER:
            yield value[0], value[1]


@pytest.fixture
def place(bench: Workbench) -> Place:
    """Where a scene makes its two databases, and looks at them past syncnb."""
    return Place(bench)
