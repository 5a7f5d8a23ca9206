"""The rows of both sides. Made up, but for the thirteen root servers, which are those of the tour.

The cache writes its stamps with fractions, as its driver does; the shared database without. All are UTC.
"""

from collections.abc import Sequence

from syncnb.examples.scene import Row
from syncnb.examples.tour import rows as tour

__all__ = ["LOCAL", "REMOTE"]

RECORDED, SCANNED = "2025-11-03 08:00:00", "2026-02-20 05:00:00"
MET, PUSHED, NOTED = "2026-02-18 09:30:00", "2026-02-19 05:00:00", "2026-03-02 10:00:00"

# fmt: off
DOMAINS: tuple[Row, ...] = (
    (370, "root-servers.net", None, None, True, None, RECORDED, SCANNED, True),
    (371, "example.com", "Registrar North", "2027-11-15", True, None, RECORDED, SCANNED, True),
    (372, "shop.example.com", "Registrar North", "2027-11-15", True, 371, RECORDED, SCANNED, True),
    (373, "example.net", "Blue Harbour", "2028-12-22", True, None, RECORDED, SCANNED, True),
    (374, "status.example.net", "Blue Harbour", "2028-12-22", False, 373, RECORDED, SCANNED, True),
    (375, "example.org", "Zürich Names", "2028-10-08", True, None, RECORDED, SCANNED, True),
    (376, "orchard.example", "Registrar North", "2028-08-22", True, None, RECORDED, SCANNED, True),
    (377, "lantern.example", "Registrar North", "2027-11-15", True, None, RECORDED, SCANNED, True),
)
LOCAL_DOMAINS: tuple[Row, ...] = (
    (378, "shared.example", "Registrar North", "2026-09-30", True, None, MET, "2026-03-01 05:00:00", True),
    (380, "kept.example", "Blue Harbour", "2028-01-31", True, None, RECORDED, "2026-03-03 05:00:00", True),
    (381, "www.shared.example", "Registrar North", "2027-09-30", True, 378, MET, PUSHED, True),
    (401, "new.example", "Blue Harbour", "2027-03-01", True, None, "2026-03-03 05:00:00", "2026-03-03 05:00:00", True),
)
REMOTE_DOMAINS: tuple[Row, ...] = (
    (378, "remote-only.example", "Zürich Names", "2027-06-30", True, None, NOTED, NOTED, True),
    (379, "shared.example", "Registrar North", "2027-09-30", True, None, MET, "2026-03-02 12:00:00", True),
    (380, "kept.example", "Blue Harbour", "2027-01-31", True, None, RECORDED, SCANNED, True),
    (381, "www.shared.example", "Registrar North", "2027-09-30", True, 379, MET, PUSHED, True),
)

_ROOT: tuple[Row, ...] = tuple(
    (1050 + at, 370, kind, name, address, ttl, None)
    for at, (_, domain, kind, name, address, ttl, *_) in enumerate(tour.DNS_RECORDS, 1)
    if domain == 1
)
_RECORDS: tuple[Row, ...] = (
    *_ROOT,
    (1077, 371, "A", "example.com", "192.0.2.24", 3600, None),
    (1078, 371, "MX", "example.com", "mail.example.com", 3600, 10),
    (1079, 372, "CNAME", "shop.example.com", "example.com", 300, None),
    (1080, 373, "A", "example.net", "192.0.2.24", 3600, None),
    (1081, 374, "A", "status.example.net", "192.0.2.26", 60, None),
    (1082, 375, "A", "example.org", "192.0.2.25", 3600, None),
    (1083, 376, "A", "orchard.example", "192.0.2.25", 3600, None),
    (1084, 377, "A", "lantern.example", "192.0.2.25", 3600, None),
    (1085, 380, "A", "kept.example", "192.0.2.25", 3600, None),
    (1086, 381, "CNAME", "www.shared.example", "shared.example", 3600, None),
)
RECORDS: tuple[Row, ...] = tuple((*record, RECORDED, SCANNED) for record in _RECORDS)
LOCAL_RECORDS: tuple[Row, ...] = (
    (1092, 378, "A", "shared.example", "192.0.2.25", 300, None, MET, "2026-03-03 05:00:00"),
    (1096, 378, "MX", "shared.example", "mail.example.com", 3600, 10, "2026-03-02 05:00:00", "2026-03-02 05:00:00"),
)
REMOTE_RECORDS: tuple[Row, ...] = (
    (1092, 379, "A", "shared.example", "192.0.2.25", 3600, None, MET, SCANNED),
    (1096, 378, "TXT", "remote-only.example", "v=spf1 -all", 3600, None, NOTED, NOTED),
)

_ROOT_HOSTS: tuple[Row, ...] = tuple(
    (200 + int(number or 0), name, kind, where, what, "2026-03-01 05:00:00")
    for number, name, kind, where, what, *_ in tour.HOSTS[:13]
)
HOSTS: tuple[Row, ...] = (
    *_ROOT_HOSTS,
    (223, "mail-01", "mail", "production", "Mail relay", "2026-03-01 05:00:00"),
    (224, "db-01", "database", "production", "Orders", "2026-03-01 05:00:00"),
    (226, "watch-01", "monitor", "production", "Watches the others", "2026-03-01 05:00:00"),
)
LOCAL_HOSTS: tuple[Row, ...] = ((225, "web-01", "web", "production", "Shop front", "2026-03-03 05:00:00"),)
REMOTE_HOSTS: tuple[Row, ...] = ((225, "web-01", "web", "staging", "Shop front", "2026-03-01 05:00:00"),)

HOST_IPS: tuple[Row, ...] = (
    *((400 + int(number or 0), 200 + int(host or 0), *rest[:2], "2026-03-01 05:00:00")
      for number, host, *rest in tour.HOST_IPS[:26]),
    (447, 223, "192.0.2.23", True, "2026-03-01 05:00:00"),
    (448, 224, "192.0.2.24", True, "2026-03-01 05:00:00"),
    (449, 225, "192.0.2.25", True, "2026-03-01 05:00:00"),
    (450, 225, "2001:db8::25", True, "2026-03-01 05:00:00"),
    (451, 226, "192.0.2.26", False, "2026-03-01 05:00:00"),
)

CERTIFICATES: tuple[Row, ...] = (
    (61, "0F3A9C1177E0B2D4", "8E1F2A7C90D34B65A1C0FF7D2E6B9A4410C3D5E7", "Example CA 1",
     "2026-01-17 00:00:00", "2026-07-17 00:00:00", RECORDED, SCANNED),
    (62, "5B60D2E4918AC37F", "13C9B7E05F2D4A8896E1D0B4C7A35F2278E9A1B6", "Example CA 2",
     "2026-02-14 00:00:00", "2026-08-14 00:00:00", RECORDED, SCANNED),
    (63, "A1D47708C25E93B0", "C4708B1E6D9F25A3370E8C5B1A92D4F6E0B7C831", "Example CA 1",
     "2026-02-01 00:00:00", "2026-08-01 00:00:00", RECORDED, SCANNED),
)
"""61 is for shared.example, www.shared.example and kept.example, 62 for example.org and remote-only.example."""
LINKS: tuple[Row, ...] = ((371, 63), (372, 63), (375, 62), (380, 61), (381, 61))
LOCAL_LINKS: tuple[Row, ...] = ((378, 61),)
REMOTE_LINKS: tuple[Row, ...] = ((378, 62), (379, 61))

PENDING: tuple[Row, ...] = (
    (1, "domain_dns_records", 1096, "INSERT", "2026-03-02 05:00:00", False),
    (2, "domains", 378, "INSERT", "2026-03-02 05:00:01", False),
    (3, "hosts", 225, "INSERT", "2026-03-03 05:00:00", False),
    (4, "domain_dns_records", 1092, "INSERT", "2026-03-03 05:00:01", False),
    (5, "domains", 380, "UPDATE", "2026-03-03 05:00:02", False),
    (6, "domains", 401, "INSERT", "2026-03-03 05:00:03", False),
)
"""What the service still had to push, in the order in which it noted it down."""

# fmt: on


def _with_fractions(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Stamps as the cache's driver writes them; all else as it is."""
    return tuple(tuple(f"{v}.000000" if _is_stamp(v) else v for v in row) for row in rows)


def _is_stamp(value: object) -> bool:
    return isinstance(value, str) and len(value) == 19 and value[10] == " " and value[13] == ":"


LOCAL = {
    "domains": _with_fractions([*DOMAINS, *LOCAL_DOMAINS]),
    "domain_dns_records": _with_fractions([*RECORDS, *LOCAL_RECORDS]),
    "hosts": _with_fractions([*HOSTS, *LOCAL_HOSTS]),
    "host_ips": _with_fractions(HOST_IPS),
    "certificates": _with_fractions(CERTIFICATES),
    "domain_certificates": (*LINKS, *LOCAL_LINKS),
    "sync_tracking": _with_fractions(PENDING),
}
REMOTE = {
    "domains": (*DOMAINS, *REMOTE_DOMAINS),
    "domain_dns_records": (*RECORDS, *REMOTE_RECORDS),
    "hosts": (*HOSTS, *REMOTE_HOSTS),
    "host_ips": HOST_IPS,
    "certificates": CERTIFICATES,
    "domain_certificates": (*LINKS, *REMOTE_LINKS),
}
