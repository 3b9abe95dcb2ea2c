"""The mail catcher. It accepts every message by SMTP, keeps it, and shows it by HTTP; it forwards nothing.

`GET /messages[?to=ADDRESS]` answers JSON, newest last; `GET /` a list for people; `DELETE /messages` deletes all.
Run alone: `python -m dev.services.mail --port 2525 --http-port 8025 --state FOLDER`.
"""

import argparse
import html
import http
import re
import threading
from dataclasses import asdict, dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from dev.services.processes import ServiceDir
from dev.services.state import private_folder, write_private
from dev.services.web import Answers, Server, fetch

RECIPIENT = "X-Envelope-To"  # the actual recipients, blind copies included
LARGEST = 10_000_000  # bytes


def start(site: ServiceDir) -> dict[str, str]:
    smtp, web = site.port("smtp"), site.port("http")
    child = site.spawn_module("dev.services.mail", "--port", str(smtp), "--http-port", str(web))
    # The HTTP side opens after the SMTP side. An empty list counts as an answer.
    site.wait_for(child, lambda: fetch(web, "/messages") is not None)
    return {"EMAIL_URL": f"smtp://127.0.0.1:{smtp}", "MAIL_CATCHER_URL": f"http://127.0.0.1:{web}"}


@dataclass(frozen=True)
class Caught:
    """A message as shown. `text` is its plain part, or its HTML part without the tags."""

    id: int
    to: list[str]
    sender: str
    subject: str
    date: str
    text: str

    @classmethod
    def parse(cls, number: int, content: bytes) -> "Caught":
        message = message_from_bytes(content, policy=policy.default)
        recipients = [str(value) for value in message.get_all(RECIPIENT, [])]
        # A long header is folded at a space, and Python's reader leaves more than one there.
        sender, subject, date = (" ".join(str(message.get(name, "")).split()) for name in ("From", "Subject", "Date"))
        return cls(number, recipients, sender, subject, date, _text(message))

    def shown(self) -> dict[str, object]:
        facts = asdict(self)
        facts["from"] = facts.pop("sender")
        return facts


def _text(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    content = str(part.get_content()).replace("\r\n", "\n")
    return content if part.get_content_subtype() == "plain" else html.unescape(re.sub(r"<[^>]+>", "", content))


class Box:
    """The caught messages, in memory and as numbered .eml files. Safe for several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self._lock = threading.Lock()
        files = sorted(self.folder.glob("*.eml"))
        self._messages = [Caught.parse(int(file.stem), file.read_bytes()) for file in files]
        self._next = max((message.id for message in self._messages), default=0) + 1

    def add(self, recipients: list[str], content: bytes) -> None:
        headers = "".join(f"{RECIPIENT}: {re.sub(r'[\r\n]', '', address)}\r\n" for address in recipients)
        with self._lock:
            number, self._next = self._next, self._next + 1
            write_private(self.folder / f"{number:08d}.eml", headers.encode() + content)
            self._messages.append(Caught.parse(number, headers.encode() + content))

    def messages(self, to: str | None = None) -> list[Caught]:
        with self._lock:
            found = list(self._messages)
        if to is None:
            return found
        return [message for message in found if to.casefold() in (address.casefold() for address in message.to)]

    def clear(self) -> None:
        with self._lock:
            self._messages = []
            for file in self.folder.glob("*.eml"):
                file.unlink()


class Reception:
    """The SMTP handler, which keeps each message."""

    def __init__(self, box: Box) -> None:
        self.box = box

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (its name there)
        content = envelope.original_content or b""
        self.box.add([str(address) for address in envelope.rcpt_tos], content)
        return "250 Caught"


def handler(box: Box) -> type[Answers]:
    class Mail(Answers):
        def do_GET(self) -> None:  # noqa: N802 (its name there)
            address = urlsplit(self.path)
            if address.path == "/messages":
                to = parse_qs(address.query).get("to", [None])[0]
                self.answer(http.HTTPStatus.OK, [message.shown() for message in box.messages(to)])
            elif address.path == "/":
                self.answer(http.HTTPStatus.OK, _page(box.messages()), "text/html; charset=utf-8")
            else:
                self.answer(http.HTTPStatus.NOT_FOUND, {"error": "not found"})

        def do_DELETE(self) -> None:  # noqa: N802 (its name there)
            if self.path != "/messages":
                self.answer(http.HTTPStatus.NOT_FOUND, {"error": "not found"})
                return
            box.clear()
            self.answer(http.HTTPStatus.OK, [])

    return Mail


def _page(messages: list[Caught]) -> str:
    """Render all messages, newest first, with everything escaped."""
    items = "".join(
        f"<article><h2>{html.escape(message.subject)}</h2>"
        f"<p>{html.escape(f'{message.date}, from {message.sender} to {", ".join(message.to)}')}</p>"
        f"<pre>{html.escape(message.text)}</pre></article>"
        for message in reversed(messages)
    )
    style = "body{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto}pre{white-space:pre-wrap}"
    head = f"<meta charset=utf-8><title>Caught mail</title><style>{style}</style>"
    return f"<!doctype html><html lang=en>{head}<h1>Caught mail</h1>{items or '<p>Nothing yet.</p>'}</html>"


def main() -> None:
    parser = argparse.ArgumentParser(description="an SMTP server that keeps every message and sends none on")
    parser.add_argument("--port", type=int, required=True, help="of SMTP")
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    box = Box(options.state)
    Controller(Reception(box), hostname="127.0.0.1", port=options.port, data_size_limit=LARGEST).start()
    Server(options.http_port, handler(box)).serve_forever()


if __name__ == "__main__":
    main()
