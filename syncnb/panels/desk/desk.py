"""The desk: what is in hand, what may be pressed now and why not, and the Python that does the same."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncnb.errors import PlanError, SyncnbError
from syncnb.panels.desk import actions
from syncnb.panels.desk.calls import Call, needed
from syncnb.panels.desk.conflicts import Conflicts
from syncnb.panels.desk.decisions import Decisions
from syncnb.panels.desk.stopping import stopped
from syncnb.panels.desk.worker import Worker
from syncnb.planning import Plan
from syncnb.stores.port import Store
from syncnb.watching import Progress

if TYPE_CHECKING:
    from syncnb.panels.grid import Grid
    from syncnb.panels.widgets.panel import PanelWidget

__all__ = ["Desk", "panel"]

log = logging.getLogger("syncnb")


def panel(
    local: Store | None = None,
    remote: Store | None = None,
    step: str | None = None,
    *,
    by: str = "",
    connect: str = "",
) -> "Desk":
    """Everything about two stores in one place, to click: what differs, decide, apply, prove, take back.

    local, remote: two stores; without them the first step connects. step: only this one, such as `"diff"` or
    `"history"`. by: who decides; it is kept with each reason and each run. connect: the line of Python that
    gives `local, remote`, for a runbook, where these were not opened by a path or a variable.

    Shows widgets in a notebook, elsewhere a table of the steps. All that can be clicked can be called:
    `desk.press("diff")`; `desk.code` is the Python that does the same. Writes nothing before *Apply* or
    *Sync now* is pressed. Raises SchemaError for a step that is not there.
    """
    desk = Desk(by=by, connect=connect)
    for name, store in (("local", local), ("remote", remote)):
        if store is not None:
            desk.hold(name, store)
    if step is not None:
        desk.steps = (actions.step_of(step),)
    return desk


class Desk:
    """What `sn.panel` gives. It knows nothing of widgets; they show it, and call it."""

    def __init__(self, *, by: str = "", connect: str = "") -> None:
        self._by = by
        self.connected = connect
        self.steps: tuple[str, ...] = actions.STEPS
        self.hand: dict[str, Any] = {}
        """What is in hand, by the name that the lines of Python give it."""
        self.calls: list[Call] = []
        """Every line that was run, in order."""
        self.error: SyncnbError | None = None
        """What went wrong last; nothing in hand is lost by it."""
        self.progress = Progress()
        self._earlier: Decisions | None = None
        """Decisions about a plan that was put away: they hold for the next one, where its rows are as they were."""
        self._done: tuple[Decisions, tuple[str, ...]] | None = None
        """The decisions that were applied last, as they were then."""
        self._into: str | None = None
        """Whether `local` or `remote` is written by the plan in hand, where a line says so."""
        self.last = ""
        """The action that was done last."""
        self.finished: Counter[str] = Counter()
        """How often each action went well."""
        self.table: str | None = None
        """The table that is looked at."""
        self.decisions: Decisions | None = None
        """What is decided by hand about the plan as it was drawn."""
        self.conflicts = Conflicts(self)
        self._worker = Worker(self._told)
        self._listeners: list[Callable[[], None]] = []
        self.lock = threading.RLock()
        """Held while the desk is drawn, which happens in the thread of the work and in the notebook's own."""

    # --- what is in hand ---

    def hold(self, name: str, thing: Any) -> "Desk":
        """Take something in hand that was made elsewhere: `local`, `remote`, `d` or `p`."""
        if name not in ("local", "remote", "d", "p"):
            raise PlanError(f"{name!r} is not taken in hand", hint="local, remote, d (a diff) or p (a plan)")
        if name in ("local", "remote") and not isinstance(thing, Store):
            raise SyncnbError(
                f"{name} is a {type(thing).__name__}, not a store",
                hint="open it first: sn.connect(...) takes a path, a URL or a DataFrame",
            )
        self._take(name, thing)
        if name == "p":
            self._into = None
        self._changed()
        return self

    def _take(self, name: str, thing: Any) -> None:
        """Something new in hand; what followed from what it replaces is put away."""
        if name in ("local", "remote"):
            self._earlier = self.decisions = None
        elif name in ("d", "p") and self._undone():
            self._earlier = self.decisions
        self.hand[name] = thing
        for later in actions.FOLLOWS.get(name, ()):
            self.hand.pop(later, None)
            if later == "p":
                self.decisions = None
        if name == "p" and isinstance(thing, Plan):
            self.decisions = Decisions(thing, self.by, self._earlier)

    def _undone(self) -> bool:
        """Whether something is decided by hand that was not applied."""
        found = self.decisions
        return found is not None and bool(found.asked) and (found, found.stamp) != self._done

    local = property(lambda self: self.hand.get("local"), doc="The local store.")
    remote = property(lambda self: self.hand.get("remote"), doc="The remote store.")
    diff = property(lambda self: self.hand.get("d"), doc="What differs, as it was compared last.")
    report = property(lambda self: self.hand.get("r"), doc="What the last run did.")
    proof = property(lambda self: self.hand.get("proof"), doc="What was found on reading it again.")
    runs = property(lambda self: self.hand.get("runs"), doc="The history of the database that is written.")
    findings = property(lambda self: self.hand.get("found"), doc="What diagnose found.")
    synced = property(lambda self: self.hand.get("done"), doc="What the last sync did.")

    @property
    def plan(self) -> Plan | None:
        """The plan in hand, with all that was decided by now."""
        return None if self.decisions is None else self.decisions.plan

    @property
    def target(self) -> Store | None:
        """The store that a plan in hand would write, else the one that may be written."""
        return self.hand.get(self.target_name)

    @property
    def target_name(self) -> str:
        """`remote` or `local`: what the lines of Python call it."""
        names = [name for name in ("remote", "local") if name in self.hand]
        plan = self.hand.get("p")
        if plan is not None and self._into in names:
            return str(self._into)
        meant = [name for name in names if plan is not None and self.is_target(self.hand[name], plan)]
        writable = [name for name in names if self.hand[name].writable]
        return next(iter([*meant, *writable, *names]), "remote")

    @staticmethod
    def is_target(store: Any, plan: Plan) -> bool:
        """Whether this is the database that the plan was drawn on, as far as names tell; `apply` asks itself."""
        return (store.dialect, store.name) == (plan.target.dialect, plan.target.name)

    @property
    def by(self) -> str:
        """Who decides; it is kept with each reason and each run."""
        return self._by

    @by.setter
    def by(self, name: str) -> None:
        self._by = name
        if self.decisions is not None:
            self.decisions.by = name
        self._changed()

    @property
    def asked(self) -> dict[str, list[Any]]:
        """The rows that were decided by hand, by table: no rule shall decide them."""
        known = self.decisions.asked if self.decisions is not None else {}
        return known or (self._earlier.asked if self._earlier is not None else {})

    # --- what may be pressed ---

    def python(self, action: str, **words: Any) -> str:
        """The lines of Python that pressing this would run. Raises what stands against it."""
        return "\n".join(call.line for call in actions.calls(self, action, words))

    def why_not(self, action: str, **words: Any) -> str:
        """Why this cannot be pressed now; empty where it can."""
        try:
            actions.calls(self, action, words)
        except SyncnbError as error:
            return f"{error.message} ({error.hint})"
        return ""

    def press(self, action: str, **words: Any) -> "Future[Any]":
        """Do it, in the desk's own thread. `.result()` waits for what it gives, or raises what went wrong."""
        actions.find(action)

        def work() -> Any:
            if action == "edit" or (action == "choose" and words.get("side") not in actions.IDENTITIES):
                return self._decided(action, words)
            calls = actions.calls(self, action, words)
            actions.confirmed(self, action, words)
            hand, value = dict(self.hand), None
            for at, call in enumerate(calls):
                try:
                    value = call.run(hand)
                except SyncnbError as error:
                    if self._worker.stopping:
                        raise stopped(error, calls[: at + 1], hand) from None
                    raise
                self._ran(call, value)
            return value

        future = self._worker.start(action, work, lambda _, problem: self._over(action, problem))
        if future.done() and (problem := future.exception()) and isinstance(problem, SyncnbError):
            self.error = problem
        self._changed()
        return future

    def _decided(self, action: str, words: Mapping[str, Any]) -> Plan | None:
        """A decision about one row: kept over the plan, which is made with it when it is asked for."""
        actions.calls(self, action, words)
        if self.decisions is None:
            return None
        if action == "edit":
            self.decisions.edit(words["row"], words["column"], words.get("value"))
        else:
            cells = dict.fromkeys(words.get("columns") or (), words["side"])
            self.decisions.choose(words["row"], cells or words["side"], str(words.get("reason") or ""))
        return self.plan

    def _ran(self, call: Call, value: Any) -> None:
        """A line was run: what it gave is in hand, even where the next one fails."""
        if call.verb != "p.choose":  # what is decided stays over the plan as it was drawn
            self._take(call.target, value)
            self._into = call.into or self._into
        if (
            call.verb == "sn.apply"
            and value.status in ("applied", "already applied")
            and self.decisions is not None
        ):
            # What was decided is done: a later plan has other rows.
            self._done, self._earlier = (self.decisions, self.decisions.stamp), None
        self.calls.append(call)

    def _over(self, action: str, problem: BaseException | None) -> None:
        self.finished[action] += problem is None
        self.last = action
        self.error = (
            problem if isinstance(problem, SyncnbError) or problem is None
            else SyncnbError(f"{type(problem).__name__}: {problem}", hint="this is a fault of syncnb: please report it")
        )  # fmt: skip
        self.progress = Progress()
        self._changed()

    def refuse(self, error: SyncnbError) -> "Future[Any]":
        """What cannot even be asked for, such as a field that cannot be read: said as any error is."""
        refused: Future[Any] = Future()
        refused.set_exception(error)
        self.error = error
        self._changed()
        return refused

    @property
    def busy(self) -> str:
        """What is going on at this moment; empty where nothing is."""
        return self._worker.at

    def stop(self) -> bool:
        """Stop what is going on: the driver cancels it, and it is rolled back. Whether there was anything."""
        return self._worker.stop()

    def wait(self, future: "Future[Any]") -> "Desk":
        """Wait until it is over, well or not: `desk.error` says which. Ctrl-C stops it."""
        try:
            future.exception()
        except KeyboardInterrupt:
            self.stop()
            future.exception()
            raise
        return self

    # --- what is looked at ---

    def open(self, table: str) -> "Grid":
        """The differing rows of a table, side by side, as a grid. Raises where nothing was compared yet."""
        from syncnb.panels.grid import grid

        if self.diff is None:
            raise PlanError("nothing was compared yet", hint='compare first: desk.press("diff")')
        found = self.diff[table]
        self.table = found.name
        self._changed()
        return grid(found)

    # --- the Python that does the same ---

    @property
    def code(self) -> str:
        """The lines of Python that lead to what is in hand; what was done and then done again is left out."""
        told = needed(self.calls, set(self.hand) - {"local", "remote"})
        if self.decisions is not None:
            now = self.decisions.calls
            drawn = max((at for at, call in enumerate(told) if call.into is not None), default=-1)
            said = [call for call in told[drawn + 1 :] if call.verb == "p.choose"]
            told += now if said[-len(now) :] != now else []
        return "\n".join(call.line for call in told)

    @property
    def log(self) -> str:
        """Every line of Python that was run, in order."""
        return "\n".join(call.line for call in self.calls)

    def to_runbook(self, path: str | Path) -> Any:
        """Write what was clicked, with its reasons, as a notebook of the seven headings. Returns what it wrote.

        It has `WRITE = False`, no outputs and no secret, and runs as it stands. Raises PlanError before
        anything was compared, and where the file exists already.
        """
        from syncnb.panels.desk.runbook import write

        return write(self, Path(path))

    # --- who looks on ---

    def on_change(self, listener: Callable[[], None]) -> None:
        """Be told whenever anything changed, in whichever thread it did."""
        self._listeners.append(listener)

    def _told(self, progress: Progress) -> None:
        self.progress = progress
        self._changed()

    def _changed(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # what shows the work must never break it
                log.exception("the panel could not be drawn")

    @property
    def widget(self) -> "PanelWidget":
        """The widgets, made when they are first shown."""
        if "_widget" not in self.__dict__:
            from syncnb.panels.widgets.panel import PanelWidget

            self._widget = PanelWidget(self)
        return self._widget

    def __repr__(self) -> str:
        from syncnb.panels.desk.sheets import text

        return text(self)

    def _repr_html_(self) -> str:
        from syncnb.panels.desk.sheets import html

        return html(self)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        twin = {"text/plain": repr(self), "text/html": f'<div class="syncnb-twin">{self._repr_html_()}</div>'}
        display(twin, raw=True)  # type: ignore[no-untyped-call]
        try:
            made: Mapping[str, Any] = self.widget.bundle()
        except ImportError:  # there are no widgets on this machine: the table is shown
            return
        display({**made, "text/plain": "", "text/html": ""}, raw=True)  # type: ignore[no-untyped-call]
