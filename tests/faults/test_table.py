"""The table of faults says the truth about the tests beside it."""

import importlib
from pathlib import Path

from tests.faults.table import FAULTS, NOT_PROVED


def test_every_fault_has_a_scene_or_a_reason() -> None:
    proved = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.faults.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and getattr(test, "__module__", "") == module.__name__:
                proved += [mark.args[0] for mark in getattr(test, "pytestmark", ()) if mark.name == "fault"]
    assert list(FAULTS) == list(range(1, 85))
    assert sorted(proved) == sorted(FAULTS.keys() - NOT_PROVED.keys())
