"""What happened to the two sides since they agreed: in words, and the SQL that does it again."""

__all__ = ["LOCAL", "REMOTE"]

LOCAL = {
    "web-01 went live, and only the scanner saw it": """
        UPDATE hosts SET environment = 'production', last_seen = '2026-03-02 09:30:00' WHERE name = 'web-01'
    """,
    "an empty description where the inventory has none": """
        UPDATE hosts SET description = '' WHERE name = 'db-02'
    """,
    "one job wrote the wall clock of a zone one hour ahead": """
        UPDATE hosts SET last_seen = '2026-03-01 06:20:00' WHERE name = 'backup-01'
    """,
    "two scans read their clock a second after they had pushed": """
        UPDATE hosts SET last_seen = substr(last_seen, 1, 18) || '1' WHERE name IN ('build-01', 'vpn-01')
    """,
    "an ü in two code points, as file names on macOS have it": """
        UPDATE domains SET registrar = 'Zu\u0308rich Names' WHERE domain_name = 'meadow.example'
    """,
    "a domain that was never pushed": """
        INSERT INTO domains VALUES
            (21, 'new.example', 'Blue Harbour', '2027-03-01', 1, NULL,
             '2026-03-01T05:00:00Z', '2026-03-01T05:00:00Z', 1)
    """,
    "and its records": """
        INSERT INTO domain_dns_records VALUES
            (50, 21, 'A', 'new.example', '192.0.2.14', 3600, NULL,
             '2026-03-01T05:00:00Z', '2026-03-01T05:00:00Z'),
            (51, 21, 'MX', 'new.example', 'mail.example.com', 3600, 10,
             '2026-03-01T05:00:00Z', '2026-03-01T05:00:00Z')
    """,
    "a shorter time to live, newer here": """
        UPDATE domain_dns_records SET ttl = 120, updated_at = '2026-03-01T05:00:00Z' WHERE id = 31
    """,
    "a text in a column of integers, which SQLite takes": """
        UPDATE domain_dns_records SET ttl = 'n/a' WHERE id = 37
    """,
    "a table of the scanner's own": """
        CREATE TABLE sync_tracking (
            table_name TEXT NOT NULL,
            record_id INTEGER NOT NULL,
            operation TEXT NOT NULL,
            timestamp DATETIME NOT NULL,
            synced BOOLEAN NOT NULL DEFAULT 0
        )
    """,
    "with what it still has to push": """
        INSERT INTO sync_tracking VALUES
            ('domains', 21, 'INSERT', '2026-03-01T05:00:00Z', 0),
            ('domain_dns_records', 31, 'UPDATE', '2026-03-01T05:00:00Z', 0),
            ('domain_dns_records', 50, 'INSERT', '2026-03-01T05:00:00Z', 0),
            ('domain_dns_records', 51, 'INSERT', '2026-03-01T05:00:00Z', 0),
            ('hosts', 14, 'UPDATE', '2026-03-02T09:30:00Z', 0)
    """,
}

REMOTE = {
    "somebody renewed a domain, newer there": """
        UPDATE domains SET expiration_date = '2029-07-15', updated_at = '2026-03-01T12:00:00Z'
        WHERE domain_name = 'quarry.example'
    """,
    "a job touched rows and changed nothing": """
        UPDATE domains SET updated_at = '2026-03-01T00:00:00Z'
        WHERE domain_name IN ('rowan.example', 'thimble.example')
    """,
    "a domain that the scanner never met": """
        INSERT INTO domains VALUES
            (22, 'remote-only.example', 'Registrar North', '2027-09-30', true, NULL,
             '2026-02-25T10:00:00Z', '2026-02-25T10:00:00Z', true)
    """,
    "and its record": """
        INSERT INTO domain_dns_records VALUES
            (52, 22, 'TXT', 'remote-only.example', 'v=spf1 -all', 3600, NULL,
             '2026-02-25T10:00:00Z', '2026-02-25T10:00:00Z')
    """,
    "a blank behind a text, typed in a form": """
        UPDATE hosts SET description = 'Mail relay ' WHERE name = 'mail-01'
    """,
    "a better description": """
        UPDATE hosts SET description = 'Blog and news' WHERE name = 'web-03'
    """,
    "a column that only the inventory has": """
        ALTER TABLE host_ips ADD COLUMN first_seen timestamptz
    """,
    "filled for the root servers": """
        UPDATE host_ips SET first_seen = '2025-02-04 08:00:00+00' WHERE host_id <= 13
    """,
}
