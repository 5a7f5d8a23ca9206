"""The catalogues of both sides: those of two servers are read at the same time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context

from syncnb.schema import Schema
from syncnb.stores.port import Reader
from syncnb.stores.postgres import PostgresReader

__all__ = ["catalogues"]

AGAIN = 0.1
"""Seconds between two words to a server that it shall stop: the first may come before it has begun."""


def catalogues(here: Reader, there: Reader, schemas: Sequence[str] | None) -> tuple[Schema, Schema]:
    """What both sides have. Where one fails, or somebody interrupts, the other is stopped."""
    if not (isinstance(here, PostgresReader) and isinstance(there, PostgresReader)):
        return here.schema(schemas), there.schema(schemas)
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(copy_context().run, there.schema, schemas)
        try:
            return here.schema(schemas), later.result()
        except BaseException:
            while not later.done():
                there.interrupt()
                wait([later], AGAIN)
            raise
