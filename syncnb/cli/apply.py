"""`syncnb apply`: write a saved plan into the database that it was drawn on."""

from collections.abc import Sequence

from syncnb.cli.applying import REPEATED, SINGLE, add_applying, applied
from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, opened
from syncnb.cli.plans import loaded

__all__ = ["run"]

EPILOG = f"""Each row is written only if it still is as the plan shows it; where one is not, nothing is
written (see --rest). Everything is one transaction. The same plan twice is written once.

{STORES}

Exit code: 0 applied, already applied, or nothing to do; 1 refused; 2 error, 130 interrupted."""


def run(argv: Sequence[str]) -> int:
    """Apply a saved plan. Returns 0 where it is written, 1 where rows were refused."""
    parser = Parser("apply", "Write a saved plan into the database that it was drawn on.", epilog=EPILOG)
    parser.add_argument("plan", metavar="FILE.json")
    parser.add_argument("store", metavar="STORE")
    add_applying(parser)
    options = parser.parse_args(spelled_out(argv, repeated=REPEATED, single=SINGLE))
    plan = loaded(options.plan)  # before anything is opened to be written
    return applied(plan, opened(options.store, "STORE", writable=True), options, command="apply")
