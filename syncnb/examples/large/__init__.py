"""A year of flights, 336,776 rows of 19 columns, all made up: a table that nobody reads line by line.

The cache has it right. The shared database has a storm's delays from before they were corrected, blanks behind
some tail numbers, and not yet the last evening; and it has flights that the cache lacks.
"""

from syncnb.examples.large.rows import flights
from syncnb.examples.scene import Scene, Side

__all__ = ["SCENE"]

COLUMNS = """
    year integer, month integer, day integer, dep_time integer, sched_dep_time integer, dep_delay integer,
    arr_time integer, sched_arr_time integer, arr_delay integer, carrier text NOT NULL, flight integer NOT NULL,
    tailnum text, origin text, dest text, air_time integer, distance integer, hour integer, minute integer,
    time_hour {stamp} NOT NULL, PRIMARY KEY (time_hour, carrier, flight)
"""
LOCAL_DRIFT = {
    "a morning in June was never fetched": "DELETE FROM flights WHERE month = 6 AND day = 1 AND hour = 5",
}
REMOTE_DRIFT = {
    "a storm's delays, not yet corrected": "UPDATE flights SET arr_delay = arr_delay + 60 WHERE month = 2 AND day IN (8, 9)",
    "blanks behind tail numbers": "UPDATE flights SET tailnum = tailnum || ' ' WHERE day = 15 AND flight % 100 = 7",
    "the last evening is not loaded yet": "DELETE FROM flights WHERE month = 12 AND day = 31 AND hour >= 18",
}  # fmt: skip
ROWS = {"flights": flights()}
SCENE = Scene(
    local=Side("flights.db", f"CREATE TABLE flights ({COLUMNS.format(stamp='DATETIME')})", ROWS, LOCAL_DRIFT),
    remote=Side(
        "airport", f"CREATE TABLE flights ({COLUMNS.format(stamp='timestamptz')})", ROWS, REMOTE_DRIFT
    ),
)
