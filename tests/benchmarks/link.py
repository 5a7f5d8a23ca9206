"""A TCP proxy that counts bytes, and makes a link slow: so many bits a second for all connections, so long a way."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

__all__ = ["Link", "linked"]

PIECE = 16_384


class Link:
    """Forwards to one server. `rate` in bits a second (0: as fast as it goes), `delay` in seconds one way."""

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.rate, self.delay = 0.0, 0.0
        self.bytes = 0
        self.turns = 0
        """How often something went up after anything had come down: with a delay, how often an answer was waited for."""
        self._last = "down"
        self.port = 0
        self._free_at = {"up": 0.0, "down": 0.0}
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def url(self, url: str) -> str:
        """The URL of a database behind this link."""
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}").geturl()

    def close(self) -> None:
        """Stop; what is on the way is lost."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(10)

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(*self.server)
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.gather(self._pass(reader, ours, "up"), self._pass(theirs, writer, "down"))
        finally:
            ours.close()
            writer.close()
            await asyncio.gather(ours.wait_closed(), writer.wait_closed(), return_exceptions=True)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: str) -> None:
        """What comes in goes out later, in order, no faster than the link."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)
        sending = asyncio.create_task(self._deliver(on_the_way, sink))
        with suppress(OSError):
            while data := await source.read(PIECE):
                self.bytes += len(data)
                self.turns += way == "up" != self._last
                self._last = way
                now = time.monotonic()
                spent = len(data) * 8 / self.rate if self.rate else 0.0
                self._free_at[way] = max(self._free_at[way], now) + spent
                await on_the_way.put((self._free_at[way] + self.delay, data))
        await on_the_way.put((0.0, b""))
        await sending

    @staticmethod
    async def _deliver(on_the_way: "asyncio.Queue[tuple[float, bytes]]", sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, data = await on_the_way.get()
                if not data:
                    break
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                sink.write(data)
                await sink.drain()
        with suppress(OSError):
            sink.close()


@contextmanager
def linked(url: str) -> Iterator[Link]:
    """A link to the server of this URL."""
    parts = urlsplit(url)
    link = Link(parts.hostname or "127.0.0.1", parts.port or 5432)
    try:
        yield link
    finally:
        link.close()
