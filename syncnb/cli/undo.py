"""`syncnb undo`: a plan that takes a run back; to look at, to save, or to apply at once."""

from argparse import Namespace
from collections.abc import Sequence

from syncnb.cli.applying import REPEATED, SINGLE, add_applying, applied
from syncnb.cli.arguments import Parser, spelled_out
from syncnb.cli.opening import STORES, note, opened
from syncnb.cli.plans import checked_place, plan_text, say_next
from syncnb.errors import SyncnbError

__all__ = ["run"]

EPILOG = f"""RUN is a number of `syncnb history STORE`. Without --out or --apply the plan is only shown.
A row that was changed since is refused when the plan is applied.

{STORES}

Exit code: 0 shown, saved or applied; 1 refused; 2 error, 130 interrupted."""


def run(argv: Sequence[str]) -> int:
    """Show, save or apply the plan that takes a run back. Returns 1 where rows were refused, else 0."""
    options = _options(argv)
    place = checked_place(options.out) if options.out else None

    from syncnb.planning import undo

    store = opened(options.store, "STORE", writable=options.apply)
    plan = undo(options.run, store)
    if options.apply:
        return applied(plan, store, options, command="undo")
    print(plan_text(plan))
    if place:
        plan.save(place)
        say_next(plan, options.out, options.store)
    else:
        note("nothing is written yet; --apply takes the run back, --out FILE saves the plan")
    return 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("undo", "Take a run back: every row that it wrote is as it was before.", epilog=EPILOG)
    parser.add_argument("run", metavar="RUN", type=int)
    parser.add_argument("store", metavar="STORE")
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--out", metavar="FILE.json", help="save the plan")
    does.add_argument("--apply", action="store_true", help="apply the plan at once")
    add_applying(parser)
    options = parser.parse_args(spelled_out(argv, repeated=REPEATED, single=(*SINGLE, "--out")))
    if not options.apply and (options.allow or options.rest or options.caller or options.approved_by):
        raise SyncnbError(
            "--allow, --rest, --caller and --approved-by are for a run", hint="add --apply, or leave them out"
        )
    return options
