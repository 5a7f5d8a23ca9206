"""Small state machines against an oracle that looks only into the users' tables.

Their docstrings name which of these each asserts: 1 nothing is lost, 2 nothing is overwritten that was not shown, 3 again is a no-op,
4 undo is exact, 5 what both agreed on both have had, 6 each run ends as applied, refused or not applied, 7 syncs converge and then write
nothing, 8 sides exchanged give the mirrored plan (tests/laws), 9 what is captured has every difference, 10 no secret is shown
(tests/test_secrets.py).
"""
