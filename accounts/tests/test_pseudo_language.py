"""A further language is one more catalogue: nothing of a mail is English then, and it is read from right to left."""

import json
import re

import pytest
from django.conf import settings

from accounts.message_samples import sample_context
from accounts.models import Notification
from accounts.notifications import compose
from accounts.tests.pseudo_language import CODE, pseudo_language  # noqa: F401 a fixture
from accounts.words import kinds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pseudo_language")]
ADDRESS = re.compile(r"\S+(?:://|@)\S+")
WORD = re.compile(r"[A-Za-z]{2,}")


def _english(user, *kinds_told, **changes) -> set[str]:
    """The words of a mail in Latin letters that are neither values nor addresses."""
    user.preferences.language = CODE
    context = sample_context() | changes
    told = [Notification(user=user, kind=kind, context=context) for kind in kinds_told]
    mail = compose(*told)
    html = re.sub(r"<style>.*?</style>|<[^>]+>", " ", mail.alternatives[0][0], flags=re.DOTALL)
    values = f"{json.dumps(context)} {user.display_name} {settings.OPERATOR_NAME} {settings.OPERATOR_ADDRESS} UTC"
    shown = ADDRESS.sub("", f"{mail.subject} {mail.body} {html}".replace("&nbsp;", " "))
    return set(WORD.findall(shown)) - set(WORD.findall(values))


def test_no_mail_says_anything_that_is_not_in_the_catalogue(alice):
    # The proof of entry is a document that programs read.
    assert {kind: left for kind in kinds() if (left := _english(alice, kind))} == {}
    assert _english(alice, "draw_lost", "draw_lost") == set()


def test_a_string_that_a_language_lacks_would_be_seen(alice, pseudo_language):  # noqa: F811 the fixture
    (pseudo_language / "draw_lost.txt").unlink()
    assert {"held", "public", "randomness"} <= _english(alice, "draw_lost")


def test_its_html_is_written_from_right_to_left_whatever_a_title_begins_with(alice):
    alice.preferences.language = CODE
    for kind in kinds():
        html = compose(Notification(user=alice, kind=kind, context=sample_context())).alternatives[0][0]
        assert f'<html lang="{CODE}" dir="rtl">' in html
        assert "left" not in html.partition("</style>")[2], kind
        assert 'dir="auto"' not in html
