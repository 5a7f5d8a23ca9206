"""`syncnb purge`: the images of old runs, and with them their undo; to look at, or to take away."""

from collections.abc import Sequence
from datetime import UTC, datetime

from syncnb.cli.arguments import Parser, scrubbed
from syncnb.cli.opening import STORES, note, opened
from syncnb.errors import SyncnbError

__all__ = ["run"]

EPILOG = f"""What goes are the rows as they were and as they became. Runs and reports stay, so that history is whole
and no plan is applied twice. Without --apply nothing is taken away.

{STORES}"""


def run(argv: Sequence[str]) -> int:
    """Tell which runs would lose their undo, or take their images away."""
    parser = Parser("purge", "Take away the images of old runs, and with them their undo.", epilog=EPILOG)
    parser.add_argument("store", metavar="STORE")
    parser.add_argument(
        "--before",
        metavar="STAMP",
        required=True,
        help="of runs that finished before: 2026-01-31, or 2026-01-31T12:00+01:00; UTC where it names no zone",
    )
    parser.add_argument("--apply", action="store_true", help="take them away")
    options = parser.parse_args(argv)
    before = _instant(options.before)

    from syncnb.journal.purging import purge

    found = purge(
        opened(options.store, "STORE", writable=options.apply), before=before, dry_run=not options.apply
    )
    print(found)
    if found.runs and not options.apply:
        note("--apply takes the images away")
    return 0


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SyncnbError(
            f"--before {scrubbed(text)!r} is no date", hint="write 2026-01-31, or 2026-01-31T12:00+01:00"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
