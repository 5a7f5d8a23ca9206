"""What proves that a fault is handled: the same scene is played twice, with the handling and without it.

    @fault(26, without={"syncnb.applying.writing._drifted": nobody}, good="refused", harm="applied")
    def test_a_row_changed_since_the_preview(place: Place) -> str: ...

A scene makes the fault happen for real and returns what came of it. With the handling that is `good`; with the
named pieces of the product replaced it is `harm`, which shows that it is these pieces that prevent it, and that
the scene would see it if they were gone.
"""

import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest

__all__ = ["edited", "fault"]


@dataclass(frozen=True)
class edited:
    """The same function with one piece of its text replaced, which must be there exactly once."""

    old: str
    new: str

    def of(self, function: Any) -> Any:
        plain = inspect.unwrap(getattr(function, "fget", function))
        source = textwrap.dedent(inspect.getsource(plain))
        assert source.count(self.old) == 1, (
            f"{self.old!r} is {source.count(self.old)} times in {plain.__qualname__}"
        )
        made: dict[str, Any] = {}
        exec(
            compile(source.replace(self.old, self.new), f"<{plain.__qualname__}, edited>", "exec"),
            plain.__globals__,
            made,
        )
        return made[plain.__name__]


def fault(
    number: int, *, without: Mapping[str, object], good: object, harm: object
) -> Callable[[Callable[..., object]], Callable[..., None]]:
    """Make a test of a scene: it gives `good`, and `harm` while the names in `without` are replaced.

    good, harm: what the scene returns, or a pattern that the whole of it matches.
    """

    def decorate(scene: Callable[..., object]) -> Callable[..., None]:
        wanted = list(inspect.signature(scene).parameters.values())

        def test(handled: bool, monkeypatch: pytest.MonkeyPatch, **fixtures: Any) -> None:
            if not handled:
                take_away(without, monkeypatch)
            if any(one.name == "monkeypatch" for one in wanted):
                fixtures["monkeypatch"] = monkeypatch
            happened = scene(**fixtures)
            meant = good if handled else harm
            as_meant = meant.fullmatch(str(happened)) if isinstance(meant, re.Pattern) else happened == meant
            assert as_meant, f"what happened:\n{happened!r}\nwhat was meant:\n{meant!r}"

        ours = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in ("handled", "monkeypatch")
        ]
        theirs = [one for one in wanted if one.name != "monkeypatch"]
        test.__signature__ = inspect.Signature([*ours, *theirs])  # type: ignore[attr-defined]
        test.__name__, test.__doc__, test.__module__ = scene.__name__, scene.__doc__, scene.__module__
        both = pytest.mark.parametrize("handled", [True, False], ids=["handled", "not handled"])
        return pytest.mark.fault(number)(both(test))

    return decorate


def take_away(without: Mapping[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what these dotted names mean."""
    assert without, "nothing is taken away"
    for path, instead in without.items():
        owner, name = _found(path)
        was = inspect.getattr_static(owner, name)
        monkeypatch.setattr(owner, name, instead.of(was) if isinstance(instead, edited) else instead)


def _found(path: str) -> tuple[Any, str]:
    """The module or class that has the last name of a path."""
    names = path.split(".")
    for length in range(len(names) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(names[:length]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, names[length:-1], module), names[-1]
    raise AssertionError(f"no module in {path}")


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)
