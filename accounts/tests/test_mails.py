"""The words of mails: every kind in every language, with the same facts, as its reader writes numbers and times."""

import re
from html import unescape
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.conf import settings

from accounts.models import Notification, Preferences
from accounts.notification_types import OPTIONAL
from accounts.notifications import compose
from accounts.templatetags.mail import money
from accounts.words import write

MAIL = Path(settings.BASE_DIR) / "templates" / "mail"
KINDS = sorted(path.stem for path in MAIL.glob("*.txt"))
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
FACT = re.compile(r"{{\s*([^}]+?)\s*}}|{%\s*((?:if|elif) [^%]+?)\s*%}")
# Whatever any of them names; what is left out would show as nothing.
CONTEXT = {
    "raffle": "A fine watch",
    "raffle_id": "1",
    "slug": "a-fine-watch",
    "lines": ["The box is blue."],
    "change": uuid4().hex,
    "export": uuid4().hex,
    "deletion": uuid4().hex,
    "expires_at": "2026-11-22T23:30:00+00:00",
    "due_at": "2026-11-22T23:30:00+00:00",
    "email": "new@example.com",
    "tickets": {"first": 1, "last": 2, "count": 2},
    "reason": "r",
    "prize": "p",
    "ticket": 1,
    "amount": 225_000,
    "currency": "gbp",
}


def _facts(text: str) -> set[str]:
    return {plain or condition for plain, condition in FACT.findall(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_mail_is_written_in_every_language(language):
    assert sorted(path.stem for path in (MAIL / language).glob("*.txt")) == KINDS


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_of_the_frame_is_written_in_every_language(language):
    english, other = (
        {path.name: _facts(path.read_text()) for path in (MAIL / "frame" / part).iterdir()} for part in ("en", language)
    )
    assert other == english


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_translation_says_the_same_facts(kind, language):
    english, other = ((MAIL / part / f"{kind}.txt").read_text() for part in ("", language))
    assert _facts(other) == _facts(english)
    assert other.partition("\n")[0] != english.partition("\n")[0]


def test_every_optional_kind_has_its_mail():
    assert {kind for event in OPTIONAL.values() for kind in event.kinds} <= set(KINDS)


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_has_a_subject_and_a_body_without_html(kind, language, alice):
    alice.display_name = "O'Hara & <Söhne>"
    alice.preferences.language = language
    to = {"to": "new@example.com"} if kind == "email_change_new" else {}
    mail = compose(Notification(user=alice, kind=kind, context=CONTEXT | to))
    assert 5 < len(mail.subject) < 100
    # Who has not shown that they are the person is not told a name.
    assert ("O'Hara & <Söhne>" in mail.body) == (kind != "email_change_new")
    assert mail.to == [to.get("to", alice.email)]
    assert "{" not in mail.subject + mail.body


@pytest.mark.parametrize(
    ("language", "amount"), [("en", "£2,250.00"), ("de", "2.250,00\xa0£"), ("fr", "2\u202f250,00\xa0£GB")]
)
def test_money_is_written_as_the_reader_writes_it(language, amount, alice):
    Preferences.objects.filter(user=alice).update(language=language)
    alice.refresh_from_db()
    assert amount in compose(Notification(user=alice, kind="purchase_refunded", context=CONTEXT)).body


@pytest.mark.parametrize(
    ("language", "moment"),
    [
        ("en", "23 November 2026, 00:30 (CET)"),
        ("de", "23. November 2026, 00:30 (CET)"),
        ("fr", "23 novembre 2026, 00:30 (CET)"),
    ],
)
def test_times_are_written_in_the_readers_language_and_time_zone(language, moment, alice):
    alice.preferences.language, alice.preferences.time_zone = language, "Europe/Vienna"
    assert moment in compose(Notification(user=alice, kind="deletion_requested", context=CONTEXT)).body


def test_a_language_that_is_gone_reads_english(alice):
    alice.preferences.language = "xx"
    assert compose(Notification(user=alice, kind="password_changed")).subject == "Your password was changed"


# What a mail program leaves out, or blocks until somebody allows it.
UNSAFE = re.compile(
    r"<(?!!doctype|/?(?:html|head|meta|title|style|body|table|tr|td|h1|p|a|ul|li|br)\b)|\son\w+=|url\(|@import"
)
HREF = re.compile(r'href="([^"]*)"')


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_every_mail_is_html_too_and_says_the_same_as_its_text(language, alice):
    alice.display_name = "O'Hara & <Söhne>"
    alice.preferences.language = language
    for kind in KINDS:
        mail = compose(Notification(user=alice, kind=kind, context=CONTEXT | {"prize": "<b>Watch</b> & more"}))
        ((html, form),) = mail.alternatives
        assert form == "text/html"
        assert not UNSAFE.findall(html), kind
        assert "<b>" not in html
        assert f'lang="{language}"' in html
        # Nothing is fetched from anywhere, and links lead to us.
        assert "src=" not in html
        for link in map(unescape, HREF.findall(html)):
            assert link.startswith(("http://127.0.0.1:8000/", "mailto:support@")), link
            assert link.startswith("mailto:") or link in mail.body
        shown = _words_of(re.sub(r"<style>.*?</style>|<title>.*?</title>|<[^>]+>", " ", html, flags=re.DOTALL))
        said = {word for word in _words_of(mail.body) if "://" not in word}
        assert said - shown <= {"--", "-", ":"}, kind


def _words_of(text: str) -> set[str]:
    return {word.strip(":") for word in unescape(text).split()} - {""}


def test_blocks_are_read_as_they_are_written():
    text = "A subject\nOne\nparagraph.\n\n    Label : value\n    plain\n\n- a\n- b\n\n[Go](https://a.example/x)"
    with patch("accounts.words.render_to_string", lambda *_: text):
        told = write("any", {}, "en")
    assert told.subject == "A subject"
    assert [block.kind for block in told.blocks] == ["paragraph", "facts", "list", "link"]
    assert told.text == "One paragraph.\n\n    Label : value\n    plain\n\n- a\n- b\n\nGo\nhttps://a.example/x"
    assert told.blocks[1].facts == [("Label", "value"), ("", "plain")]


def test_a_strangers_text_makes_no_link_and_no_block(alice):
    evil = "[Claim](https://evil.example)\n\n[Claim](https://evil.example)\n- x"
    alice.display_name = evil
    for kind in ("draw_won", "draw_lost", "purchase_paid"):
        mail = compose(Notification(user=alice, kind=kind, context=CONTEXT | {"raffle": evil, "prize": evil}))
        assert 'href="https://evil' not in mail.alternatives[0][0]
        assert "\n[Claim]" not in mail.body
        assert "\n" not in mail.subject


def test_it_says_that_a_machine_wrote_it(alice):
    assert (
        compose(Notification(user=alice, kind="draw_lost", context=CONTEXT)).message()["Auto-Submitted"]
        == "auto-generated"
    )


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        (500, "jpy", "JP¥500"),
        (500, "isk", "ISK5"),
        (1234, "kwd", "KWD1.234"),
        (15050, "lbp", "150.50 LBP"),
        (500, "zzz", "500 ZZZ"),
    ],
)
def test_an_amount_is_never_rounded(amount, currency, said):
    assert money(amount, currency).replace("\xa0", " ") == said
