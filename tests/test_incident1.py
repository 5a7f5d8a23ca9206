"""Incident 1, as far as it can be seen before it is repaired: the demo, the log, the damage of REPLACE."""

from collections.abc import Iterator

import pytest

import syncnb as sn
from syncnb import embedded
from syncnb.examples import homes
from syncnb.examples.id_collisions import plain_sync

SEED = """\
ERROR - Failed to sync INSERT operation for domain_dns_records:1096: (sqlite3.IntegrityError) UNIQUE constraint failed: domain_dns_records.id
ERROR - Failed to sync INSERT operation for domains:378: (sqlite3.IntegrityError) UNIQUE constraint failed: domains.id
ERROR - Failed to sync INSERT operation for hosts:225: (sqlite3.IntegrityError) UNIQUE constraint failed: hosts.id
WARNING - Conflict detected for domain_dns_records:1092: (sqlite3.IntegrityError) UNIQUE constraint failed: domain_dns_records.id"""
"""As the users saw it."""

PENDING = {
    ("domains", 378, "INSERT"),
    ("domains", 380, "UPDATE"),
    ("domains", 401, "INSERT"),
    ("domain_dns_records", 1092, "INSERT"),
    ("domain_dns_records", 1096, "INSERT"),
    ("hosts", 225, "INSERT"),
}

DIFFERS = {
    "an older shared.example here, remote-only.example there": ("domains", 378),
    "shared.example there": ("domains", 379),
    "kept.example, newer here": ("domains", 380),
    "a child of shared.example, whose id differs": ("domains", 381),
    "a new domain here": ("domains", 401),
    "a shorter time to live here": ("domain_dns_records", 1092),
    "two records with one id": ("domain_dns_records", 1096),
    "web-01, seen again here": ("hosts", 225),
    "the certificate of shared.example, here": ("domain_certificates", "(378, 61)"),
    "the certificate of shared.example, there": ("domain_certificates", "(379, 61)"),
    "the certificate of remote-only.example": ("domain_certificates", "(378, 62)"),
}

Pair = tuple[sn.Store, sn.Store]


@pytest.fixture(scope="module", autouse=True)
def _cleared() -> Iterator[None]:
    yield
    homes.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest) -> Pair:
    if request.param == "postgresql" and not embedded.available():
        pytest.skip(embedded.missing())
    return sn.demo("id_collisions", remote=request.param)


def test_the_remote_is_what_was_asked_for(pair: Pair, request: pytest.FixtureRequest) -> None:
    assert pair[1].dialect == request.node.callspec.params["pair"]
    assert pair[1].notes == ()
    assert [store.writable for store in pair] == [False, True]


def test_the_remote_was_a_file() -> None:
    assert sn.demo("id_collisions")[1].dialect == "sqlite"
    assert sn.demo("tour", remote="sqlite")[1].dialect == "sqlite"
    with pytest.raises(sn.SyncnbError, match="there is no remote 'mysql'"):
        sn.demo("id_collisions", remote="mysql")  # type: ignore[arg-type]


def held(store: sn.Store) -> dict[str, dict[str, tuple[str, ...]]]:
    """Every row by table and id, values as both engines write them."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    with store.reading() as reader:
        for table in reader.schema():
            names = [column.name for column in table.columns]
            for batch in reader.batches(table, names):
                for row in batch.to_pylist():
                    key = [str(row[name]) for name in table.primary_key]
                    text = key[0] if len(key) == 1 else f"({', '.join(key)})"
                    found.setdefault(table.name, {})[text] = tuple(plain(row[name]) for name in names)
    return found


def plain(value: object) -> str:
    text = str(int(value) if isinstance(value, bool) else value)
    return text.removesuffix(".000000").removesuffix("+00")


def test_every_difference_belongs_to_the_story(pair: Pair) -> None:
    """By id, as the service compared: all else is in step."""
    ours, theirs = map(held, pair)
    assert set(ours) - set(theirs) == {"sync_tracking"}
    differs = {
        (table, key)
        for table in theirs
        for key in ours[table] | theirs[table]
        if ours[table].get(key) != theirs[table].get(key)
    }
    assert differs == {(table, str(key)) for table, key in DIFFERS.values()}


def test_all_children_have_parents_on_both_sides(pair: Pair) -> None:
    for store in pair:
        with store.reading() as reader:
            tables = {table.name: table for table in reader.schema()}
            rows = {
                name: [
                    row
                    for batch in reader.batches(t, [c.name for c in t.columns])
                    for row in batch.to_pylist()
                ]
                for name, t in tables.items()
            }
        for name, table in tables.items():
            for key in table.foreign_keys:
                parents = {tuple(row[c] for c in key.parent_columns) for row in rows[key.parent]}
                children = {tuple(row[c] for c in key.columns) for row in rows[name]} - {(None,)}
                assert children <= parents, key.name


def test_six_changes_wait(pair: Pair) -> None:
    waiting = sn.pending(pair[0], source="sync_tracking")
    assert {(row.table, row.key[0], row.told) for row in waiting} == PENDING
    assert waiting.complete


def test_the_plain_statements_fail_as_they_did() -> None:
    local, remote = sn.demo("id_collisions")
    before = sn.diff(local, remote)
    assert plain_sync(local, remote) == SEED
    assert repr(sn.diff(local, remote)) == repr(before)


@pytest.mark.parametrize("pair", ["postgresql"], indirect=True)
def test_postgresql_says_it_in_its_own_words(pair: Pair) -> None:
    said = plain_sync(*pair).splitlines()
    for line, seed in zip(said, SEED.splitlines(), strict=True):
        table = seed.rpartition(" ")[2].partition(".")[0]
        error = "(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint"
        assert line == f'{seed.partition("(")[0]}{error} "{table}_pkey"'


def test_the_log_depends_on_the_data(pair: Pair) -> None:
    """Nothing is written down in advance: without the collision there is no line about it."""
    local, remote = pair
    with remote.writing() as writer:  # type: ignore[attr-defined]
        writer.sql.exec_driver_sql("DELETE FROM host_ips WHERE host_id = 225")
        writer.sql.exec_driver_sql("DELETE FROM hosts WHERE id = 225")
        writer.sql.exec_driver_sql("UPDATE domain_dns_records SET updated_at = '2026-03-04' WHERE id = 1092")
        writer.commit()
    lines = plain_sync(local, remote).splitlines()
    assert [line.split()[0] for line in lines] == ["ERROR", "ERROR", "ERROR"]
    assert "domain_dns_records:1092" in lines[-1]


def test_run_1_is_the_one_that_failed(pair: Pair) -> None:
    frame = sn.history(pair[1]).frame
    assert frame[["run", "source", "status", "records"]].values.tolist() == [[1, "cache.db", "failed", 6]]


def things(store: sn.Store) -> dict[str, set[tuple[str, ...]]]:
    """What the remote knows, by name and never by number."""
    rows = held(store)
    domains = {key: row[1] for key, row in rows["domains"].items()}
    certificates = {key: row[1] for key, row in rows["certificates"].items()}
    hosts = {key: row[1] for key, row in rows["hosts"].items()}
    return {
        "domains": {(name, domains.get(rows["domains"][key][5], "")) for key, name in domains.items()},
        "records": {(domains[row[1]], *row[2:5]) for row in rows["domain_dns_records"].values()},
        "certificates": {
            (domains[row[0]], certificates[row[1]]) for row in rows["domain_certificates"].values()
        },
        "addresses": {(hosts[row[1]], row[2]) for row in rows["host_ips"].values()},
    }


NEW = {
    "domains": {("new.example", "")},
    "records": {("shared.example", "MX", "shared.example", "mail.example.com")},
    "certificates": set[tuple[str, ...]](),
    "addresses": set[tuple[str, ...]](),
}


def test_the_repair_loses_nothing(pair: Pair) -> None:
    local, remote = pair
    before = things(remote)
    d = sn.diff(local, remote)
    newest = sn.newest({"hosts": "last_seen", "*": "updated_at"})
    p = sn.plan(d, into=remote, resolve=newest, collisions="keep_both")
    report = sn.apply(p, remote)
    sums = report.counts[["inserted", "updated", "mapped"]].sum().tolist()
    assert (report.run, sums) == (2, [2, 3, 1])
    assert things(remote) == {what: before[what] | NEW[what] for what in before}
    assert sn.verify(report, remote)


def test_replace_would_have_lost_something(pair: Pair) -> None:
    local, remote = pair
    damage = sn.what_replace_would_do(local, remote, pending=sn.pending(local, source="sync_tracking"))
    lost = {lost.lost_row for lost in damage.rows if lost.what == "another thing"}
    refused = {row[:2] for row in damage.refused}
    record = "remote-only.example TXT remote-only.example v=spf1 -all"
    if remote.dialect == "sqlite":
        assert lost == {"remote-only.example", record}
        assert not refused
    else:  # there nothing that is referred to can be deleted
        assert lost == {record}
        assert refused == {("domains", "378"), ("domains", "380"), ("hosts", "225")}
