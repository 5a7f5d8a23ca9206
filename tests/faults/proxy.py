"""A TCP proxy in front of PostgreSQL that cuts a connection at a COMMIT: before the server sees it, or after."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Cut = Literal["before", "after"]


class Proxy:
    """Forwards bytes both ways; the `nth` COMMIT from a client ends that client's connection."""

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.left = 0
        self.cut: Cut = "before"
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, nth: int, cut: Cut) -> None:
        """Cut at the nth COMMIT from now."""
        with self.lock:
            self.left, self.cut = nth, cut

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.server)
                threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        answers = threading.Thread(target=_forward, args=(server, client), daemon=True)
        answers.start()
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT\x00" in data and self._due():
                    if self.cut == "after":
                        _reset(client)  # the answer finds nobody
                        server.sendall(data)
                        answers.join(10)  # it comes, cannot be passed on, and ends the thread
                    break
                server.sendall(data)
        _reset(client)
        _reset(server)  # not only closed: the other thread still reads from it, and the backend would live on

    def _due(self) -> bool:
        with self.lock:
            self.left -= 1
            self.cuts += self.left == 0
            return self.left == 0


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def proxied(host: str, port: int) -> Iterator[Proxy]:
    proxy = Proxy(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
