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
