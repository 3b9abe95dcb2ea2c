"""Why money goes back, in the languages of mails."""

import re

import pytest
from django.conf import settings

from accounts.models import Notification
from accounts.notifications import compose
from purchases import reasons
from purchases.services.refunds import NO_PAYMENT

OURS = [reasons.TOO_LATE, reasons.TWICE, reasons.CANCELLED, *reasons.NOT_ELIGIBLE.values()]
FEW = "3 tickets were sold, fewer than the 4 promised for a draw."
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]


def _mail(language, reason, raffle, user):
    user.preferences.language = language
    context = {"raffle": raffle.title, "amount": 500, "currency": "gbp"} | reasons.for_mails(reason, raffle)
    return compose(Notification(user=user, kind="purchase_refunded", context=context)).body


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_of_our_reasons_has_its_words_in_each_language(language, on_sale, alice):
    raffle = on_sale()
    for reason in [*OURS, FEW]:
        assert reason in _mail("en", reason, raffle, alice)
        assert reason not in _mail(language, reason, raffle, alice)
        assert "\\" not in _mail(language, reason, raffle, alice)
    assert len(reasons.TRANSLATED[language]) == len(OURS) + 1


@pytest.mark.parametrize("words", ["The watch was stolen.", "", FEW])
def test_of_a_cancelled_raffle_every_language_says_that_it_was(words, on_sale, alice):
    raffle = on_sale()
    raffle.status, raffle.cancel_reason = "cancelled", words
    english, german = (_mail(code, reasons.of_cancelling(raffle), raffle, alice) for code in ("en", "de"))
    assert f"{reasons.CANCELLED} {words}".strip() in english
    assert "Die Verlosung wurde abgesagt." in german
    assert reasons.CANCELLED not in german
    if words == FEW:
        assert re.search("3 Lose verkauft, weniger als die 4", german)


def test_what_staff_wrote_stands_as_they_wrote_it(on_sale, alice):
    assert NO_PAYMENT in _mail("de", NO_PAYMENT, on_sale(), alice)
