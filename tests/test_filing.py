"""Files that are written whole or not at all, whatever happens between."""

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncnb.filing import writing_whole


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file that is there already; the mask of the process is the usual one."""
    mask = os.umask(0o022)
    found = tmp_path / "plan.json"
    found.write_bytes(b"old")
    yield found
    os.umask(mask)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_new_file_has_its_name_at_the_end(path: Path) -> None:
    for lasting in (False, True):
        with writing_whole(path, lasting=lasting) as file:
            file.write(b"new")
            file.flush()
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new"
        assert os.listdir(path.parent) == [path.name]
        path.write_bytes(b"old")


def half_written(path: Path, then: Callable[[], object]) -> None:
    with writing_whole(path, private=True, lasting=True) as file:
        file.write(b"ne")
        file.flush()
        then()


FAILURES: dict[str, Callable[[], object]] = {
    "an error": lambda: 1 / 0,
    "a Ctrl-C": lambda: signal.raise_signal(signal.SIGINT),
}


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_a_failure_leaves_the_old_file_and_nothing_else(path: Path, fail: Callable[[], object]) -> None:
    with pytest.raises((ZeroDivisionError, KeyboardInterrupt)):
        half_written(path, fail)
    assert (path.read_bytes(), os.listdir(path.parent)) == (b"old", [path.name])


def test_a_kill_leaves_the_old_file_and_the_next_one_is_written(path: Path) -> None:
    child = os.fork()
    if child == 0:
        half_written(path, lambda: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert path.read_bytes() == b"old"
    (left,) = set(os.listdir(path.parent)) - {path.name}
    assert (left.startswith("."), left.endswith(".part"), mode(path.parent / left)) == (True, True, 0o600)
    with writing_whole(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


PERMISSIONS: dict[str, tuple[int | None, bool, int]] = {
    "a new file": (None, False, 0o644),
    "one that others could read": (0o664, False, 0o664),
    "one that nobody else could read": (0o600, False, 0o600),
    "a new private one": (None, True, 0o600),
    "a private one where others could read": (0o644, True, 0o600),
}


@pytest.mark.parametrize(("before", "private", "after"), PERMISSIONS.values(), ids=PERMISSIONS)
def test_who_may_read_it(path: Path, before: int | None, private: bool, after: int) -> None:
    path.unlink() if before is None else path.chmod(before)
    with writing_whole(path, private=private) as file:
        (part,) = path.parent.glob(".*.part")
        assert mode(part) == after
        file.write(b"new")
    assert mode(path) == after


def test_two_that_write_at_once_never_mix(path: Path) -> None:
    with writing_whole(path) as first:
        first.write(b"the ")
        first.flush()
        with writing_whole(path) as second:
            second.write(b"other")
        first.write(b"one")
    assert path.read_bytes() == b"the one"


def test_what_lasts_is_on_the_disk_before_it_has_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bytes]] = []

    def fsync(number: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(number).st_mode), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    with writing_whole(path) as file:
        file.write(b"old")
    assert seen == []
    with writing_whole(path, lasting=True) as file:
        file.write(b"new")
    assert seen == [(False, b"old"), (True, b"new")]


def test_a_folder_that_is_not_there_is_an_error_of_the_system(path: Path) -> None:
    with pytest.raises(FileNotFoundError), writing_whole(path.parent / "nowhere" / "x"):
        pass
