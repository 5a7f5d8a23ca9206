"""The table of mutants is in step with the code, and the suite notices the ones that matter most."""

import ast
import os
import subprocess
import sys

import pytest

from tests.mutants.planting import ROOT, planted
from tests.mutants.table import CHEAP, MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_has_its_place_and_its_test(mutant: Mutant) -> None:
    for text in planted(mutant).values():
        ast.parse(text)
    for test in mutant.tests:
        file, *path = test.partition("[")[0].split("::")
        found: list[ast.AST] = [ast.parse((ROOT / file).read_text("utf-8"))]
        for name in path:
            inner = [node for node in ast.iter_child_nodes(found[0]) if getattr(node, "name", None) == name]
            assert inner, f"{test}: there is no {name}"
            found = inner


def test_each_test_has_its_rows(request: pytest.FixtureRequest) -> None:
    """Of those that are part of this run: a row that is left out of the suite notices nothing."""
    if request.config.getoption("keyword"):
        return  # whoever chooses by words has left rows out
    rows = {item.nodeid for item in request.session.items}
    whole = {row.partition("[")[0] for row in rows}
    named = {test for mutant in MUTANTS for test in mutant.tests if test.partition("[")[0] in whole}
    assert named - rows - whole == set()


def test_planted_mutants_are_noticed() -> None:
    """Those of which a test is quick; `python -m tests.mutants` plants all. The code as it is passes in this very run."""
    code = [sys.executable, "-m", "tests.mutants", "--no-base", "--exact", "--workers", "1", *CHEAP]
    done = subprocess.run(
        code, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{len(CHEAP)} of {len(CHEAP)} mutants noticed"
