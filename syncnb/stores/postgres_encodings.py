"""Encodings of a PostgreSQL database in which a byte may stand that means no letter.

The server refuses to send such a value as UTF-8, and with it the whole table. So text of these encodings comes as
it is stored, and is decoded here, where one odd value is one odd value.
"""

__all__ = ["CODECS", "decoded", "text_encoding"]

CODECS = {
    "WIN1250": "cp1250",
    "WIN1251": "cp1251",
    "WIN1252": "cp1252",
    "WIN1253": "cp1253",
    "WIN1254": "cp1254",
    "WIN1257": "cp1257",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "LATIN3": "iso8859-3",
}
"""PostgreSQL's name and Python's, of encodings with a byte a letter that both read alike (a test compares them)."""


def text_encoding(encoding: str) -> str:
    """How rows of a database in this encoding travel: `utf-8`, `unchecked`, or one of `CODECS`."""
    if encoding == "SQL_ASCII":
        return "unchecked"
    return encoding if encoding in CODECS else "utf-8"


def decoded(text: bytes | bytearray, encoding: str) -> bytes | None:
    """The same text in UTF-8; None where it holds a byte that means nothing."""
    try:
        return text.decode(CODECS[encoding]).encode()
    except UnicodeDecodeError:
        return None
