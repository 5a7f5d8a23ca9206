"""`syncnb verify`: read again what a run wrote, and say line by line whether it is there."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from syncnb.cli.arguments import Parser, scrubbed, spelled_out, split_told
from syncnb.cli.opening import STORES, opened
from syncnb.errors import SyncnbError

if TYPE_CHECKING:
    from syncnb.steps import Expectation

__all__ = ["run"]

REPEATED = {
    "--complete": ("T.c", "every row of table T has a value in column c"),
    "--unique": ("T=a,b", "no two rows of table T agree in these columns"),
    "--count": ("T=n", "table T has n rows"),
}
EPILOG = f"""RUN is a number of `syncnb history STORE`.

{STORES}

Exit code: 0 every line holds, 1 one does not, 2 error, 130 interrupted. Nothing is ever written."""


def run(argv: Sequence[str]) -> int:
    """Print the proof of a run. Returns 0 where every line of it holds, else 1."""
    parser = Parser("verify", "Read again what a run wrote, and say whether it is there.", epilog=EPILOG)
    parser.add_argument("run", metavar="RUN", type=int)
    parser.add_argument("store", metavar="STORE")
    for name, (value, what) in REPEATED.items():
        parser.add_argument(name, metavar=value, action="append", default=[], help=f"{what}; repeatable")
    options = parser.parse_args(spelled_out(argv, repeated=REPEATED))

    from syncnb.verifying import verify

    expected = list(_expected(options))
    proof = verify(options.run, opened(options.store, "STORE"), expect=expected)
    print(proof)
    return 0 if proof else 1


def _expected(options: Namespace) -> "Iterator[Expectation]":
    from syncnb.steps import complete, count, unique

    for text in options.complete:
        table, dot, column = text.rpartition(".")
        if not (dot and table and column):
            raise SyncnbError(
                f"--complete {scrubbed(text)!r} cannot be read", hint="write --complete TABLE.COLUMN"
            )
        yield complete(table, column)
    for text in options.unique:
        table, names = split_told(text, "--unique")
        yield unique(table, [name.strip() for name in names.split(",")])
    for text in options.count:
        table, number = split_told(text, "--count")
        if not number.isdecimal():
            raise SyncnbError(f"--count {scrubbed(text)!r} has no number", hint="write --count TABLE=120")
        yield count(table, int(number))
