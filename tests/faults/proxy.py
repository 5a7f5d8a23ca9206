"""A TCP proxy in front of PostgreSQL that hurts a dialogue: at a COMMIT, at any message, at any byte, in many ways."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Cut = Literal["before", "after"]
Way = Literal["to server", "to client"]
How = Literal["ends", "reset", "silent", "gone", "slow"]
WAYS: tuple[Way, Way] = ("to server", "to client")
ASKS_FIRST = (80877103, 80877104)
"""SSLRequest and GSSENCRequest, which are answered by a single byte."""


@dataclass(frozen=True)
class Trouble:
    """After so many messages or bytes that went that way a connection is hurt.

    ends: both sides hear that the other one ended. reset: both get a RST. silent: it stays open, and nothing more
    passes. gone: the same, and whoever connects anew is not answered. slow: nothing is cut; what passes that way does
    so a few bytes at a time.
    """

    way: Way
    unit: Literal["messages", "bytes"]
    at: int
    how: How


@dataclass
class Passed:
    """What went one way since the proxy was told to count."""

    messages: int = 0
    bytes: int = 0


@dataclass
class Pair:
    """One connection: what a client has with the proxy, and the proxy with the server."""

    client: socket.socket
    server: socket.socket
    lone: int = 0
    """How many single bytes the server still has to say."""
    silent: bool = False

    def cut(self, how: How) -> None:
        for one in (self.client, self.server):
            with suppress(OSError):
                if how == "reset":
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.shutdown(socket.SHUT_RD)  # wakes who reads from it, and says nothing to the other end
                else:
                    one.shutdown(socket.SHUT_RDWR)


@dataclass
class Frames:
    """Where the messages end that go one way of one connection."""

    pair: Pair
    way: Way
    typed: bool = field(init=False)
    """Whether a message begins with its type, as all do but those that come before a session begins."""
    head: bytes = b""
    left: int = 0

    def __post_init__(self) -> None:
        self.typed = self.way == "to client"

    def ends(self, data: bytes) -> list[int]:
        """The offsets in `data` behind which the next message begins."""
        at, found = 0, []
        while at < len(data):
            if not (self.left or self.head) and self.way == "to client" and self.pair.lone:
                self.pair.lone -= 1
                at += 1
            elif self.left:
                step = min(self.left, len(data) - at)
                self.left -= step
                at += step
            else:
                size = 5 if self.typed else 8
                more = data[at : at + size - len(self.head)]
                self.head += more
                at += len(more)
                if len(self.head) < size:
                    break
                self._begin()
            if not self.left:
                found.append(at)
        return found

    def _begin(self) -> None:
        head, self.head = self.head, b""
        if self.typed:
            self.left = int.from_bytes(head[1:5], "big") - 4
            return
        length, code = struct.unpack(">ii", head)
        self.left = length - 8
        self.pair.lone += code in ASKS_FIRST
        self.typed = code not in ASKS_FIRST


class Proxy:
    """Forwards bytes both ways; hurts one connection where it was told to, and lets all others pass."""

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.left = 0
        self.cut: Cut = "before"
        self.cuts = 0
        self.trouble: Trouble | None = None
        self.passed = {way: Passed() for way in WAYS}
        self.hurt_at = 0.0
        self.deaf = False
        self.healed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, nth: int, cut: Cut) -> None:
        """Cut at the nth COMMIT from now: before the server sees it, or when it has answered and nobody was told."""
        with self.lock:
            self.left, self.cut = nth, cut

    def hurt(self, trouble: Trouble | None) -> None:
        """Count from now on, and hurt the connection that comes so far first."""
        with self.lock:
            self.trouble, self.hurt_at = trouble, 0.0
            self.passed = {way: Passed() for way in WAYS}
            self.healed = threading.Event()

    def heal(self) -> None:
        """Let everything pass, and end what was silent."""
        with self.lock:
            self.trouble, self.deaf = None, False
            self.healed.set()

    def close(self) -> None:
        self.heal()
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.deaf:
            self.healed.wait()
            client.close()
            return
        try:
            server = socket.create_connection(self.address)
        except OSError:  # it has none for us
            client.close()
            return
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = Pair(client, server)
        answers = threading.Thread(target=self._pump, args=(pair, "to client"), daemon=True)
        answers.start()
        self._pump(pair, "to server", answers)
        answers.join()
        client.close()
        server.close()

    def _pump(self, pair: Pair, way: Way, answers: threading.Thread | None = None) -> None:
        source, sink = (pair.client, pair.server) if way == "to server" else (pair.server, pair.client)
        frames = Frames(pair, way)
        how: How = "ends"
        with suppress(OSError):
            while data := source.recv(65536):
                if answers is not None and b"COMMIT\x00" in data and self._commit_is_due():
                    if self.cut == "after":
                        pair.client.shutdown(socket.SHUT_RDWR)  # the answer finds nobody
                        sink.sendall(data)
                        answers.join(10)  # it comes, cannot be passed on, and ends the thread
                    break
                due = self._due(frames, data)
                if due is not None:
                    how, data = due[0], data[: due[1]]
                self._send(pair, sink, data, way)
                if due is not None:
                    break
        if how in ("silent", "gone"):
            pair.silent = True
            self.healed.wait()
        pair.cut(how)

    def _send(self, pair: Pair, sink: socket.socket, data: bytes, way: Way) -> None:
        if pair.silent:
            self.healed.wait()
            raise OSError
        trouble = self.trouble
        step = 100 if trouble and trouble.how == "slow" and trouble.way == way else len(data) or 1
        for at in range(0, len(data), step):
            sink.sendall(data[at : at + step])
            if step < len(data):
                time.sleep(0.002)

    def _commit_is_due(self) -> bool:
        with self.lock:
            self.left -= 1
            self.cuts += self.left == 0
            return self.left == 0

    def _due(self, frames: Frames, data: bytes) -> tuple[How, int] | None:
        """How to hurt this connection, and behind which byte of `data`; None where nothing is due."""
        with self.lock:
            trouble, count = self.trouble, self.passed[frames.way]
            before, ends = (count.messages, count.bytes), frames.ends(data)
            count.messages += len(ends)
            count.bytes += len(data)
            if trouble is None or trouble.way != frames.way or trouble.how == "slow" or self.hurt_at:
                return None
            if trouble.unit == "bytes":
                offset = trouble.at - before[1]
                due = 0 <= offset < len(data)
            else:
                which = trouble.at - before[0]
                due = 0 <= which <= len(ends)
                offset = 0 if not which else ends[which - 1] if due else 0
            if not due:
                return None
            self.hurt_at = time.monotonic()
            self.deaf = trouble.how == "gone"
            self.cuts += 1
            return trouble.how, offset


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()


def until(true: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
