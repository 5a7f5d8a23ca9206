"""Many lines of a log at once: each row looked up on both sides."""

from pathlib import Path
from typing import Any

import pytest

import syncnb as sn
from tests.diagnosing.making import make

Server = Any

TABLES = """
CREATE TABLE domains (id int PRIMARY KEY, domain_name text UNIQUE);
CREATE TABLE domain_dns_records (
    id int PRIMARY KEY, domain_id int REFERENCES domains (id), record_type text, name text, value text,
    UNIQUE (domain_id, record_type, name, value)
);
CREATE TABLE hosts (id int PRIMARY KEY, name text UNIQUE);
"""
LOCAL = (
    TABLES
    + """
INSERT INTO domains VALUES (378, 'shared.example'), (401, 'new.example');
INSERT INTO domain_dns_records VALUES (1092, 378, 'A', '@', '192.0.2.1'), (1096, 378, 'MX', '@', 'mail'), (1097, 401, 'A', '@', '192.0.2.9');
INSERT INTO hosts VALUES (225, 'web-01'), (300, 'db-01');
"""
)
REMOTE = (
    TABLES
    + """
INSERT INTO domains VALUES (378, 'remote-only.example'), (379, 'shared.example');
INSERT INTO domain_dns_records VALUES (1092, 379, 'A', '@', '192.0.2.1'), (1096, 378, 'TXT', '@', 'hello');
INSERT INTO hosts VALUES (225, 'web-01'), (301, 'db-01');
"""
)
LOG = """
ERROR - Failed to sync INSERT operation for domain_dns_records:1096: (sqlite3.IntegrityError) UNIQUE constraint failed: domain_dns_records.id
ERROR - Failed to sync INSERT operation for domains:378: (sqlite3.IntegrityError) UNIQUE constraint failed: domains.id
ERROR - Failed to sync INSERT operation for hosts:225: (sqlite3.IntegrityError) UNIQUE constraint failed: hosts.id
WARNING - Conflict detected for domain_dns_records:1092: (sqlite3.IntegrityError) UNIQUE constraint failed: domain_dns_records.id
ERROR - Failed to sync INSERT operation for hosts:300: (sqlite3.IntegrityError) UNIQUE constraint failed: hosts.name
ERROR - Failed to sync INSERT operation for hosts:999: (sqlite3.IntegrityError) UNIQUE constraint failed: hosts.id
"""
WANTED = {
    "domain_dns_records:1096": (
        "id_collision_different_entity",
        "shared.example MX @ mail",
        "remote-only.example TXT @ hello",
    ),
    "domains:378": ("id_collision_different_entity", "shared.example", "remote-only.example"),
    "hosts:225": ("id_already_exists_same_entity", "web-01", "web-01"),
    "domain_dns_records:1092": (
        "id_already_exists_same_entity",
        "shared.example A @ 192.0.2.1",
        "shared.example A @ 192.0.2.1",
    ),
    "hosts:300": ("other_unique_violated", "db-01", ""),
    "hosts:999": ("cannot_tell", "", ""),
}


@pytest.fixture(scope="module")
def url(pg_server: Server) -> str:
    return pg_server.create("logs")


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_each_line_is_told_apart(engine: str, tmp_path: Path, url: str) -> None:
    local = make("sqlite", LOCAL, tmp_path, None)
    remote = make(engine, REMOTE, tmp_path, url)
    found = sn.diagnose(LOG, local, remote)
    told = {each.where: (each.cause, each.spot.local, each.spot.remote) for each in found if each.spot}
    assert told == WANTED
    frame = found.frame.set_index("where")
    assert "379" in frame.loc["domains:378", "fix"]
    assert "fresh id" in frame.loc["domain_dns_records:1096", "fix"]
    assert frame.loc["domains:378", "operation"] == "INSERT"
    assert repr(found).splitlines()[1].split() == ["row", "operation", "local", "remote", "cause", "fix"]


def test_evidence_shows_both_rows(tmp_path: Path) -> None:
    found = sn.diagnose(LOG, make("sqlite", LOCAL, tmp_path, None), make("sqlite", REMOTE, tmp_path, None))
    collision = next(each for each in found if each.where == "domains:378")
    assert collision.evidence.to_dict("list") == {
        "column": ["id", "domain_name"],
        "local": ["378", "shared.example"],
        "remote, same id": ["378", "remote-only.example"],
        "remote, same thing": ["379", "shared.example"],
    }


def test_ids_that_do_not_fit_and_tables_that_are_not_there(tmp_path: Path, url: str) -> None:
    log = "ERROR - Failed to sync UPDATE operation for hosts:abc: boom: UNIQUE constraint failed: hosts.id\n"
    log += "ERROR - Failed to sync UPDATE operation for nowhere:5: UNIQUE constraint failed: nowhere.id"
    found = sn.diagnose(log, make("sqlite", LOCAL, tmp_path, None), make("postgresql", REMOTE, tmp_path, url))
    assert [each.cause for each in found] == ["cannot_tell", "table_missing"]
