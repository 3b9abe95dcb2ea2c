"""Reasons for refunds and for voiding free entries, in the languages of mails.

Refunds and the audit keep the English text. What staff wrote themselves appears in every language as they wrote it.
"""

import re
from typing import Any

from django.conf import settings

from accounts import errors
from purchases.errors import SpendLimitReached
from raffles.models import Raffle

TOO_LATE = "The payment came after the tickets were given back to the sale."
TWICE = "The same tickets were paid twice."
CANCELLED = "The raffle was cancelled."
# By the code of what kept the buyer from buying when their money arrived.
NOT_ELIGIBLE = {
    errors.AccountInactive.code: "Your account was closed before your payment arrived.",
    errors.SelfExcluded.code: "You excluded yourself from buying before your payment arrived.",
    errors.Paused.code: "You paused buying before your payment arrived.",
    errors.DuplicateAccount.code: "Another account has your mailbox; only that one may buy.",
    errors.ProfileIncomplete.code: (
        "Your profile does not say when you were born, or where you live. Without that we may not sell you tickets."
    ),
    errors.UnderAge.code: "By your date of birth you are too young to buy tickets where you live.",
    errors.CountryNotAllowed.code: "We may not sell tickets where you live.",
    errors.EmailNotVerified.code: "Your e-mail address was not verified when your payment arrived.",
    SpendLimitReached.code: "Your payment would have passed your monthly spending limit.",
}
# Patterns of whole sentences. TOO_FEW is what the draw says of a raffle that sold too few tickets.
TOO_FEW = r"(\d+) tickets were sold, fewer than the (\d+) promised for a draw\."
TRANSLATED = {
    "de": {
        re.escape(TOO_LATE): "Die Zahlung kam, nachdem die Lose wieder in den Verkauf gegeben waren.",
        re.escape(TWICE): "Dieselben Lose wurden zweimal bezahlt.",
        re.escape(CANCELLED): "Die Verlosung wurde abgesagt.",
        TOO_FEW: r"Es wurden \1 Lose verkauft, weniger als die \2, die für eine Ziehung zugesagt waren.",
        **{
            re.escape(NOT_ELIGIBLE[code]): german
            for code, german in {
                errors.AccountInactive.code: "Ihr Konto wurde geschlossen, bevor Ihre Zahlung eintraf.",
                errors.SelfExcluded.code: "Sie haben sich vom Kauf ausgeschlossen, bevor Ihre Zahlung eintraf.",
                errors.Paused.code: "Sie haben den Kauf pausiert, bevor Ihre Zahlung eintraf.",
                errors.DuplicateAccount.code: "Ein anderes Konto hat Ihr Postfach; nur damit darf gekauft werden.",
                errors.ProfileIncomplete.code: (
                    "In Ihrem Profil fehlt, wann Sie geboren sind oder wo Sie leben. Ohne das dürfen wir Ihnen keine "
                    "Lose verkaufen."
                ),
                errors.UnderAge.code: (
                    "Nach Ihrem Geburtsdatum sind Sie zu jung, um dort, wo Sie leben, Lose zu kaufen."
                ),
                errors.CountryNotAllowed.code: "Dort, wo Sie leben, dürfen wir keine Lose verkaufen.",
                errors.EmailNotVerified.code: "Ihre E-Mail-Adresse war nicht bestätigt, als Ihre Zahlung eintraf.",
                SpendLimitReached.code: "Ihre Zahlung hätte Ihr monatliches Ausgabenlimit überschritten.",
            }.items()
        },
    }
}


def of_cancelling(raffle: Raffle) -> str:
    """Return the reason that refunds of a cancelled raffle give."""
    return raffle.cancel_reason or CANCELLED


def for_mails(reason: str, raffle: Raffle) -> dict[str, Any]:
    """Return the context of a mail that gives this reason: `reason`, and `reasons` by language.

    If the cancelled raffle is the reason, it says so before the words that staff chose.
    """
    is_cancelling = raffle.status == Raffle.Status.CANCELLED and reason == of_cancelling(raffle)
    sentences = [CANCELLED, reason] if is_cancelling and reason != CANCELLED else [reason]
    languages = [code for code, _ in settings.LANGUAGES if code != "en"]
    translated = {code: " ".join(_translated(sentence, code) for sentence in sentences) for code in languages}
    return {"reason": " ".join(sentences), "reasons": translated}


def _translated(sentence: str, language: str) -> str:
    for pattern, words in TRANSLATED[language].items():
        if found := re.fullmatch(pattern, sentence):
            return found.expand(words)
    return sentence
