"""The verb `demo`: makes the two databases of a scene and connects to them."""

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal, TypeAlias, cast

from sqlalchemy import insert

from syncnb import clock, embedded, journal
from syncnb.applying import apply
from syncnb.comparing.diffing import diff
from syncnb.connecting import connect
from syncnb.errors import ConnectError, SyncnbError
from syncnb.examples.filling import Events, fill_postgres, fill_sqlite, happen_postgres, happen_sqlite
from syncnb.examples.homes import fresh_database, fresh_folder
from syncnb.examples.scene import PastRun, Repair, Scene, Side
from syncnb.journal.tables import tables_of
from syncnb.planning import plan
from syncnb.stores.port import Store, WritableStore
from syncnb.stores.postgres import PostgresStore
from syncnb.stores.sqlite import SQLiteStore
from syncnb.syncing import agree

__all__ = ["demo"]

Happen: TypeAlias = Callable[[Events], None]


def demo(name: str = "tour", *, remote: Literal["sqlite", "postgresql"] | None = None) -> tuple[Store, Store]:
    """Two databases that disagree, made anew and alike at every call: `local, remote = demo("tour")`.

    local is a SQLite file, read-only; remote is writable: of the engine that the story had, or that `remote`
    names. Where no PostgreSQL is to be had, it is a second SQLite file, and its `notes` say so. Both are
    gone when this process ends. Several may live at once. Raises SyncnbError for an unknown name.
    """
    scene = _scene(name)
    if remote not in (None, "sqlite", "postgresql"):
        raise SyncnbError(f"there is no remote {remote!r}", hint="remotes are sqlite and postgresql")
    folder = fresh_folder()
    path = folder / scene.local.name
    fill_sqlite(path, scene.local)
    made, happen = _remote(scene, folder, remote or ("sqlite" if scene.remote_file else "postgresql"))
    for repair in scene.repairs:
        happen_sqlite(path, repair.local)
        happen(repair.remote)
        _repaired(repair, connect(path, timezone="UTC"), made)
    if scene.agreed:
        agree(connect(path, writable=True, timezone="UTC"), made)
    happen_sqlite(path, scene.local.drift)
    happen(_side(scene, made.dialect).drift)
    if scene.past:
        _remember(made, scene)
    return connect(path, timezone="UTC"), made


def _scene(name: str) -> Scene:
    home = Path(__file__).parent
    names = sorted(module.name for module in pkgutil.iter_modules([str(home)]) if module.ispkg)
    if name not in names:
        raise SyncnbError(f"there is no demo {name!r}", hint=f"demos: {', '.join(names)}")
    return cast(Scene, import_module(f"{__package__}.{name}").SCENE)


def _repaired(repair: Repair, local: Store, remote: Store) -> None:
    """The flow of every repair, on that day."""
    with clock.standing_at(repair.at):
        found = diff(local, remote, progress=False)
        drawn = plan(found, into=remote, resolve=repair.resolve, deletes=repair.deletes)
        allowed = {hazard.name for hazard in drawn.hazards}
        apply(
            drawn, remote, allow=sorted(allowed), caller=repair.caller, approved_by=repair.by, progress=False
        )


def _remote(scene: Scene, folder: Path, engine: str) -> tuple[Store, Happen]:
    """The remote as both sides once had it, and what makes something happen to it."""
    if engine == "sqlite":
        return _file(scene, folder)
    missing = embedded.missing()
    if not missing:
        try:
            return _database(scene.remote)
        except ConnectError as problem:
            missing = problem.message
    note = f"a second SQLite file stands in for PostgreSQL: {missing}"
    store, happen = _file(scene, folder)
    return replace(store, notes=(note,)), happen


def _side(scene: Scene, dialect: str) -> Side:
    return scene.remote if dialect == "postgresql" else scene.remote_file or scene.remote


def _file(scene: Scene, folder: Path) -> tuple[SQLiteStore, Happen]:
    side = _side(scene, "sqlite")
    path = folder / f"{side.name}.db"
    fill_sqlite(path, side, as_postgres=scene.remote_file is None)
    zone = "UTC" if scene.remote_file else None
    return cast(SQLiteStore, connect(path, writable=True, timezone=zone)), partial(happen_sqlite, path)


def _database(side: Side) -> tuple[Store, Happen]:
    url = fresh_database(side.name)
    fill_postgres(url, side)
    # The name on the server has a number where it is not the first demo of this process.
    store = replace(cast(PostgresStore, connect(url, writable=True)), name=side.name)
    return store, partial(happen_postgres, url)


def _remember(store: Store, scene: Scene) -> None:
    """Install the journal, and write into it what happened before the demo begins."""
    with cast(WritableStore, store).writing() as writer:
        journal.install(writer.sql)
        runs = tables_of(writer.sql).runs
        for number, run in enumerate(scene.past, 1):
            writer.sql.execute(insert(runs).values(_row(run, number, scene.local.name)))
        writer.commit()


def _row(run: PastRun, number: int, source: str) -> dict[str, object]:
    return {
        "plan_id": f"before the demo, {number}", "source": source, "kind": "sync", "status": "failed",
        "started": run.started, "finished": run.finished, "records": run.records, "error": run.error,
        "caller": run.caller, "backend": "the service", "lease_until": run.finished,
    }  # fmt: skip
