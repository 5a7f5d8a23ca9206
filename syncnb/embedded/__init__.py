"""A small PostgreSQL server for demonstrations and tests, of whatever binaries this machine has.

It runs as root (as an unprivileged user then) and as anybody, adds no user, opens no folder, and is
gone, with its data, when the process that asked for it is: by `close`, by exit, by SIGKILL.
"""

from syncnb.embedded.binaries import available, find_binaries, missing, wheel_binaries
from syncnb.embedded.server import Server, server

__all__ = ["Server", "available", "find_binaries", "missing", "server", "wheel_binaries"]
