"""The mail catcher keeps every message and shows it to programs and to people."""

import json
import smtplib
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from dev import services


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def environment(state: Path) -> Iterator[dict[str, str]]:
    with services.running(state, names=["mail"]) as environment:
        yield environment


def send(environment: dict[str, str], to: str, subject: str, text: str, *, blind: str = "") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "LuxeWin <hello@example.com>", to, subject
    message.set_content(text)
    address = urlsplit(environment["EMAIL_URL"])
    with smtplib.SMTP(str(address.hostname), address.port or 0) as server:
        server.send_message(message, to_addrs=[to, blind] if blind else [to])


def read(environment: dict[str, str], path: str, method: str = "GET") -> str:
    request = urllib.request.Request(environment["MAIL_CATCHER_URL"] + path, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def messages(environment: dict[str, str], to: str = "") -> list[dict[str, Any]]:
    return json.loads(read(environment, f"/messages?to={quote(to)}" if to else "/messages"))


def test_a_message_is_shown_to_whom_it_went_newest_last(environment: dict[str, str]) -> None:
    send(environment, "alice@example.com", "First", "Hello Alice\nhttps://example.com/verify?token=abc=")
    send(environment, "bob@example.com", "Second", "Hello Bob", blind="alice@example.com")
    assert [message["subject"] for message in messages(environment)] == ["First", "Second"]
    assert [message["subject"] for message in messages(environment, "Alice@example.com")] == ["First", "Second"]
    (message,) = messages(environment, "bob@example.com")
    assert message["to"] == ["bob@example.com", "alice@example.com"]
    assert message["from"] == "LuxeWin <hello@example.com>"
    assert message["text"] == "Hello Bob\n"
    assert set(message) == {"id", "to", "from", "subject", "date", "text"}
    assert "token=abc=" in messages(environment)[0]["text"]


def test_text_beyond_ascii_arrives_whole(environment: dict[str, str]) -> None:
    send(environment, "alice@example.com", "Félicitations ✨", "Vous avez gagné — 1 000 €")
    (message,) = messages(environment)
    assert (message["subject"], message["text"]) == ("Félicitations ✨", "Vous avez gagné — 1 000 €\n")


def test_the_page_for_people_escapes_what_was_sent(environment: dict[str, str]) -> None:
    send(environment, "alice@example.com", "<script>alert(1)</script>", "<img src=x onerror=alert(2)>")
    page = read(environment, "/")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "<img" not in page


def test_messages_can_be_forgotten(environment: dict[str, str], state: Path) -> None:
    send(environment, "alice@example.com", "First", "Hello")
    assert len(list((state / "mail").glob("*.eml"))) == 1
    read(environment, "/messages", "DELETE")
    assert messages(environment) == []
    assert list((state / "mail").glob("*.eml")) == []


def test_messages_survive_a_restart_and_numbers_go_on(state: Path) -> None:
    for subject in ("First", "Second"):
        with services.running(state, names=["mail"]) as environment:
            send(environment, "alice@example.com", subject, "Hello")
            found = messages(environment)
    assert [(message["id"], message["subject"]) for message in found] == [(1, "First"), (2, "Second")]
