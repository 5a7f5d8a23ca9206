"""A canary for a password goes through every verb and every failure: no text that is shown, logged or kept has it."""

import dataclasses
import io
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psycopg
import pytest

import syncnb as sn
from syncnb import journal
from syncnb.cli import main
from tests.databases import Workbench
from tests.proof.counting import count

CANARY = "cAnary p@ss/w%rd"
FORMS = {
    CANARY,
    quote(CANARY, safe=""),
    quote(CANARY),
    quote_plus(CANARY),
    CANARY.replace(" ", "%20"),
    "cAnary",
}
ROLE = "canary_role"
DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9) CHECK (v <> 'no'), s VARCHAR(9))"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that anybody logs, at DEBUG."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    levels = {
        logger: logger.level
        for logger in (root, *map(logging.getLogger, ("sqlalchemy", "psycopg", "syncnb")))
    }
    root.addHandler(handler)
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    for logger, level in levels.items():
        logger.setLevel(level)


def frames(told: traceback.TracebackException | None) -> Iterator[str]:
    """Every frame but those of this file, which knows the password; and those of what was behind it."""
    if told is None:
        return
    told.stack[:] = [frame for frame in told.stack if frame.filename != __file__]
    yield from frames(told.__cause__)
    yield from frames(told.__context__)
    yield "".join(told.format(chain=False))


NO_FAILURE = "it did not fail"


def leaks(texts: dict[str, str]) -> dict[str, str]:
    """Which of these texts have the canary, in whatever form."""
    return {name: form for name, text in texts.items() for form in FORMS if form in text}


def views(thing: Any) -> Iterator[str]:
    """What may be shown of it: by name, in a notebook, in a debugger."""
    yield from (repr(thing), str(thing))
    if hasattr(thing, "_repr_html_"):
        yield str(thing._repr_html_())
    if hasattr(thing, "__dict__"):
        yield repr(vars(thing))
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        yield repr({field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)})


def failed(work: Callable[[], Any]) -> str:
    """The traceback of its failure, with the variables of each frame; of ours or of anybody's, with all causes."""
    try:
        work()
    except Exception as problem:
        told = traceback.TracebackException.from_exception(problem, capture_locals=True)
        return "\n".join([repr(problem), str(problem), *frames(told)])
    return NO_FAILURE


@pytest.mark.parametrize("engine", ["in the target", "outside"])
def test_no_text_has_the_password(
    bench: Workbench, tmp_path: Path, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], engine: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("SYNCNB_DATA", str(tmp_path / "data"))
    bench.postgresql(
        DDL, "INSERT INTO t VALUES (1, 'old', 'x'), (2, 'old', NULL)", "CREATE TABLE shut (id INTEGER)"
    )
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute(f"DROP ROLE IF EXISTS {ROLE}")
        owner.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{CANARY}'")
        owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON t TO {ROLE}")
        if engine == "in the target":
            owner.execute(journal.install_sql("postgresql", role=ROLE).encode())
    address = f"{bench.last.rpartition('@')[2]}"
    url = f"postgresql://{ROLE}:{quote(CANARY, safe='')}@{address}"
    monkeypatch.setenv("CANARY_URL", url)
    allow = () if engine == "in the target" else ("journal_outside_target",)
    local = bench.sqlite(DDL, "INSERT INTO t VALUES (1, 'new', 'x'), (3, 'more', NULL)")
    remote = sn.connect(env="CANARY_URL", writable=True)
    things: list[Any] = [remote, sn.connect(url)]
    d = sn.diff(local, remote)
    p = sn.plan(d, into=remote, resolve=sn.take_local)
    r = sn.apply(p, remote, allow=allow)
    things += [
        d,
        d["t"],
        p,
        p.preview(),
        p.sql(),
        r,
        sn.verify(r, remote),
        sn.history(remote),
        sn.history(remote).runs,
    ]
    things += [
        sn.undo(r, remote),
        sn.required_grants(p, remote),
        sn.required_grants(p, remote).sql,
        remote.inspect(),
    ]
    things += [sn.diagnose(f"could not connect: {url}"), sn.diagnose(local, remote), remote.identity()]  # type: ignore[attr-defined]
    texts = {f"{type(thing).__name__} {at}": "\n".join(views(thing)) for at, thing in enumerate(things)}

    drifted = sn.plan(sn.diff(local, remote, "t"), into=remote, resolve=sn.take_local, deletes=True)
    host, _, rest = address.partition(":")
    failures: dict[str, Callable[[], Any]] = {
        "a wrong port": lambda: sn.connect(
            f"postgresql://{ROLE}:{quote(CANARY, safe='')}@{host}:1/{rest.partition('/')[2]}"
        ).inspect(),
        "a wrong host": lambda: sn.connect(
            f"postgresql://{ROLE}:{quote(CANARY, safe='')}@nowhere.invalid/x?connect_timeout=2"
        ).inspect(),
        "a wrong database": lambda: sn.connect(url + "_none").inspect(),
        "a wrong role": lambda: sn.connect(url.replace(f"//{ROLE}", "//nobody_there")).inspect(),
        "a wrong password": lambda: sn.connect(url.replace("p%40ss", "p%40sz")).inspect(),
        "a broken address": lambda: sn.connect(url.replace(f"@{address}", f"@[{address}")),
        "an unknown scheme": lambda: sn.connect(url.replace("postgresql:", "oracle:")),
        "an unknown parameter": lambda: sn.connect(f"{url}?sslmode=perhaps").inspect(),
        "a right that lacks": lambda: forbidden(
            lambda: sn.apply(drifted, remote, allow=("deletes", *allow)), bench
        ),
        "hazards": lambda: sn.apply(drifted, remote, allow=allow),
        "a store of another database": lambda: sn.apply(p, sn.connect(local.path, writable=True)),  # type: ignore[attr-defined]
        "a run that is not there": lambda: sn.undo(99, remote),
        "a column that is not there": lambda: sn.diff(local, remote, key="nothing"),
        "a condition on nothing": lambda: sn.diff(local, remote, where=sn.col("nothing") == 1),
        "a connection that is cut": lambda: cut(remote, bench),
    }
    told = {name: failed(work) for name, work in failures.items()}
    assert [name for name, text in told.items() if text == NO_FAILURE] == []
    texts |= told
    for command in (
        ["diff", str(local.path), "env:CANARY_URL"],
        ["inspect", url],
        ["history", url],
        ["diff", url, url + "_none"],
    ):  # type: ignore[attr-defined]
        main(command)
    out = capsys.readouterr()
    texts |= {"the command line": out.out + out.err, "the log": logged.getvalue()}
    texts["the plan"] = p.save(tmp_path / "plan.json").read_text()
    with psycopg.connect(bench.last) as owner:
        names = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'syncnb'").fetchall()
        for (name,) in names:
            texts[f"syncnb.{name}"] = repr(owner.execute(f"SELECT * FROM syncnb.{name}".encode()).fetchall())
    for file in tmp_path.rglob("*"):
        if file.is_file():
            texts[file.name] = file.read_bytes().decode("latin-1")
    assert len(texts["the log"]) > 1000 or engine == "outside", "the drivers log something at DEBUG"
    count("texts that were searched for the password", len(texts))
    count("texts that have the password", len(leaks(texts)))
    assert leaks(texts) == {}
    assert set(leaks({"a test of the test": f"it says {CANARY}"})) == {"a test of the test"}


def forbidden(work: Callable[[], Any], bench: Workbench) -> None:
    """What fails because the role may not delete."""
    with psycopg.connect(bench.last, autocommit=True) as owner:
        owner.execute(f"REVOKE DELETE ON t FROM {ROLE}")
    work()


def cut(remote: sn.Store, bench: Workbench) -> None:
    """A reader whose server process is ended under it."""
    with remote.reading() as reader, psycopg.connect(bench.last, autocommit=True) as owner:
        table = reader.schema().find("t")
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (ROLE,))
        list(reader.batches(table, ["id", "v"]))
