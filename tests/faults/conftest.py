"""Counts the faults that were proved by this run."""

from collections.abc import Iterator

import pytest

from tests.databases import Workbench
from tests.faults.places import Place
from tests.faults.table import FAULTS, NOT_PROVED

NUMBER = "fault"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "fault(number): proves how a fault of tests/faults/table.py is handled"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("fault"):
            item.user_properties.append(
                (NUMBER, mark.args[0])
            )  # goes with the report, also from another process


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed, spoilt = set(), set()
    for word, reports in terminalreporter.stats.items():
        numbers = {value for report in reports for value in _numbers(report)}
        (passed if word in ("passed", "") else spoilt).update(numbers)
    proved = passed - spoilt
    if not passed | spoilt:
        return
    terminalreporter.section("faults")
    terminalreporter.line(f"{len(proved)} of {len(FAULTS)} faults proved")
    for number, one in FAULTS.items():
        if number not in proved:
            why = "a test failed" if number in spoilt else NOT_PROVED.get(number, "no test ran")
            terminalreporter.line(f"  {number} {one.name}: {why}")


def _numbers(report: object) -> Iterator[int]:
    for name, value in getattr(report, "user_properties", ()):
        if name == NUMBER:
            yield value


@pytest.fixture
def place(bench: Workbench) -> Place:
    """Where a scene makes its two databases, and looks at them past syncnb."""
    return Place(bench)
