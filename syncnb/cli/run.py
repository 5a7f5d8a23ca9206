"""`syncnb run`: a runbook executed as a record, with a report; ends by its proof."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from syncnb.cli.arguments import Parser
from syncnb.cli.opening import note
from syncnb.errors import SyncnbError

__all__ = ["run"]

EPILOG = """A copy is executed, and kept with its outputs as the record; beside it stands a report (.html) that opens
without a network. The runbook stays as it was. Parameters are those of its settings, whatever their case: -p remote_env
REMOTE_URL -p write true. Addresses and passwords are given by the name of an environment variable.

Exit code: 0 it came to its end, and its proof holds; 1 an assertion does not hold; 2 error, 130 interrupted."""


def run(argv: Sequence[str]) -> int:
    """Execute a runbook. Returns 0 where it came to its end, 1 where an assertion failed."""
    options = _options(argv)
    from syncnb.runbooks import run_notebook
    from syncnb.runbooks.running import value_of

    path = Path(options.notebook).expanduser()
    told = {name: value_of(value) for name, value in options.parameters}
    where = Path(options.record).expanduser() if options.record else None
    done = run_notebook(path, told, record=where)
    print(f"record: {done.notebook.name}\nreport: {done.report.name}")
    if done.disproved:
        note(f"it does not hold: {_first(done.failed)}")
        return 1
    if done.failed:
        raise SyncnbError(
            f"a cell failed: {_first(done.failed)}", hint=f"{done.report.name} shows which, and what it said"
        )
    return 0


def _first(said: str) -> str:
    return said.strip().partition("\n")[0]


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("run", "Run a runbook as a record, with a report.", epilog=EPILOG)
    parser.add_argument("notebook", metavar="RUNBOOK.ipynb")
    parser.add_argument(
        "-p", "--parameter", dest="parameters", nargs=2, metavar=("NAME", "VALUE"), action="append", default=[],
        help="a setting of the runbook; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--record", metavar="FILE.ipynb", help="where the record goes (beside it, with the time)"
    )
    return parser.parse_args(argv)
