"""syncnb: see, understand and repair the differences between a local and a remote table.

>>> import syncnb as sn
>>> local = sn.connect("cache.db", timezone="UTC")          # doctest: +SKIP
>>> remote = sn.connect(env="REMOTE_URL")                   # doctest: +SKIP
>>> sn.diff(local, remote)                                  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from syncnb.errors import ConnectError, ReadError, SchemaError, SyncnbError

if TYPE_CHECKING:
    from syncnb.changes import Diff, Mismatch, TableDiff
    from syncnb.comparing.diffing import diff
    from syncnb.connecting import connect
    from syncnb.examples import demo
    from syncnb.schema import Schema, Table
    from syncnb.stores.port import Store

__all__ = [
    "ConnectError",
    "Diff",
    "Mismatch",
    "ReadError",
    "Schema",
    "SchemaError",
    "Store",
    "SyncnbError",
    "Table",
    "TableDiff",
    "connect",
    "demo",
    "diff",
]

_HOMES = {
    "Diff": "syncnb.changes",
    "Mismatch": "syncnb.changes",
    "TableDiff": "syncnb.changes",
    "diff": "syncnb.comparing.diffing",
    "connect": "syncnb.connecting",
    "demo": "syncnb.examples",
    "Schema": "syncnb.schema",
    "Table": "syncnb.schema",
    "Store": "syncnb.stores.port",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: `syncnb --help` must not wait for pandas, nor a server for widgets.
    if name not in _HOMES:
        raise AttributeError(f"module 'syncnb' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
