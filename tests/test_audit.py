"""The demo of an audit: what each edit since both sides agreed is found to be, on both engines."""

from collections.abc import Iterator

import pytest

import syncnb as sn
from syncnb import embedded
from syncnb.examples import homes

STATES = {
    "web-01": ("changed", "changed in local"),
    "web-02": ("changed", "changed in remote"),
    "db-01": ("conflict", "changed in both"),
    "mail-01": ("conflict", "changed in both"),
    "build-01": ("conflict", "changed in both"),
    "vpn-01": ("conflict", "changed in both"),
    "vault-01": ("changed", "changed in local"),
    "lab-01": ("conflict", "changed in both"),
}
"""By local name; `print-01` is not among them, because local has it no more."""


@pytest.fixture(scope="module", autouse=True)
def _cleared() -> Iterator[None]:
    yield
    homes.clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest) -> tuple[sn.Store, sn.Store]:
    if request.param == "postgresql" and not embedded.available():
        pytest.skip(embedded.missing())
    return sn.demo("conflict_audit", remote=request.param)


def test_every_edit_is_what_it_is(pair: tuple[sn.Store, sn.Store]) -> None:
    rows = sn.diff(*pair)["hosts"].rows
    found = {
        str(name): (str(state), str(since))
        for name, state, since in zip(rows["name.local"], rows["state"], rows["since"], strict=True)
        if isinstance(name, str)
    }
    assert found == STATES
    assert rows["state"].tolist().count("only_remote") == 1


def test_nothing_is_overwritten_that_only_the_other_side_changed(pair: tuple[sn.Store, sn.Store]) -> None:
    local, remote = pair
    p = sn.plan(sn.diff(local, remote), into=remote, resolve=sn.newest("updated_at"))
    assert sorted(change.key[0] for change in p.changes) == [301, 304, 306, 310]
    r = sn.apply(p, remote)
    both = sn.row("hosts", {"id": 304}, {"owner": "orders", "description": "Orders"})
    theirs = sn.row("hosts", {"id": 302}, {"description": "Shop front"})
    kept = sn.row("hosts", {"id": 312}, {"name": "print-01", "owner": "office"})
    proof = sn.verify(r, remote, expect=[both, theirs, kept])
    assert proof, proof
    lost = r.overwritten[["key", "column", "lost", "kept"]].values.tolist()
    assert lost[0] == ["306", "description", "Mail", "Mail relay"]
    assert [line[:2] for line in lost] == [["306", "description"], ["306", "updated_at"]]
