"""The command line: a thin customer of the public names. Only stdout carries results.

Exit codes: 0 as wished, 1 it differs or was refused, 2 an error or a wrong call, 130 interrupted.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from syncnb.cli.arguments import scrubbed, without_secrets
from syncnb.cli.words import in_command_words
from syncnb.errors import SyncnbError
from syncnb.stores.conversation import conversation

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "diff": "show every true difference between two databases",
    "plan": "say what shall be written into one side, and save it as a file",
    "show": "show what a saved plan will write, without a database",
    "apply": "write a saved plan: guarded, journaled, all or nothing",
    "verify": "read again what a run wrote, and say whether it is there",
    "sync": "pass on what changed, unattended: compared, written, proved, and kept as agreed",
    "upsert": "write a file of rows into a database: new ones inserted, others updated, all tables or none",
    "history": "show the runs of a database, or the report of one of them",
    "undo": "take a run back",
    "purge": "take away the images of old runs, and with them their undo",
    "track": "capture which rows of a SQLite file change, and show what is pending",
    "diagnose": "say why a sync fails, or loses data without failing: causes, evidence, a way out",
    "migrate": "draw what alters tables safely, from what diagnose finds; as a plan, or as SQL files",
    "journal": "print what makes the journal, for an administrator to run",
    "inspect": "show tables, keys, foreign keys, triggers and row-level security of a database",
    "demo": "see it work: two databases in a broken state, looked at and repaired step by step",
    "lab": "open JupyterLab on a copy of the notebooks",
    "new": "write a runbook: a notebook to look, decide, write, prove and take back",
    "run": "run a runbook as a record, with a report; ends by its proof",
}
"""Every command that exists; each has a module of its name with `run(argv) -> exit code`."""

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 141

Command = Callable[[Sequence[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Writes errors as one line and a hint, never a traceback."""
    _never_fail_on_a_letter()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with conversation():
            ended = _dispatch(words)
        sys.stdout.flush()
    except SystemExit as end:  # argparse ends so after --help
        return end.code if isinstance(end.code, int) else FAILED
    except SyncnbError as problem:
        told = (without_secrets(in_command_words(text), words) for text in (problem.message, problem.hint))
        return _fail(*told)
    except KeyboardInterrupt:
        print(f"Interrupted: {_after_interrupt(words)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as fault:  # the last line of defence: its text could hold anything
        return _fault(fault)
    return ended


def _dispatch(words: list[str]) -> int:
    if not words:
        print(_help(), file=sys.stderr)
        return FAILED
    name, *rest = words
    if name in ("-h", "--help", "help"):
        print(_help())
        return 0
    if name in ("-V", "--version"):
        print(f"syncnb {_version()}")
        return 0
    return _command(name)(rest)


def _command(name: str) -> Command:
    if name in COMMANDS:
        # Imported only now: `--help` must not wait for pandas.
        command: Command = import_module(f"syncnb.cli.{name}").run
        return command
    near = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `syncnb {near[0]}`?" if near else f"commands are {', '.join(COMMANDS)}"
    raise SyncnbError(f"there is no command {scrubbed(name)!r}", hint=hint)


def _after_interrupt(words: list[str]) -> str:
    """What is certain then: nobody can know whether a COMMIT that was sent came through."""
    if words[:1] in (["apply"], ["sync"], ["upsert"]) or (words[:1] == ["undo"] and "--apply" in words):
        return "all of it was written, or nothing: `syncnb history STORE` tells, and to do it again is safe."
    return "nothing was written, nothing is left open."


def _help() -> str:
    widest = max(map(len, COMMANDS))
    lines = [f"  {name:{widest}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: syncnb COMMAND ...",
            "",
            "See, understand and repair the differences between a local and a remote table.",
            "",
            *lines,
            "",
            "`syncnb COMMAND --help` says more; `syncnb --version` says which this is.",
        ]
    )


def _version() -> str:
    try:
        return version("syncnb")
    except PackageNotFoundError:
        return "(not installed)"


def _fail(message: str, hint: str) -> int:
    print(f"syncnb: {' '.join(message.split())}", file=sys.stderr)
    print(f"Hint: {' '.join(hint.split())}", file=sys.stderr)
    return FAILED


def _fault(fault: Exception) -> int:
    """Say where, not what: the text of an error that nobody foresaw may hold a value or a password."""
    if os.environ.get("SYNCNB_DEBUG"):
        traceback.print_exception(fault)
        return FAILED
    frames = traceback.extract_tb(fault.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return _fail(
        f"a fault of syncnb itself: {type(fault).__name__}{where}",
        "set SYNCNB_DEBUG=1 and run it again to see all of it, and report it",
    )


def _never_fail_on_a_letter() -> None:
    """A terminal that cannot show a letter gets its escape, not an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
