"""Public reads with the cache off, and through the proxy of `deploy/`."""

import re
from functools import cache
from pathlib import Path

import httpx

from dev.bench import shop, tools
from dev.bench.against_peer import compare, peer
from dev.bench.ground import Ground
from dev.bench.load import Target
from dev.bench.registry import Figure, measurement
from dev.launch import PROJECT
from dev.services.processes import free_port

LIST = "/api/v1/raffles/list"
NGINX = """
user root;
worker_processes 2;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/luxewin.conf;
    server {{ listen 127.0.0.1:{port}; root {folder}/files; default_type application/json; }}
}}
"""


@cache
def uncached(ground: Ground) -> str:
    """Start a server that keeps no public answers; return its address."""
    return ground.another_server("server-without-answers", {"PUBLIC_ANSWERS_MEGABYTES": "0"})


@measurement(unit="requests/s")
def list_fresh_vs_peer(ground: Ground) -> Figure:
    """GET raffles/list as in list_vs_peer, but each answer is made anew (PUBLIC_ANSWERS_MEGABYTES=0)."""
    shop.raffle(ground)
    product, yardstick = Target(uncached(ground) + LIST), Target(peer(ground).url + LIST)
    return compare(ground, product, yardstick)


@measurement(unit="requests/s")
def list_through_proxy(ground: Ground) -> Figure:
    """GET raffles/list through nginx with `deploy/nginx.conf`, beside the same nginx with a file of that size.

    Without TLS, which would cost both sides the same.
    """
    shop.raffle(ground)
    proxy, files = _nginx(ground, httpx.get(ground.stack.url + LIST).content)
    product, yardstick = Target(proxy + LIST), Target(f"{files}/list.json")
    return compare(ground, product, yardstick)


def _nginx(ground: Ground, file: bytes) -> tuple[str, str]:
    """Start nginx in front of the stack's server; return its address, and that of a folder with `list.json`."""
    folder, port, files_port = ground.state / "nginx", free_port(), free_port()
    (folder / "files").mkdir(parents=True, exist_ok=True)
    (folder / "files" / "list.json").write_bytes(file)
    (folder / "luxewin.conf").write_text(_in_clear(folder, ground.stack.url, port))
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder.resolve(), port=files_port))
    argv: list[str | Path] = [tools.nginx(), "-c", folder.resolve() / "nginx.conf", "-g", "daemon off;"]
    return ground.serve("nginx", argv, port, "/health/live"), f"http://127.0.0.1:{files_port}"


def _in_clear(folder: Path, server: str, port: int) -> str:
    """Return the configuration of `deploy/` for this server and folder, at a port of this machine without TLS."""
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    text = re.sub(r"\n *ssl_certificate.*", "", text).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    text = text.replace("/var/cache/nginx/luxewin", str(folder.resolve() / "cache"))
    return text.replace("127.0.0.1:8000", server.removeprefix("http://"))
