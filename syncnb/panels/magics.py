"""`%load_ext syncnb`: pasted error text as a cell, `%%diagnose`."""

import shlex
from typing import TYPE_CHECKING, Any

from syncnb.errors import SyncnbError
from syncnb.stores.port import Store

if TYPE_CHECKING:
    from syncnb.diagnosing import Findings

__all__ = ["load_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook the cell magic `%%diagnose`.

    `%%diagnose` alone looks at the pasted text; `%%diagnose remote` also asks that store, `%%diagnose local remote`
    looks each `TABLE:ID` of a log up on both sides. The words are names of variables.
    """

    def diagnose_cell(line: str, cell: str) -> "Findings":
        from syncnb.diagnosing import diagnose

        return diagnose(cell.strip("\n"), *(_store(shell, name) for name in shlex.split(line)))

    shell.register_magic_function(diagnose_cell, "cell", "diagnose")


def _store(shell: Any, name: str) -> Store:
    found = shell.user_ns.get(name)
    if isinstance(found, Store):
        return found
    stores = sorted(
        n for n, value in shell.user_ns.items() if isinstance(value, Store) and not n.startswith("_")
    )
    raise SyncnbError(
        f"{name} is no store",
        hint=f"after %%diagnose stand names of variables; stores here: {', '.join(stores) or 'none'}",
    )
