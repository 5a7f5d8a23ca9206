"""`syncnb plan`: from the differences to what shall be written into one side, shown and saved as a file."""

import re
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from syncnb.cli.arguments import Parser, scrubbed, spelled_out
from syncnb.cli.comparing import MATCH_FILE, REPEATED, SINGLE, add_comparing, compared
from syncnb.cli.opening import STORES, note
from syncnb.cli.plans import checked_place, plan_text, say_next
from syncnb.errors import SyncnbError
from syncnb.values.sides import of_side

if TYPE_CHECKING:
    from syncnb.planning import Plan
    from syncnb.resolving import Policy
    from syncnb.resolving.policies import OnePolicy

__all__ = ["POLICIES", "add_deciding", "collisions_from", "policy_from", "run"]

POLICIES = ("take_local", "take_remote", "insert_only", "newest:COLUMN")
EPILOG = f"""A policy says who wins where a row differs: take_local, take_remote, insert_only (nobody, only
missing rows are inserted), newest:COLUMN (whose stamp is later). Without one nobody wins, and such rows
stay open. TABLE=POLICY is for one table; there it counts more than a policy for all.

{STORES}

Exit code: 0 the plan writes, and leaves no row open; 1 there is nothing to write, or rows are left open;
2 error, 130 interrupted. Nothing is written but the file.

{MATCH_FILE}"""


def run(argv: Sequence[str]) -> int:
    """Draw a plan, show it, save it. Returns 0 where it writes something and no row is left open, else 1."""
    options = _options(argv)
    place = checked_place(options.out)
    policy = policy_from(options.resolve)
    drawn = _drawn(options, policy)
    print(plan_text(drawn))
    drawn.save(place, values=not options.no_values)
    return _ended(drawn, options)


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("plan", "Say what shall be written into one side, and save it.", epilog=EPILOG)
    add_comparing(parser)
    parser.add_argument("--into", choices=("local", "remote"), required=True, help="which side is written")
    parser.add_argument("--out", metavar="FILE.json", required=True, help="where the plan is saved")
    add_deciding(parser)
    parser.add_argument("--deletes", action="store_true", help="delete rows that only that side has")
    parser.add_argument(
        "--no-values", action="store_true", help="save it without values: to be read, not to be applied"
    )
    words = spelled_out(
        argv, repeated={*REPEATED, "--resolve", "--collisions"}, single={*SINGLE, "--into", "--out"}
    )
    return parser.parse_args(words)


def add_deciding(parser: Parser) -> None:
    """Who wins, and what becomes of ids that are two things."""
    parser.add_argument(
        "--resolve",
        metavar="[TABLE=]POLICY",
        action="append",
        default=[],
        help="who wins where a row differs; repeatable",
    )
    parser.add_argument(
        "--collisions",
        metavar="[TABLE=]WORD",
        action="append",
        default=[],
        help="keep_both: of two things with one id both are kept, under a fresh id; rename: where nobody can "
        "tell, it is one thing, renamed; repeatable",
    )


def policy_from(told: Sequence[str]) -> "Policy":
    """`["take_local", "hosts=newest:last_seen"]` as the policies they name, by table."""
    found: dict[str, OnePolicy] = {}
    for text in told:
        match = re.fullmatch(r"(?:(.+?)=)?(take_local|take_remote|insert_only|newest:(.+))", text, re.DOTALL)
        if not match:
            raise SyncnbError(
                f"--resolve {scrubbed(text)!r} cannot be read",
                hint=f"write one of {', '.join(POLICIES)}, or TABLE= before it",
            )
        table = match[1] or "*"
        if table in found:
            where = "all tables" if table == "*" else table
            raise SyncnbError(
                f"--resolve tells two policies for {where}", hint="write one; TABLE=POLICY is for one table"
            )
        found[table] = _policy(match[2], match[3])
    return found or None


def collisions_from(told: Sequence[str]) -> dict[str, list[str]] | None:
    """`["keep_both", "hosts=rename"]` as words by table, `*` for all others."""
    found: dict[str, list[str]] = {}
    for text in told:
        table, _, word = text.rpartition("=")
        found.setdefault(table or "*", []).append(word)
    return found or None


def _policy(name: str, column: str | None) -> "OnePolicy":
    from syncnb import resolving

    if column is not None:
        return resolving.newest(column)
    policies: dict[str, OnePolicy] = {
        "take_local": resolving.take_local,
        "take_remote": resolving.take_remote,
        "insert_only": resolving.insert_only,
    }
    return policies[name]


def _drawn(options: Namespace, policy: "Policy") -> "Plan":
    from syncnb.planning import plan

    found = compared(options)
    if found.stores is None:
        raise TypeError("a diff that was just made knows its stores")
    local, remote = found.stores
    into = of_side(options.into, local, remote)
    collisions = collisions_from(options.collisions)
    return plan(found, into=into, resolve=policy, deletes=options.deletes, collisions=collisions)


def _ended(drawn: "Plan", options: Namespace) -> int:
    left = sum(map(len, drawn.undecided)) + len(drawn.open)
    rows = "1 row is" if left == 1 else f"{left:,} rows are"
    if left:
        note(f"{rows} left open")
    if not len(drawn):
        note("there is nothing to write")
    elif not options.no_values:
        store = of_side(options.into, options.local, options.remote)
        say_next(drawn, options.out, store)
    return 0 if len(drawn) and not left else 1
