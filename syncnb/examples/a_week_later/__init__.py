"""A repair that turns out to be wrong a week later, when others have worked on since.

One evening the scanner could not see past a firewall, called six hosts retired, and the shared database was made
like the cache; a host that the cache had never seen was deleted. By now the cache is right again. Of the six, one
was set right by hand, one got another owner; one difference of another host is meant.
"""

from datetime import UTC, datetime

from syncnb.examples.conflict_audit import CACHE, SERVER
from syncnb.examples.scene import Repair, Row, Scene, Side
from syncnb.resolving import newest, take_local

__all__ = ["SCENE"]

AGREED = "2026-02-20 05:00:00"
EVENING = "2026-02-24 18:00:00"
NAMES = (
    "web-01", "web-02", "web-03", "db-01", "db-02", "mail-01", "build-01", "vpn-01", "watch-01", "backup-01",
    "lab-01", "print-01",
)  # fmt: skip
UNSEEN = ("web-02", "web-03", "db-01", "mail-01", "build-01", "vpn-01")
HOSTS: tuple[Row, ...] = tuple(
    (401 + at, name, "production", f"{name.partition('-')[0]} server", "platform", AGREED)
    for at, name in enumerate(NAMES)
)
HOST_IPS: tuple[Row, ...] = tuple((901 + at, 401 + at, f"192.0.2.{at + 10}") for at in range(len(NAMES)))
ROWS = {"hosts": HOSTS, "host_ips": HOST_IPS}


def _update(host: str, what: str, stamp: str) -> str:
    return f"UPDATE hosts SET {what}, updated_at = '{stamp}' WHERE name = '{host}'"  # noqa: S608 - literals below


NEW_HOST = (
    "INSERT INTO hosts VALUES (413, 'pay-01', 'production', 'Card payments', 'finance', '2026-02-24 11:00:00');"
    "INSERT INTO host_ips VALUES (913, 413, '192.0.2.40')"
)
REPAIRS = (
    Repair(
        at=datetime(2026, 2, 23, 9, 10, tzinfo=UTC),
        by="ann",
        caller="morning round",
        resolve=newest("updated_at"),
        local={
            "watch-01 was described": _update(
                "watch-01", "description = 'Monitoring'", "2026-02-23 08:00:00"
            ),
            "backup-01 got another owner": _update("backup-01", "owner = 'storage'", "2026-02-23 08:20:00"),
        },
    ),
    Repair(
        at=datetime(2026, 2, 24, 18, 40, tzinfo=UTC),
        by="ben",
        caller="evening round",
        resolve=take_local,
        local={
            f"{name} was not seen behind the firewall": _update(name, "environment = 'retired'", EVENING)
            for name in UNSEEN
        },
        remote={"pay-01 was entered by hand": NEW_HOST},
        deletes=True,
    ),
    Repair(
        at=datetime(2026, 2, 26, 9, 5, tzinfo=UTC),
        by="ann",
        caller="morning round",
        resolve=newest("updated_at"),
        local={
            "print-01 was described": _update(
                "print-01", "description = 'Label printer'", "2026-02-26 08:00:00"
            )
        },
    ),
)
LOCAL_DRIFT = {
    f"{name} is seen again, and as it was": _update(name, "environment = 'production'", AGREED)
    for name in UNSEEN
} | {"lab-01 is a playground": _update("lab-01", "environment = 'lab'", "2026-03-01 05:00:00")}
REMOTE_DRIFT = {
    "web-02 was set right by hand": _update("web-02", "environment = 'production'", "2026-02-27 08:00:00"),
    "db-01 went to another team": _update("db-01", "owner = 'orders'", "2026-02-28 10:00:00"),
    "lab-01 is a test host there": _update("lab-01", "environment = 'test'", "2026-03-02 05:00:00"),
}
SCENE = Scene(
    local=Side("cache.db", CACHE, ROWS, LOCAL_DRIFT),
    remote=Side("inventory", SERVER, ROWS, REMOTE_DRIFT),
    remote_file=Side("inventory", CACHE, ROWS, REMOTE_DRIFT),
    repairs=REPAIRS,
)
