"""The verb `demo`: makes the two databases of a scene and connects to them."""

import pkgutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from syncnb import embedded
from syncnb.connecting import connect
from syncnb.errors import ConnectError, SyncnbError
from syncnb.examples.filling import fill_postgres, fill_sqlite
from syncnb.examples.homes import fresh_database, fresh_folder
from syncnb.examples.scene import Scene, Side
from syncnb.stores.port import Store
from syncnb.stores.postgres import PostgresStore
from syncnb.stores.sqlite import SQLiteStore

__all__ = ["demo"]


def demo(name: str = "tour") -> tuple[Store, Store]:
    """Two databases that disagree, made anew and alike at every call: `local, remote = demo("tour")`.

    local is a SQLite file, read-only; remote a PostgreSQL database, writable. Where no PostgreSQL is to
    be had, remote is a second SQLite file, and its `notes` say so. Both are gone when this process ends.
    Several may live at once. Raises SyncnbError for an unknown name.
    """
    scene, folder = _scene(name), fresh_folder()
    path = folder / scene.local.name
    fill_sqlite(path, scene.local)
    return connect(path, timezone="UTC"), _remote(scene.remote, folder)


def _scene(name: str) -> Scene:
    home = Path(__file__).parent
    names = sorted(module.name for module in pkgutil.iter_modules([str(home)]) if module.ispkg)
    if name not in names:
        raise SyncnbError(f"there is no demo {name!r}", hint=f"demos: {', '.join(names)}")
    return cast(Scene, import_module(f"{__package__}.{name}").SCENE)


def _remote(side: Side, folder: Path) -> Store:
    missing = embedded.missing()
    if not missing:
        try:
            return _database(side)
        except ConnectError as problem:
            missing = problem.message
    path = folder / f"{side.name}.db"
    fill_sqlite(path, side, as_postgres=True)
    store = cast(SQLiteStore, connect(path, writable=True))
    return replace(store, notes=(f"a second SQLite file stands in for PostgreSQL: {missing}",))


def _database(side: Side) -> Store:
    url = fresh_database(side.name)
    fill_postgres(url, side)
    # The name on the server has a number where it is not the first demo of this process.
    return replace(cast(PostgresStore, connect(url, writable=True)), name=side.name)
