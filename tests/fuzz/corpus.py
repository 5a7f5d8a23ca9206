"""Inputs that are tried each time, before any is drawn: what was once found, and what is known to be nasty."""

TEXTS = (
    "", " ", "\x7f", "\u202e", "\ufeff", "a\nb", "%", "%s", "%%", "$1", ":a", "{}", "{0!r}", "\\", "\\N", "NULL", "'", '"', "`", "[x]",
    "'; DROP TABLE t; --", '"; DROP TABLE t; --', "<img src=x onerror=alert(1)>", "</td><script>", "&lt;b&gt;", "javascript:alert(1)",
    "é", "e\u0301", "ß", "İ", "ſ", "😀", "\U0010ffff", "ﬀ", "x" * 63, "é" * 31, "select", "user", "Id", "id ", "#", "t", "s", "g",
)  # fmt: skip
PASSWORDS = (
    "hunter2hunter2", "p@ss:w/rd?#[]", "sp ace spaces", "per%cent%41", "plus+plus+", "quote'quote\"", "back\\slash", "ünïcödé-ünï",
    "[::1]brackets", "@@@@@@", "://://://", "&sslmode=off", "x=y&z=w", "{braces}{0}", "tab\ttab\ttab", "....//....",
)  # fmt: skip
MESSAGES = (
    "", "\0", "ERROR:", "DETAIL:  Key (", "DETAIL:  Key (a, b)=(1, ", 'duplicate key value violates unique constraint "', "(" * 500, '"' * 501,
    "UNIQUE constraint failed: ", "UNIQUE constraint failed: a.b.c.d", "Traceback (most recent call last):\n", "{" * 300, '{"error": "\\u0000"}',
    '{"error": "x' + "\\" * 99, "SQLSTATE[23505]: ", "23505", "\ud800", "\N{RIGHT-TO-LEFT OVERRIDE}ERROR: 42P10", "a" * 100_000,
    "there is no unique or exclusion constraint matching the ON CONFLICT specification", "INSERT INTO t (a) VALUES (1) ON CONFLICT (",
)  # fmt: skip
STAMPS = (
    "2013-01-01T05:00:00Z", "2013-01-01 10:30:00+05:30", "20130101T050000Z", "20130101", "2013-1-1", "0001-01-01 00:00:00 BC", "4713-01-01 BC", "294276-12-31 23:59:59.999999",
    "294277-01-01", "0000-01-01", "-0001-01-01", "+2013-01-01", "012345-01-01", "1900-02-29", "2000-02-29", "2013-02-29", "2016-12-31 23:59:60Z", "2016-12-31 23:59:60.9999995",
    "2013-01-01 24:00:00", "2013-01-01 24:00:00.5", "2013-01-01 24:00:01", "2013-01-01 23:59:59.9999995", "2013-01-01 05:00:00,5", "2013-01-01 05", "2013-01-01 05+00",
    "2013-01-01 05:00+15:59:59", "2013-01-01 05:00-15:59:59", "2013-01-01 05:00+16", "2013-01-01 05:00+23:59", "2013-01-01 05:00+24", "2013-01-01 05:00+99:99", "2013-01-01 05:00-12:60",
    "2013-01-01 05:00+053060", "2013-01-01 05:00 UTC", "2013-01-01 05:00+5", "infinity", "-infinity", "Infinity", "now", "epoch", "", " ", "2013-01-01 ", "２０１３-01-01", "2013-01-01\n",
    "2013-13-01", "2013-00-10", "2013-01-00", "13-01-01", "202-01-01", "2013-01-01 05:00:00 PST", "2013-01-01 05:00 pm", "2013.01.01", "01/02/2013", "1357016400", "2456293.5",
)  # fmt: skip
