"""Accounts between which money moves: rows change, come and go, and what they hold together stays the same."""

from tests.proof.counting import count, judged

__all__ = ["DDL", "OPENED", "SUM", "TOTAL", "moved", "summed_up"]

ACCOUNTS, EACH = 40, 100
TOTAL = ACCOUNTS * EACH
DDL = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, balance INTEGER NOT NULL)"
OPENED = (
    "INSERT INTO accounts WITH RECURSIVE i(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM i"
    f" WHERE k < {ACCOUNTS}) SELECT k, 'owner ' || k, {EACH} FROM i"
)
SUM = "SELECT sum(balance) FROM accounts"


def moved(number: int) -> tuple[str, ...]:
    """What happens on a day: odd accounts pay even ones, one is closed, and a new one has all that was in it."""
    amount = 1 + number % 7
    return (
        f"UPDATE accounts SET balance = balance + CASE id % 2 WHEN 0 THEN {amount} ELSE -{amount} END WHERE id <= {ACCOUNTS // 2}",
        "INSERT INTO accounts SELECT max(id) + 1, 'owner ' || (max(id) + 1), 0 FROM accounts",
        "UPDATE accounts SET balance = (SELECT balance FROM accounts"
        f" WHERE id = (SELECT min(id) FROM accounts WHERE id > {ACCOUNTS // 2}))"
        " WHERE id = (SELECT max(id) FROM accounts)",
        f"DELETE FROM accounts WHERE id = (SELECT min(id) FROM accounts WHERE id > {ACCOUNTS // 2})",
    )


def summed_up(found: object, total: int = TOTAL) -> None:
    """Money neither came nor went. `found`: what a connection that is none of ours reads as the sum, after a death."""
    with judged():
        count("sums of a ledger, after a death")
        count("sums of a ledger that were not kept", int(found != total))
        assert found == total
