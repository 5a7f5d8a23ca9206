"""`python -m tests.mutants [WORD …]`: plant all mutants, or those with a word in their name; exit 0 if all are noticed."""

import argparse
import os
import sys

from tests.mutants.planting import Verdict, unmodified, verdicts
from tests.mutants.table import MUTANTS
from tests.proof.counting import count, silent


def main(arguments: list[str] | None = None) -> int:
    """Plant, run, tell."""
    asked = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    asked.add_argument("words", nargs="*", help="only mutants with one of these in their name")
    asked.add_argument("--exact", action="store_true", help="the words are whole names")
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    asked.add_argument("--no-base", action="store_true", help="do not run the tests on the code as it is")
    told = asked.parse_args(arguments)
    chosen = [m for m in MUTANTS if not told.words or is_meant(m.name, told.words, exact=told.exact)]
    if not chosen:
        asked.error("no mutant has such a name")
    load()
    bad = caught = 0
    with silent():  # what a broken build does is no figure
        if not told.no_base:
            bad += not show(unmodified(chosen))
        for verdict in verdicts(chosen, told.workers):
            caught += show(verdict)
    count("mutants planted", len(chosen))
    count("mutants noticed", caught)
    print(f"{caught} of {len(chosen)} mutants noticed")
    return int(bool(bad) or caught < len(chosen))


def is_meant(name: str, words: list[str], *, exact: bool) -> bool:
    """Whether a mutant was asked for."""
    return name in words if exact else any(word in name for word in words)


def load() -> None:
    """What every fork needs, once."""
    import hypothesis  # noqa: F401
    import pandas  # noqa: F401
    import psycopg  # noqa: F401
    import pyarrow.compute  # noqa: F401
    import sqlalchemy.dialects.postgresql
    import sqlalchemy.dialects.sqlite  # noqa: F401


def show(verdict: Verdict) -> bool:
    """A line for each, so that the first is read while the last still runs."""
    sign = "noticed" if verdict.good else "MISSED "
    print(f"{sign}  {verdict.seconds:5.1f} s  {verdict.name:<48} {verdict.said[:150]}", flush=True)
    return verdict.good


if __name__ == "__main__":
    sys.exit(main())
