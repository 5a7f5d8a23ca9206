"""A large table on many workers: each compares a range of keys, its answers are put together by the ranges' numbers.

    executor ──► range 3 ──► Part ─┐
             ──► range 1 ──► lost ─┼─► asked again, three times at most
             ──► range 2 ──► Part ─┘   in the end 1, 2, 3: as if one had read it all

All of it is of one snapshot. A range that a worker could only read in another one, or not at all, is compared here.
"""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

from syncnb.changes import TablePair
from syncnb.comparing.collecting import Collector
from syncnb.comparing.lending import Loan, NotLent, Unwritten, check_told, lent, opened
from syncnb.comparing.ranges import Part, Range, check_ranged, compared, cuts, plain
from syncnb.comparing.streaming import OutOfOrder
from syncnb.errors import ReadError, SyncnbError
from syncnb.stores.conversation import conversation
from syncnb.stores.port import Reader, Store
from syncnb.stores.row_digests import Unfit
from syncnb.values.sides import Side

__all__ = ["Lender", "Spread", "Task", "compare_range"]

RANGE_ROWS = 50_000
"""Rows of a range, about."""
MOST = 1000
"""Ranges."""
TRIES = 3
"""How often a range that was lost is asked for again."""
AHEAD = 16
"""Ranges that are given to the executor at a time, so that their answers do not fill the memory."""
WAIT = 0.5
"""Seconds after which whoever watches can stop it."""


@dataclass(frozen=True)
class Task:
    """What a worker is given: no rows, no connection and no password."""

    pair: TablePair
    loans: tuple[Loan, Loan]
    within: Range
    tries: int = 0
    """How often it was lost: a scheduler that remembers answers must not take it for the same."""


@dataclass(frozen=True)
class NotHere:
    """An answer: this worker cannot read it in this snapshot."""

    why: str


@dataclass(frozen=True)
class NoOrder:
    """An answer: the whole table has to be compared in another way."""

    why: str


@dataclass(frozen=True)
class Failed:
    """An answer: what went wrong. Words of ours only, in which no password is."""

    message: str
    hint: str


Answer: TypeAlias = Part | NotHere | NoOrder | Failed


def compare_range(task: Task) -> Answer:
    """What a worker does. Never raises, so that no error has to travel that might not, or that tells too much."""
    try:
        with conversation(), opened(task.loans[0]) as here, opened(task.loans[1]) as there:
            return compared(task.pair, {"local": here, "remote": there}, task.within)
    except NotLent as problem:
        return NotHere(str(problem))
    except OutOfOrder as problem:
        return NoOrder(str(problem))
    except SyncnbError as problem:
        return Failed(problem.message, problem.hint)
    except Exception as problem:  # its words may hold anything
        return Failed(f"a worker failed by {type(problem).__name__}", "run it without executor= to see where")


@dataclass
class Spread:
    """Workers, and what they are told of the two stores."""

    executor: Executor
    stores: tuple[Store, Store]
    unwritten: Unwritten
    readers: "dict[Side, Reader]"
    stack: ExitStack
    """What ends with the diff."""
    lost: int = field(default=0, init=False)
    here: dict[str, int] = field(default_factory=dict, init=False)
    """Ranges that were compared here after all, by why."""

    def compare(self, pair: TablePair, sizes: Sequence[int | None], found: Collector, bar: Any) -> str:
        """Compare a table into `found`; how it went, in words. Raises Unfit where no ranges can be made of it."""
        check_ranged(pair)
        self.lost, self.here = 0, {}
        rows = [size or 0 for size in sizes]
        larger: Side = "remote" if rows[1] > rows[0] else "local"
        ranges = cuts(pair, larger, self.readers[larger], RANGE_ROWS, MOST)
        tasks = [Task(plain(pair), self._loans, each) for each in ranges]
        waiting: dict[int, Part] = {}
        number = 0
        with closing(self._answers(tasks, bar)) as answers:
            for task, answer in answers:
                waiting[task.within.number] = self._part(task, answer)
                while number in waiting:
                    part = waiting.pop(number)
                    before = sum(found.rows.values())
                    part.into(found)
                    bar.update(sum(found.rows.values()) - before)
                    number += 1
        return self._told(len(ranges))

    @cached_property
    def _loans(self) -> tuple[Loan, Loan]:
        """Made for the first table that is large: to export a snapshot or to read a file for its proof takes time."""
        far = not isinstance(self.executor, ThreadPoolExecutor | ProcessPoolExecutor)
        snapshots = self.readers["local"], self.readers["remote"]
        return self.stack.enter_context(lent(self.stores, snapshots, far=far))

    def _told(self, ranges: int) -> str:
        told = f"both sides in key order, {ranges} ranges by {type(self.executor).__name__}"
        if self.lost:
            told += f"; {self.lost} lost and asked again"
        return told + "".join(f"; {count} here: {why}" for why, count in self.here.items())

    def _part(self, task: Task, answer: Answer) -> Part:
        if isinstance(answer, Part) and not self.unwritten:
            # Somebody wrote to a file before the worker answered: it may have seen that, we do not.
            answer = NotHere("a file was written to meanwhile")
        if isinstance(answer, NotHere):
            self.here[answer.why] = self.here.get(answer.why, 0) + 1
            try:
                return compared(task.pair, self.readers, task.within)
            except OutOfOrder as problem:
                raise Unfit(str(problem)) from None
        if isinstance(answer, NoOrder):
            raise Unfit(answer.why)
        if isinstance(answer, Failed):
            raise ReadError(answer.message, hint=answer.hint)
        return answer

    def _answers(self, tasks: Sequence[Task], bar: Any) -> Generator[tuple[Task, Answer]]:
        """Each task with its answer, as they come; the last answer of those that fail again and again."""
        waiting = list(reversed(tasks))
        asked: dict[Future[Answer], Task] = {}
        try:
            while waiting or asked:
                while waiting and len(asked) < AHEAD:
                    task = waiting.pop()
                    asked[self._submit(task)] = task
                done, _ = wait(asked, timeout=WAIT, return_when=FIRST_COMPLETED)
                bar.update(0)
                for future in done:
                    task, answer = asked.pop(future), _answer(future)
                    if isinstance(answer, Failed) and task.tries < TRIES:
                        self.lost += 1
                        waiting.append(replace(task, tries=task.tries + 1))
                    else:
                        yield task, answer
        finally:
            for future in asked:
                future.cancel()

    def _submit(self, task: Task) -> "Future[Answer]":
        try:
            return self.executor.submit(compare_range, task)
        except Exception as problem:
            name = type(self.executor).__name__
            raise SyncnbError(
                f"{name} takes no more work ({type(problem).__name__})",
                hint="a ProcessPoolExecutor that lost a worker, or was shut down, is of no use any more: give a new one",
            ) from None


def _answer(future: "Future[Answer]") -> Answer:
    try:
        return future.result()
    except (CancelledError, Exception) as problem:
        return Failed(
            f"a worker was lost with its range, {TRIES + 1} times in a row ({type(problem).__name__})",
            "see what ends the workers (often memory), or run it without executor=",
        )


class Lender:
    """Lends two stores to the workers of an executor; made before the stores are read."""

    def __init__(self, executor: Executor | None, stores: tuple[Store, Store]) -> None:
        self.executor, self.stores = executor, stores
        if executor is None:
            return
        if not callable(getattr(executor, "submit", None)):
            raise SyncnbError(
                f"executor is a {type(executor).__name__}",
                hint="give a concurrent.futures.Executor; of a dask client, client.get_executor()",
            )
        if not isinstance(executor, ThreadPoolExecutor):
            for store in stores:
                check_told(store)

    @contextmanager
    def watching(self) -> "Iterator[Unwritten | None]":
        """Notice from here on whether somebody writes to a file."""
        if self.executor is None:
            yield None
            return
        with closing(Unwritten(self.stores)) as unwritten:
            yield unwritten

    @contextmanager
    def lending(self, unwritten: Unwritten | None, here: Reader, there: Reader) -> "Iterator[Spread | None]":
        """The workers, told of these two snapshots."""
        if self.executor is None or unwritten is None:
            yield None
            return
        with ExitStack() as stack:
            yield Spread(self.executor, self.stores, unwritten, {"local": here, "remote": there}, stack)
