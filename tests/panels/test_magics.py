"""`%%diagnose` in a real IPython."""

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import syncnb as sn
from syncnb.examples import homes

TEXT = "ERROR - Failed to sync INSERT operation for domains:378: (sqlite3.IntegrityError) UNIQUE constraint failed: domains.id"


@pytest.fixture
def shell() -> Any:
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "syncnb")
    yield shell
    InteractiveShell.clear_instance()


def test_pasted_text_is_diagnosed(shell: Any) -> None:
    found = shell.run_cell_magic("diagnose", "", f"\n{TEXT}\n")
    assert isinstance(found, sn.Findings)
    assert len(found) >= 1


def test_stores_are_named_by_their_variables(shell: Any) -> None:
    shell.user_ns["local"], shell.user_ns["remote"] = sn.demo("id_collisions")
    found = shell.run_cell_magic("diagnose", "local remote", TEXT)
    assert "id_collision_different_entity" in repr(found)
    assert repr(found) == repr(sn.diagnose(TEXT, shell.user_ns["local"], shell.user_ns["remote"]))
    homes.clear()


def test_a_name_that_is_no_store_is_one_line(shell: Any) -> None:
    shell.user_ns["thing"] = 3
    with pytest.raises(sn.SyncnbError, match="thing is no store"):
        shell.run_cell_magic("diagnose", "thing", TEXT)
