"""A runbook as a run: a copy is executed and kept as the record, with a report that opens anywhere.

The runbook itself stays as it was. Values that are told stand in a cell of their own in the record, addresses and
passwords nowhere: they come from environment variables, and what an output may have said of them is taken out.
"""

import ast
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from syncnb import clock
from syncnb.errors import SyncnbError
from syncnb.runbooks.reporting import html_report

__all__ = ["Record", "parameters_of", "run_notebook", "value_of"]

HIDDEN = "***"
SHORTEST = 6
"""Letters of a password that is looked for in outputs: a shorter one would be found in words that are none."""
PASSWORD = re.compile(r"://[^/@\s:]*:[^/@\s]+@|\bpass(word|wd)?\s*=", re.IGNORECASE)


@dataclass(frozen=True)
class Record:
    """What became of a run."""

    notebook: Path
    """The copy that was executed, with its outputs."""
    report: Path
    """The same as a page that needs nothing else."""
    failed: str = ""
    """What the cell said at which it ended; empty where it came to its end."""
    disproved: bool = False
    """Whether it ended at an assertion: something does not hold, and nothing is broken."""


def run_notebook(path: Path, told: Mapping[str, Any], *, record: Path | None = None) -> Record:
    """Execute a copy of a runbook with these parameters, keep it, and write a report beside it.

    told: parameters by name, whatever its case. record: where the copy goes; by default beside the runbook, with
        the time in its name. A cell that raises ends the run: the copy and the report are written all the same.

    Raises SyncnbError for a file that is no notebook, a parameter that it does not have, a value that holds a
    password, a record that is there already, or where what executes notebooks is not installed.
    """
    if find_spec("papermill") is None:
        raise SyncnbError(
            "papermill, which executes notebooks, is not installed", hint='pip install "syncnb[lab]"'
        )
    known = parameters_of(path)
    values = {_named(name, known, path): _harmless(name, value) for name, value in told.items()}
    copy = record or path.with_name(f"{path.stem}.{clock.now():%Y%m%d-%H%M%S}.ipynb")
    report = copy.with_suffix(".html")
    for there in (copy, report):
        if there.exists():
            raise SyncnbError(f"{there.name} is there already", hint="--record names another file")
    try:
        failed, disproved = _executed(path, copy, values)
    except OSError as error:
        raise SyncnbError(
            f"{copy.name} cannot be written: {error.strerror}", hint="--record names a file that can be"
        ) from None
    _hide(copy)
    html_report(copy, report)
    return Record(copy, report, failed, disproved)


def parameters_of(path: Path) -> tuple[str, ...]:
    """The names in the cell that is tagged `parameters`. Raises SyncnbError where the file is no notebook."""
    import nbformat

    try:
        book = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise SyncnbError(
            f"{path.name} cannot be read: {error.strerror}", hint="name a notebook (.ipynb)"
        ) from None
    except Exception:  # nbformat raises what its parsers do
        raise SyncnbError(f"{path.name} is no notebook", hint="`syncnb new FILE.ipynb` writes one") from None
    cell = next((cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())), None)
    if cell is None or cell.cell_type != "code":
        return ()
    try:
        body = ast.parse(cell.source).body
    except SyntaxError:
        raise SyncnbError(
            f"the settings of {path.name} are no Python", hint="mend its parameters cell"
        ) from None
    targets = [target for each in body if isinstance(each, ast.Assign) for target in each.targets]
    return tuple(target.id for target in targets if isinstance(target, ast.Name))


def value_of(text: str) -> Any:
    """What was typed: a number, True, None, a list or text in quotes as Python reads it; anything else is text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _named(name: str, known: tuple[str, ...], path: Path) -> str:
    found = [each for each in known if each.lower() == name.lower()]
    if len(found) == 1:
        return found[0]
    if name in known:
        return name
    near = get_close_matches(name.upper(), [each.upper() for each in known], n=1)
    raise SyncnbError(
        f"{path.name} has no parameter {name!r}",
        hint=f"did you mean {near[0]}?" if near else f"its parameters are {', '.join(known) or 'none'}",
    )


def _harmless(name: str, value: Any) -> Any:
    if isinstance(value, str) and PASSWORD.search(value):
        raise SyncnbError(
            f"the value of {name} holds a password, and would stand in the record",
            hint=f"put it into an environment variable, and give its name: -p {name}_env REMOTE_URL",
        )
    return value


QUIET = ("--IPKernelApp.log_level=ERROR",)
"""A kernel says of itself that it talks over TCP; who runs a runbook can do nothing about it."""


def _executed(path: Path, copy: Path, values: dict[str, Any]) -> tuple[str, bool]:
    """Run the copy; what the cell said that ended it, and whether that was an assertion."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    try:
        papermill.execute_notebook(
            path,
            copy,
            values,
            cwd=path.absolute().parent,
            progress_bar=False,
            log_output=False,
            kernel_name="python3",
            extra_arguments=list(QUIET),
        )
    except PapermillExecutionError as error:
        said = f"{error.ename}: {error.evalue}" if error.evalue else str(error.ename)
        return _without(said, _secrets()), error.ename == "AssertionError"
    return "", False


def _secrets() -> list[str]:
    """Passwords, and addresses with one, in the variables of this process, the longest first."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if "://" in value:
            try:
                password = urlsplit(value).password
            except ValueError:
                continue
            if password:
                found |= {value, password, unquote(password)}
        elif name.upper().endswith(("PASSWORD", "PASSWD")):
            found.add(value)
    return sorted((secret for secret in found if len(secret) >= SHORTEST), key=len, reverse=True)


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _hide(copy: Path) -> None:
    """Take secrets out of a record, in whatever way a JSON file spells them."""
    secrets = _secrets()
    spelled = {
        *secrets,
        *(json.dumps(each, ensure_ascii=to)[1:-1] for each in secrets for to in (True, False)),
    }
    text = copy.read_text("utf-8")
    cleaned = _without(text, sorted(spelled, key=len, reverse=True))
    if cleaned != text:
        copy.write_text(cleaned, "utf-8")
