"""One database for all machines that want PostgreSQL: each example empties it."""

from collections.abc import Iterator

import pytest

from syncnb import embedded
from tests.machines.world import SERVER


@pytest.fixture(scope="session")
def served(pg_server: embedded.Server) -> Iterator[None]:
    """For the test cases that ask for it by name."""
    SERVER["url"] = pg_server.create("machines")
    yield
    SERVER.clear()
