"""The words of mails: every kind in every language, with the same facts, as its reader writes numbers and times."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from accounts.models import Notification, Preferences
from accounts.notification_types import OPTIONAL
from accounts.notifications import compose

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


@pytest.mark.parametrize(("language", "amount"), [("en", "2,250.00 GBP"), ("de", "2.250,00 GBP")])
def test_money_is_written_as_the_reader_writes_it(language, amount, alice):
    Preferences.objects.filter(user=alice).update(language=language)
    alice.refresh_from_db()
    assert amount in compose(Notification(user=alice, kind="purchase_refunded", context=CONTEXT)).body


@pytest.mark.parametrize(
    ("language", "moment"), [("en", "Nov. 23, 2026, 12:30 a.m. (CET)"), ("de", "23. November 2026 00:30 (CET)")]
)
def test_times_are_written_in_the_readers_language_and_time_zone(language, moment, alice):
    alice.preferences.language, alice.preferences.time_zone = language, "Europe/Vienna"
    assert moment in compose(Notification(user=alice, kind="deletion_requested", context=CONTEXT)).body


def test_a_language_that_is_gone_reads_english(alice):
    alice.preferences.language = "fr"
    assert compose(Notification(user=alice, kind="password_changed")).subject == "Your password was changed"
