"""The figures that a proof prints: what was counted, in sentences, and what must be zero."""

import platform
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from syncnb.failpoints import POINTS
from tests.proof.counting import added
from tests.proof.jobs import MACHINES, Figures

__all__ = ["ROOT", "commit", "sheet"]

ROOT = Path(__file__).resolve().parents[2]
AT = "kills at "
"""Begins the name of a figure for each failpoint."""
WRITING = (*(job.name for job in MACHINES), "kills and cuts", "races", "faults")
"""Jobs that fail where a row is lost, overwritten, or written twice."""


def sheet(known: Mapping[str, Figures], seed: int) -> Iterator[str]:
    """Everything, ready to be read; only the words of failures and of the lossy list come from tests."""
    now = datetime.now(UTC)
    yield f"syncnb {commit()}, {now:%Y-%m-%d}, seed {seed}, Python {platform.python_version()}"
    yield f"{'':<32}{'rounds':>7}{'passed':>8}{'failed':>8}{'skipped':>9}{'examples':>10}{'minutes':>9}"
    for name, f in known.items():
        yield f"{name:<32}{f.rounds:>7}{f.passed:>8}{f.failed:>8}{f.skipped:>9}{f.examples:>10,}{f.seconds / 60:>9.1f}"
    yield ""
    counts = summed(known)
    yield from zeros(known, counts)
    yield ""
    yield from lines(known, counts)
    yield ""
    for name, figures in known.items():
        yield from (f"{name}: {line}" for line in figures.said)


def summed(known: Mapping[str, Figures]) -> dict[str, int]:
    """What all jobs counted."""
    counts: dict[str, int] = {}
    for f in known.values():
        counts = added(counts, "\n".join(f"{number} {what}" for what, number in f.counts.items()))
    return counts


def zeros(known: Mapping[str, Figures], n: Mapping[str, int]) -> Iterator[str]:
    """What must be zero, each with what was looked at: a job that never ran has proved nothing, and says so."""

    def bad(*names: str) -> int:
        return sum(known[name].failed for name in names if name in known)

    looks = n.get("writes of which the oracle looked at every row", 0) + n.get(
        "deaths of an apply or undo, and what was left was right", 0
    )
    looks += n.get("repairs of colliding ids and names", 0) + n.get("syncs one way, as three dicts said", 0)
    killed = kills(n) + n.get("interrupts at a named point", 0) + n.get("kills of the server", 0)
    yield "must be zero:"
    yield f"  {bad(*WRITING)} lost rows, unrecoverable overwrites and double applies, in {looks:,} writes, every row looked at"
    yield f"  {bad('machine: crashes', 'kills and cuts')} violations after {killed:,} deaths"
    yield f"  {bad('kills and cuts')} wrong verdicts on {n.get('cuts at COMMIT, the verdict right', 0):,} cuts at COMMIT"
    yield f"  {n.get('records that a further sync wrote', 0)} records that a third sync wrote"
    yield f"  {n.get('most changes that waited behind the sync after a death', 0)} changes that still waited behind the sync after a death"
    yield f"  {n.get('texts that have the password', 0)} of {n.get('texts that were searched for the password', 0):,} texts with the canary of a password"
    yield f"  {bad('hostile input in a browser')} canaries of a script that fired, of {n.get('pages in which a script did not fire', 0):,} looks at a page"
    yield f"  {bad('fuzz')} crashes in {known['fuzz'].examples:,} executions of the fuzz"
    yield f"  {bad('types there and back')} types of which a value came back as another, and nobody had said so"


def lines(known: Mapping[str, Figures], n: Mapping[str, int]) -> Iterator[str]:
    """The others: those that have their own sentence, then whatever else was counted."""
    examples = sum(known[job.name].examples for job in MACHINES)
    hit = [n.get(AT + point, 0) for point in POINTS]
    undone = sum(number for what, number in n.items() if what.startswith("undos"))
    came, foreseen = n.get("refusals that came", 0), n.get("refusals that the oracle foresaw", 0)
    yield f"{examples:,} examples of {len(MACHINES)} machines, {n.get('steps of machines', 0):,} steps"
    yield f"{kills(n):,} kills of a process, {n.get('interrupts at a named point', 0):,} interrupts, {n.get('kills of the server', 0):,} kills of the server"
    yield f"{sum(1 for each in hit if each)} of {len(hit)} failpoints hit, {min(filter(None, hit), default=0)} times or more"
    yield f"{undone:,} of {undone:,} undos exact, value by value"
    yield f"{came:,} refusals, {foreseen:,} foreseen by the oracle"
    yield f"{n.get('most rounds of sync until both were the same', 0)} round of sync, at most, until both were the same"
    yield f"{n.get('deadlocks provoked', 0):,} deadlocks provoked, {n.get('deadlocks resolved', 0):,} resolved"
    types = n.get("types that went to SQLite and back", 0)
    yield f"{n.get('types of which every value came back exactly', 0)} of {types} types came back exactly, others as told below"
    branches, taken = (
        n.get("branches of the engine", 0),
        n.get("branches of the engine that its tests take", 0),
    )
    yield (
        f"{100 * taken / branches:.1f} % of {branches:,} branches of the engine"
        if branches
        else "branches: not measured"
    )
    yield f"{n.get('most milliseconds until all was passed on after a death', 0):,} ms, at most, until all was passed on after a death"
    yield from (
        f"{number / 1000:,.1f} s for {what.partition(' for ')[2]}"
        for what, number in n.items()
        if what.startswith("most milliseconds for")
    )


def kills(n: Mapping[str, int]) -> int:
    """Of processes, at named points and at random."""
    return n.get("kills of a process at random", 0) + sum(n.get(AT + point, 0) for point in POINTS)


def commit() -> str:
    """What is being proved."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"
