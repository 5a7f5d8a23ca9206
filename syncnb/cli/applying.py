"""What `apply` and `undo --apply` share: the options that permit, the run, and how it ended."""

from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING

from syncnb.cli.arguments import Parser
from syncnb.cli.opening import note
from syncnb.cli.words import in_command_words

if TYPE_CHECKING:
    from syncnb.planning import Plan
    from syncnb.steps import Report
    from syncnb.stores.port import Store

__all__ = ["REPEATED", "SINGLE", "add_applying", "applied", "report_text"]

REPEATED = ("--allow",)
SINGLE = ("--caller", "--approved-by")


def add_applying(parser: Parser) -> None:
    """The options of a run."""
    parser.add_argument(
        "--allow", metavar="NAME", action="append", default=[], help="permit a hazard by its name; repeatable"
    )
    parser.add_argument(
        "--rest", action="store_true", help="where rows are refused, write the others nevertheless"
    )
    parser.add_argument("--caller", metavar="X", help="who runs it, for the journal (syncnb COMMAND)")
    parser.add_argument("--approved-by", metavar="X", help="who approved it, for the journal")


def applied(plan: "Plan", store: "Store", options: Namespace, *, command: str) -> int:
    """Apply it, tell how it ended. Returns 0 where the plan is written, 1 where it was refused, or nobody knows."""
    from syncnb.applying import apply

    report = apply(
        plan,
        store,
        allow=tuple(options.allow),
        caller=options.caller or f"syncnb {command}",
        approved_by=options.approved_by,
        rest=options.rest,
    )
    print(report_text(report))
    if report.status == "refused":
        note("nothing was written; --rest writes the other rows")
        return 1
    if report.status == "unknown":
        note("an earlier run of this plan may have written it; nothing was written now")
        return 1
    if left := sum(outcome.refusal is not None for outcome in report.results):
        note(f"{'1 row was' if left == 1 else f'{left:,} rows were'} refused and left alone")
    return 0


def report_text(report: "Report") -> str:
    """A report for a terminal."""
    sheet = report._sheet()
    return replace(sheet, notes=[in_command_words(line) for line in sheet.notes]).text()
