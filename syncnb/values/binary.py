"""Rules for bytes and UUIDs."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from syncnb.values import arrays
from syncnb.values.raw import Raw
from syncnb.values.rules import Rule, Token
from syncnb.values.sides import Side

__all__ = ["BytesRule", "UuidRule"]


@dataclass(frozen=True, slots=True)
class BytesRule(Rule):
    """Bytes by bytes; text of the form \\x6869 is PostgreSQL's hex form of bytes."""

    sentence: ClassVar[str] = "text of the form \\x6869 writes bytes in hex"
    arrow: ClassVar[pa.DataType | None] = pa.binary()

    @property
    def key_type(self) -> pa.DataType | None:
        return pa.binary()

    def own(self, value: Raw) -> Token | None:
        found = self.unhexed(value)
        return None if found is None else ("bytes", found)

    @staticmethod
    def unhexed(value: Raw) -> bytes | None:
        """The bytes that a value is or writes in hex."""
        if isinstance(value, bytes):
            return value
        if isinstance(value, str) and value.startswith("\\x"):
            try:
                return bytes.fromhex(value[2:])
            except ValueError:
                return None
        return None

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        return arrays.become(array, pa.binary()) if arrays.holds(array, pa.binary()) else None

    def shown(self, value: Raw, side: Side) -> Any:
        found = self.unhexed(value)
        if found is None:
            raise ValueError("not bytes")
        return found


@dataclass(frozen=True, slots=True)
class UuidRule(Rule):
    """UUIDs by their 128 bits: case, dashes and braces do not count; 16 bytes are one too."""

    sentence: ClassVar[str] = "a UUID is its 128 bits: case, dashes and braces do not count"
    arrow: ClassVar[pa.DataType | None] = pa.string()

    @property
    def key_type(self) -> pa.DataType | None:
        return pa.string()

    @staticmethod
    def uuid(value: Raw) -> UUID | None:
        """The UUID that a value is or writes."""
        try:
            if isinstance(value, bytes) and len(value) == 16:
                return UUID(bytes=value)
            return UUID(value) if isinstance(value, str) and value.isascii() else None
        except ValueError:
            return None

    def own(self, value: Raw) -> Token | None:
        found = self.uuid(value)
        return None if found is None else ("uuid", found.hex)

    def column(self, array: pa.Array, side: Side) -> pa.Array | None:
        if not arrays.holds(array, pa.string()):
            return None
        plain = pc.ascii_lower(pc.replace_substring(arrays.become(array, pa.string()), "-", ""))
        good = pc.match_substring_regex(plain, r"\A[0-9a-f]{32}\z")
        return plain if pc.all(good, min_count=0).as_py() else None

    def shown(self, value: Raw, side: Side) -> Any:
        found = self.uuid(value)
        if found is None:
            raise ValueError("not a UUID")
        return value if isinstance(value, str) else str(found)

    def all_shown(self, array: pa.Array) -> bool:
        return self.column(array, "local") is not None
