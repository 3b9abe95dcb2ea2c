"""Text on one line: what would end a mail's header, or turn a page's words around, is refused or folded everywhere."""

import sys

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models

from luxewin.characters import ODD, is_invisible
from luxewin.lines import LineField, one_line, validate_one_line

SPLITTING = [line[-1] for line in "".join(map(chr, range(sys.maxunicode + 1))).splitlines(keepends=True)[:-1]]
TURNING = [*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
# Columns that people write on one line, and that stand in mails, pages and logs.
LINES = {
    "accounts.BlockedAddress.detail",
    "accounts.User.display_name",
    "accounts.CountryRule.reason",
    "accounts.Terms.version",
    "accounts.RetentionRule.why",
    "purchases.PostalEntry.reference",
    "purchases.Refund.reason",
    "purchases.SettledDifference.reason",
    "raffles.Prize.name",
    "raffles.Raffle.answer",
    "raffles.Raffle.question",
    "raffles.Raffle.cancel_reason",
    "raffles.Raffle.title",
    "raffles.SaleStop.reason",
    "verification.Claim.carrier",
    "verification.Claim.tracking",
    "verification.Claim.wanted",
    "verification.Draw.void_reason",
    "verification.Forfeit.reason",
}


@pytest.mark.parametrize("odd", sorted({*SPLITTING, *TURNING, *CONTROLS}), ids=lambda odd: f"U+{ord(odd):04X}")
def test_odd_characters_are_refused_by_name_and_folded(odd):
    with pytest.raises(ValidationError, match=f"U\\+{ord(odd):04X} is character 2") as refusal:
        validate_one_line(f"A{odd}watch")
    assert refusal.value.code == "odd_character"
    assert one_line(f"{odd}A {odd}{odd} fine{odd}watch{odd}") == "A fine watch"


@pytest.mark.parametrize("text", ["", ".", "A watch", "Rolex  GMT", "Żółć 日本 مرحبا 👩‍🚀", "non\u00a0breaking"])
def test_other_text_is_left_as_it_is(text):
    validate_one_line(text)
    assert one_line(text) == text
    assert not ODD.search(text)


INVISIBLE = ["\u200b", "\u200d\u2060", "\ufeff \u00ad", "\u3164", "\u2800\u2800", "\ufe0f", "\u0301", "\U000e0041", " "]


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_text_of_which_nothing_can_be_seen_is_refused(text):
    assert is_invisible(text)
    with pytest.raises(ValidationError) as refusal:
        validate_one_line(text)
    assert refusal.value.code == "invisible"
    # Beside a letter they have their uses.
    validate_one_line(f"A{text}watch")


def test_whatever_people_write_on_one_line_is_such_a_column():
    ours = {"accounts", "purchases", "raffles", "verification"}
    columns = [field for model in apps.get_models() if model._meta.app_label in ours for field in model._meta.fields]
    assert {f"{field.model._meta.label}.{field.name}" for field in columns if isinstance(field, LineField)} == LINES
    reasons = {field for field in columns if isinstance(field, models.CharField) and field.name == "reason"}
    # Stripe's word for what a cardholder claims.
    assert {f"{field.model._meta.label}.{field.name}" for field in reasons} - LINES == {"purchases.Dispute.reason"}


def test_code_that_comes_past_the_forms_writes_one_line(draft):
    raffle = draft(title="A\u2028fine\x85watch", prizes=[{"name": "A\x0bwatch"}])
    assert raffle.title == "A fine watch"
    raffle.refresh_from_db()
    assert (raffle.title, raffle.prizes.get().name) == ("A fine watch", "A watch")
