"""How a worker opens a store that this process reads: by names and proofs, never by a password.

this process        a thread of it takes the store itself
PostgreSQL          the name of the environment variable, or an address that holds no secret; and the snapshot
a SQLite file       its path, and a proof: the same file of the same machine, or the same bytes elsewhere
frames              are not lent
"""

import os
import platform
import secrets
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from syncnb.comparing.file_digests import file_digest, files_of
from syncnb.connecting import connect
from syncnb.errors import ConnectError
from syncnb.stores.port import Reader, Store
from syncnb.stores.postgres import PostgresReader, PostgresStore
from syncnb.stores.sqlite import SQLiteStore, open_file
from syncnb.stores.sqlite_errors import connect_error

__all__ = ["Loan", "NotLent", "Unwritten", "lent", "opened"]

PLAIN = {
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "service",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
}
"""Parameters of an address that hold no secret."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


class NotLent(Exception):
    """This store cannot be read from there; says why."""


@dataclass(frozen=True)
class Proof:
    """Which file it is: on this machine by what the system calls it, elsewhere by its bytes."""

    machine: str
    device: int
    inode: int
    digest: str = ""
    """Of the file and its write-ahead log; empty where nobody elsewhere is asked."""


@dataclass(frozen=True)
class Loan:
    """A store as a worker is told of it."""

    token: str
    """By which a thread of the lending process finds the store."""
    name: str
    env: str = ""
    address: tuple[tuple[str, str], ...] = ()
    snapshot: str = ""
    identity: str = ""
    path: str = ""
    proof: Proof | None = None


_LENT: dict[str, tuple[int, Store]] = {}
"""What is lent at the moment, and by which process: one that was forked from it has this, too, and knows it by that."""


@contextmanager
def lent(
    stores: tuple[Store, Store], readers: tuple[Reader, Reader], *, far: bool
) -> Iterator[tuple[Loan, Loan]]:
    """Both stores as workers are told of them, for as long as the block lasts.

    far: whether workers may be on other machines. Raises ConnectError where a password would have to be told.
    """
    with ExitStack() as stack:
        loans = [_loan(store, reader, far=far) for store, reader in zip(stores, readers, strict=True)]
        for loan, store in zip(loans, stores, strict=True):
            _LENT[loan.token] = (os.getpid(), store)
            stack.callback(_LENT.pop, loan.token)
        yield loans[0], loans[1]


def _loan(store: Store, reader: Reader, *, far: bool) -> Loan:
    token = secrets.token_hex(8)
    if isinstance(store, SQLiteStore):
        return Loan(token, store.name, path=str(store.path), proof=_proof(store.path, digested=far))
    if isinstance(store, PostgresStore) and isinstance(reader, PostgresReader):
        address = () if store.env else tuple((k, v) for k, v in store.parameters.items() if k in PLAIN)
        identity = store.identity(reader).id
        return Loan(token, store.name, store.env, address, reader.exported(), identity)
    return Loan(token, store.name)


def check_told(store: Store) -> None:
    """Raises ConnectError where another process could open this store only with a password from here."""
    if isinstance(store, PostgresStore) and not store.env and "password" in store.parameters:
        raise ConnectError(
            f"{store.name} was opened by a URL with a password, which no worker is told",
            hint="keep the URL in an environment variable of every worker, and open it by connect(env=NAME)",
        )


@contextmanager
def opened(loan: Loan) -> Iterator[Reader]:
    """A snapshot of what was lent, in whichever process. Raises NotLent, ConnectError."""
    process, store = _LENT.get(loan.token, (0, None))
    if loan.path:
        with _file(loan) as reader:
            yield reader
    elif process == os.getpid() and store is not None and not isinstance(store, PostgresStore):
        with store.reading() as reader:
            yield reader
    elif loan.identity:
        own = store if process == os.getpid() and isinstance(store, PostgresStore) else None
        with _server(loan, own or _connected(loan)) as reader:
            yield reader
    else:
        raise NotLent(f"{loan.name} is in the memory of another process")


def _connected(loan: Loan) -> PostgresStore:
    if loan.env:
        store = connect(env=loan.env)
        if isinstance(store, PostgresStore):
            return store
        raise NotLent(f"{loan.env} is another database there")
    return PostgresStore(dict(loan.address), name=loan.name)


@contextmanager
def _server(loan: Loan, store: PostgresStore) -> Iterator[Reader]:
    if not loan.snapshot:
        raise NotLent(f"{loan.name} lends no snapshot")
    try:
        # In its own block: an error of the work itself must not be taken for one of the snapshot.
        with ExitStack() as stack:
            reader = stack.enter_context(store.reading(loan.snapshot))
            if store.identity(reader).id != loan.identity:
                raise NotLent(f"{loan.name} is another database there")
            kept = stack.pop_all()
    except ConnectError as problem:
        if problem.sqlstate in ("22023", "42704"):
            raise NotLent(f"the snapshot of {loan.name} is not known there") from None
        raise
    with kept:
        yield reader


@contextmanager
def _file(loan: Loan) -> Iterator[Reader]:
    if any(process != os.getpid() for process, _ in _LENT.values()):
        # SQLite counts its locks a process: a copy of one that has the file open believes that it holds them.
        raise NotLent(f"a worker was forked while {loan.name} was open: use spawned processes")
    path = Path(loan.path)
    before = _stamp(path)
    _check(path, loan)
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(SQLiteStore(path).reading())
        except ConnectError as problem:
            raise NotLent(problem.message) from None
        yield reader
    same_file = loan.proof is not None and _is_same_file(path, loan.proof)
    if not same_file and _stamp(path) != before:
        raise NotLent(f"{loan.name} was written to there")


def _check(path: Path, loan: Loan) -> None:
    """Raises NotLent unless this is the file that was lent, or has its very bytes."""
    if loan.proof is None or not path.is_file():
        raise NotLent(f"{loan.name} is not there")
    known = _is_same_file(path, loan.proof)
    if not known and (not loan.proof.digest or file_digest(path) != loan.proof.digest):
        raise NotLent(f"{loan.name} is another file there")


def _is_same_file(path: Path, proof: Proof) -> bool:
    own = _proof(path, digested=False)
    return (own.machine, own.device, own.inode) == (proof.machine, proof.device, proof.inode)


def _proof(path: Path, *, digested: bool) -> Proof:
    facts = path.stat()
    return Proof(_machine(), facts.st_dev, facts.st_ino, file_digest(path) if digested else "")


def _machine() -> str:
    """This machine, since it was started."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return f"{platform.node()} {uuid.getnode()}"


def _stamp(path: Path) -> list[Mapping[str, int] | tuple[int, ...]]:
    try:
        facts = [each.stat() for each in files_of(path)]
    except OSError:
        return []
    return [(each.st_ino, each.st_size, each.st_mtime_ns) for each in facts if each.st_size]


def _asking(path: Path) -> sqlite3.Connection:
    return open_file(path, "ro", ("PRAGMA query_only = ON",), lambda error: connect_error(path, error))


class Unwritten:
    """Whether SQLite files are as they were when this was made, before anybody's snapshot of them began."""

    def __init__(self, stores: tuple[Store, Store]) -> None:
        self._connections = [_asking(store.path) for store in stores if isinstance(store, SQLiteStore)]
        self._before = self._versions()

    def _versions(self) -> list[int]:
        return [each.execute("PRAGMA data_version").fetchone()[0] for each in self._connections]

    def __bool__(self) -> bool:
        """Whether everybody whose snapshot began until now sees the same."""
        try:
            return self._versions() == self._before
        except sqlite3.Error:
            return False

    def close(self) -> None:
        for each in self._connections:
            each.close()
