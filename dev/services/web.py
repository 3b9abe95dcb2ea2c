"""The small HTTP server of the beacon and the mail catcher, and the client that waits for it."""

import http.client
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers(BaseHTTPRequestHandler):
    """A handler that answers JSON or HTML, keeps its connections open and logs only errors."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: object, content_type: str = "application/json") -> None:
        """Send the body: text unchanged, anything else as JSON."""
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Server(ThreadingHTTPServer):
    """A server with one thread per connection, on 127.0.0.1 only."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[Answers]) -> None:
        super().__init__(("127.0.0.1", port), handler)


def fetch(port: int, path: str) -> Any:
    """Fetch the JSON at a path of a local server; None unless it answers 200. Raises OSError while nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        content = answer.read()
        return json.loads(content) if answer.status == http.HTTPStatus.OK else None
    finally:
        connection.close()
