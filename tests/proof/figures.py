"""The figures that a proof prints: what was counted, in sentences, and what must be zero."""

import platform
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from syncnb.failpoints import POINTS
from tests.faults.table import FAULTS
from tests.proof.counting import HARM, JUDGED, MOST, added
from tests.proof.covering import GROUPS
from tests.proof.jobs import MACHINES, Figures

__all__ = ["ROOT", "commit", "sheet"]

ROOT = Path(__file__).resolve().parents[2]
BRANCHES = f"{MOST}branches of the engine"
EXACT = ("undos, each row as before", "undos of migrations, rows and definitions as before")
ANY = "interrupts at any moment of a diff or an apply"
VERBS, ENGINES = ("diff", "apply"), ("sqlite", "postgresql")
AT = "kills at "
"""Begins the name of a figure for each failpoint."""
DYING = ("machine: crashes", "kills at each point", "kills at random", "kills of the server", "interrupts")
"""Jobs in which somebody dies, or is interrupted, and others go on."""


class Counted(dict[str, int]):
    """Knows which of its figures were asked for, so that the others are printed too."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__(counts)
        self.asked: set[str] = set()

    def of(self, what: str) -> int:
        """How many that is; nobody has counted what is not there."""
        self.asked.add(what)
        return self.get(what, 0)


def sheet(known: Mapping[str, Figures], seed: int) -> Iterator[str]:
    """Everything, ready to be read; only the words of failures and of the lossy list come from tests."""
    now = datetime.now(UTC)
    yield f"syncnb {commit()}, {now:%Y-%m-%d}, seed {seed}, Python {platform.python_version()}"
    yield f"{'':<32}{'rounds':>7}{'passed':>8}{'failed':>8}{'skipped':>9}{'examples':>10}{'minutes':>9}"
    for name, f in known.items():
        yield f"{name:<32}{f.rounds:>7}{f.passed:>8}{f.failed:>8}{f.skipped:>9}{f.examples:>10,}{f.seconds / 60:>9.1f}"
    yield ""
    counts = Counted(summed(known))
    yield from zeros(known, counts)
    yield ""
    yield from lines(known, counts)
    yield from (f"{counts[what]:,} {what}" for what in sorted(set(counts) - counts.asked))
    yield ""
    for name, figures in known.items():
        yield from (f"{name}: {line}" for line in figures.said)


def summed(known: Mapping[str, Figures]) -> dict[str, int]:
    """What all jobs counted."""
    counts: dict[str, int] = {}
    for f in known.values():
        counts = added(counts, "\n".join(f"{number} {what}" for what, number in f.counts.items()))
    return counts


def zeros(known: Mapping[str, Figures], n: Counted) -> Iterator[str]:
    """What must be zero, each with what was looked at: a job that never ran has proved nothing, and says so."""
    ran = [name for name, f in known.items() if f.rounds]
    failed = {name: known[name].failed for name in ran if known[name].failed}
    named = "".join(f", {name}: {number}" for name, number in failed.items())
    harm = sum(known[name].counts.get(HARM, 0) for name in DYING if name in known)
    killed = kills(n) + interrupts(n) + server_kills(n)
    yield "must be zero:"
    yield f"  {n.of(HARM)} lost rows, unrecoverable overwrites and double applies, in {n.of(JUDGED):,} looks at every row"
    yield f"  {sum(failed.values())} failures of tests and machines, in {len(ran)} of {len(known)} jobs{named}"
    yield f"  {harm} violations after {killed:,} deaths"
    ledgers = n.of("sums of a ledger, after a death")
    yield f"  {n.of('sums of a ledger that were not kept')} of {ledgers:,} sums of a ledger that a death did not keep"
    cuts = [
        n.of("cuts at COMMIT, the verdict right"),
        n.of("cuts at a message or byte of a dialogue, the verdict right"),
    ]
    silent = n.of("peers that never answered again, the verdict right")
    yield f"  {n.of('verdicts that were wrong')} wrong verdicts on {cuts[0]:,} cuts at COMMIT, {cuts[1]:,} within a dialogue, {silent:,} silent peers"
    third = n.of("syncs when nothing was left to pass on")
    yield f"  {n.of('records that a further sync wrote')} records that a third sync wrote, in {third:,} of them"
    yield f"  {n.of('most changes that waited behind the sync after a death')} changes that still waited behind the sync after a death"
    yield f"  {n.of('texts that have the password')} of {n.of('texts that were searched for the password'):,} texts with the canary of a password"
    pages = n.of("pages in which a script did not fire")
    yield f"  {n.of('pages in which a script fired')} canaries of a script that fired, of {pages:,} looks at a page"
    fuzz = known.get("fuzz", Figures())
    yield f"  {fuzz.failed} crashes in {fuzz.examples:,} executions of the fuzz"
    wrong = n.of("values that did not, and nobody had said so")
    yield f"  {wrong} of {n.of('values that went to SQLite and back'):,} values that came back as another, and nobody had said so"


def lines(known: Mapping[str, Figures], n: Counted) -> Iterator[str]:
    """The others: those that have their own sentence, then whatever else was counted."""
    machines = [known.get(job.name, Figures()) for job in MACHINES]
    examples = sum(f.examples for f in machines)
    hit = [n.of(AT + point) for point in POINTS]
    never = [point for point, number in zip(POINTS, hit, strict=True) if not number]
    missed = f", and not {', '.join(never)}" if never and any(hit) else ""
    undone, exact = n.of("undos that were applied"), sum(map(n.of, EXACT))
    came, foreseen = n.of("refusals that came"), n.of("refusals that the oracle foresaw")
    drawn = sum(bool(f.examples) for f in machines)
    yield f"{n.of(MOST + 'faults proved')} of {len(FAULTS)} faults proved"
    yield f"{n.of('mutants noticed')} of {n.of('mutants planted')} planted mutants noticed"
    yield f"{examples:,} examples of {drawn} of {len(MACHINES)} machines, {n.of('steps of machines'):,} steps"
    yield f"{kills(n):,} kills of a process, {interrupts(n):,} interrupts, {server_kills(n):,} kills of the server"
    moments = sum(n.of(f"{MOST}moments of {verb} on {engine}") for verb in VERBS for engine in ENGINES)
    yield f"{n.of(ANY):,} of {moments:,} moments of a diff and an apply were interrupted"
    yield f"{sum(1 for each in hit if each)} of {len(hit)} failpoints hit, {min(filter(None, hit), default=0)} times or more{missed}"
    yield f"{exact:,} of {undone:,} undos exact, value by value"
    yield f"{came:,} refusals, {foreseen:,} foreseen by the oracle"
    yield f"{n.of('most rounds of sync until both were the same')} round of sync, at most, until both were the same"
    yield f"{n.of('deadlocks provoked'):,} deadlocks provoked, {n.of('deadlocks resolved'):,} resolved"
    types = n.of("types that went to SQLite and back")
    yield f"{n.of('types of which every value came back exactly')} of {types} types came back exactly, others as told below"
    branches, taken = n.of(BRANCHES), n.of(f"{BRANCHES} that its tests take")
    groups = (
        f"{n.of(f'{MOST}groups of tests by which branches were measured')} of {len(GROUPS)} groups of tests"
    )
    yield f"{100 * taken / max(1, branches):.1f} % of {branches:,} branches of the engine are taken by {groups}"
    yield f"{n.of('most milliseconds until all was passed on after a death'):,} ms, at most, until all was passed on after a death"
    yield from (
        f"{number / 1000:,.1f} s for {what.partition(' for ')[2]}"
        for what, number in ((what, n.of(what)) for what in n if what.startswith("most milliseconds for"))
    )


def kills(n: Counted) -> int:
    """Of processes, at named points and at random."""
    return n.of("kills of a process at random") + sum(n.of(AT + point) for point in POINTS)


def server_kills(n: Counted) -> int:
    """By an immediate stop, and by the end of one of its processes."""
    return n.of("kills of the server") + n.of("kills of a process of the server")


def interrupts(n: Counted) -> int:
    return n.of("interrupts at a named point") + n.of(ANY)


def commit() -> str:
    """What is being proved."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"
