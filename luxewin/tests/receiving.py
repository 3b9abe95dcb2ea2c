"""A system of the operator's: it takes webhooks over TLS, as scripted, and keeps what it was sent."""

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook

NAMES = ("hooks.example", "localhost")
ADDRESSES = ("127.0.0.1", "127.0.0.2", "::1")


def make_certificate(folder: Path) -> Path:
    """A certificate that is its own authority, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    now = dt.datetime.now(dt.UTC)
    hosts = [*map(x509.DNSName, NAMES), *(x509.IPAddress(ipaddress.ip_address(each)) for each in ADDRESSES)]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "receiver.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


@dataclass
class Receiver:
    """What it was sent, and what it answers: `answer` of the request's number, a status or a function."""

    url: str
    port: int
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[int], int] = lambda number: 204
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def ids(self) -> list[str]:
        """The id of each request."""
        return [headers["webhook-id"] for headers, _ in self.requests]

    def verified(self, secret: str) -> list[Any]:
        """What it was sent, each signature checked as receivers do."""
        return [Webhook(secret).verify(body, headers) for headers, body in self.requests]

    def data(self) -> list[Any]:
        """What it was sent."""
        return [json.loads(body) for _, body in self.requests]


@contextmanager
def receiving(certificate: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """Runs one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            with suppress(OSError):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answer(len(receiver.requests)))
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.content)))
                self.end_headers()
                self.wfile.write(receiver.content)

        do_GET = do_POST  # noqa: N815 the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ThreadingHTTPServer((address, port), Handler)
    server.handle_error = lambda *_: None  # a client that refuses to connect further
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver = Receiver(f"https://{address}:{server.server_port}/hook", server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
