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
    },
    "fr": {
        re.escape(TOO_LATE): "Le paiement est arrivé après la remise en vente des billets.",
        re.escape(TWICE): "Les mêmes billets ont été payés deux fois.",
        re.escape(CANCELLED): "La tombola a été annulée.",
        TOO_FEW: r"\1 billets ont été vendus, moins que les \2 promis pour un tirage.",
    },
}
TRANSLATED_CODES = {
    "de": {
        errors.AccountInactive.code: "Ihr Konto wurde geschlossen, bevor Ihre Zahlung eintraf.",
        errors.SelfExcluded.code: "Sie haben sich vom Kauf ausgeschlossen, bevor Ihre Zahlung eintraf.",
        errors.Paused.code: "Sie haben den Kauf pausiert, bevor Ihre Zahlung eintraf.",
        errors.DuplicateAccount.code: "Ein anderes Konto hat Ihr Postfach; nur damit darf gekauft werden.",
        errors.ProfileIncomplete.code: (
            "In Ihrem Profil fehlt, wann Sie geboren sind oder wo Sie leben. Ohne das dürfen wir Ihnen keine Lose "
            "verkaufen."
        ),
        errors.UnderAge.code: "Nach Ihrem Geburtsdatum sind Sie zu jung, um dort, wo Sie leben, Lose zu kaufen.",
        errors.CountryNotAllowed.code: "Dort, wo Sie leben, dürfen wir keine Lose verkaufen.",
        errors.EmailNotVerified.code: "Ihre E-Mail-Adresse war nicht bestätigt, als Ihre Zahlung eintraf.",
        SpendLimitReached.code: "Ihre Zahlung hätte Ihr monatliches Ausgabenlimit überschritten.",
    },
    "fr": {
        errors.AccountInactive.code: "Votre compte a été fermé avant l’arrivée de votre paiement.",
        errors.SelfExcluded.code: "Vous vous êtes exclu des achats avant l’arrivée de votre paiement.",
        errors.Paused.code: "Vous avez suspendu vos achats avant l’arrivée de votre paiement.",
        errors.DuplicateAccount.code: "Un autre compte a votre messagerie ; lui seul peut acheter.",
        errors.ProfileIncomplete.code: (
            "Votre profil n’indique pas votre date de naissance ou votre lieu de résidence. Sans cela, nous ne pouvons "
            "pas vous vendre de billets."
        ),
        errors.UnderAge.code: (
            "D’après votre date de naissance, vous êtes trop jeune pour acheter des billets là où vous vivez."
        ),
        errors.CountryNotAllowed.code: "Nous ne pouvons pas vendre de billets là où vous vivez.",
        errors.EmailNotVerified.code: "Votre adresse e-mail n’était pas confirmée à l’arrivée de votre paiement.",
        SpendLimitReached.code: "Votre paiement aurait dépassé votre limite de dépenses mensuelle.",
    },
}
for _language, _by_code in TRANSLATED_CODES.items():
    TRANSLATED[_language] |= {re.escape(NOT_ELIGIBLE[code]): words for code, words in _by_code.items()}


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
