"""Raffles in the back office: the API's rules, told at their fields."""

import html
from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from luxewin.audit.models import AuditEntry
from luxewin.money import as_input, as_text
from raffles import words
from raffles.models import MAX_PRICE, Raffle, TicketCounter

RAFFLES = "/admin/raffles/raffle/"


@pytest.fixture
def desk(mona):
    """Mona at the back office."""
    client = Client()
    client.force_login(mona)
    return client


@pytest.fixture
def sheet():
    """What the page of a new raffle sends."""
    opens = timezone.now() + timedelta(days=1)
    closes = opens + timedelta(days=7)
    return {
        "title": "A watch",
        "slug": "a-watch",
        "category": "watch",
        "description": "",
        "image_url": "",
        "ticket_price": "500",
        "currency": "gbp",
        "capacity": "10",
        "max_per_person": "5",
        "debit_percent": "20",
        "min_tickets": "0",
        "opens_at_0": f"{opens:%Y-%m-%d}",
        "opens_at_1": "10:00",
        "closes_at_0": f"{closes:%Y-%m-%d}",
        "closes_at_1": "10:00",
        "alternates": "2",
        "conditions": "Adults only.",
        "claim_seconds": "1209600",
        "commit_within_seconds": "604800",
        "delay_seconds": "3600",
        "question": "",
        "choices": "",
        "answer": "",
        "prizes-TOTAL_FORMS": "0",
        "prizes-INITIAL_FORMS": "0",
    }


def test_a_manager_writes_a_draft(desk, sheet):
    assert desk.post(f"{RAFFLES}add/", sheet).status_code == 302
    assert Raffle.objects.get().slug == "a-watch"


def test_without_a_slug_the_title_gives_one_and_a_draft_keeps_its_own(desk, sheet):
    sheet |= {"slug": "", "title": "手表"}
    assert desk.post(f"{RAFFLES}add/", sheet).status_code == 302
    raffle = Raffle.objects.get()
    assert raffle.slug == "shoubiao"
    assert desk.post(f"{RAFFLES}{raffle.pk}/change/", sheet | {"title": "Часы"}).status_code == 302
    raffle.refresh_from_db()
    assert (raffle.title, raffle.slug) == ("Часы", "shoubiao")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("currency", "xyz", "unknown_currency"),
        ("max_per_person", "11", "above_capacity"),
        ("min_tickets", "11", "above_capacity"),
        ("ticket_price", "100000000", "max_value"),
        ("capacity", "100000001", "max_value"),
        ("delay_seconds", "0", "too_short"),
        ("slug", "list", "reserved"),
        ("answer", "Rolex", "required"),
    ],
)
def test_a_term_that_the_api_refuses_is_refused_at_its_field(field, value, code, desk, sheet):
    form = desk.post(f"{RAFFLES}add/", sheet | {field: value}).context["adminform"].form
    at = "question" if field == "answer" else field
    assert {name: [each["code"] for each in faults] for name, faults in form.errors.get_json_data().items()} == {
        at: [code]
    }
    assert not Raffle.objects.exists()


def test_closing_before_the_opening_is_refused_at_its_field(desk, sheet):
    form = desk.post(f"{RAFFLES}add/", sheet | {"closes_at_0": "2026-01-01"}).context["adminform"].form
    assert form.errors.as_data().keys() == {"closes_at"}


def test_a_published_raffle_is_read_with_its_currency_and_its_choices(desk, on_sale):
    raffle = on_sale(ticket_price=500, question="Which is a city?", choices=["Rome", "Po"], answer="Rome")
    page = html.unescape(desk.get(f"{RAFFLES}{raffle.pk}/change/").content.decode())
    assert "5.00 GBP" in page
    assert "<div>Rome</div><div>Po</div>" in page
    assert "Open" in page


def test_cancelling_asks_for_a_reason_which_everyone_can_read(desk, api, mona, on_sale):
    raffle = on_sale()
    chosen = {"action": "cancel", "_selected_action": [str(raffle.pk)]}
    for asked in (chosen, chosen | {"confirmed": "1", "reason": "  "}):
        page = html.unescape(desk.post(RAFFLES, asked).content.decode())
        assert 'name="reason"' in page
        assert "Public: shown on the raffle's page" in page
        assert f"<li>{raffle}: no ticket is sold</li>" in page
    TicketCounter.objects.filter(raffle=raffle).update(sold=12, postal=2)
    page = html.unescape(desk.post(RAFFLES, chosen).content.decode())
    assert f"<li>{raffle}: 12 tickets sold, 2 of them free entries; up to 50.00 GBP go back</li>" in page
    raffle.refresh_from_db()
    assert raffle.status == "published"
    told = desk.post(RAFFLES, chosen | {"confirmed": "1", "reason": "The watch was stolen."}, follow=True)
    assert "was cancelled. Everyone is being refunded." in told.content.decode()
    assert api().get(f"/api/v1/raffles/{raffle.pk}").json()["cancel_reason"] == "The watch was stolen."
    entry = AuditEntry.objects.get(action="raffle.cancelled")
    assert (entry.actor, entry.after) == (
        mona.pk,
        {"status": "cancelled", "reason": "The watch was stolen."},
    )


def test_the_database_refuses_a_price_that_one_payment_cannot_carry(draft):
    raffle = draft(ticket_price=MAX_PRICE)
    with pytest.raises(IntegrityError, match="raffle_price"):
        Raffle.objects.filter(pk=raffle.pk).update(ticket_price=MAX_PRICE + 1)


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\u202e"])
def test_text_that_is_no_line_is_refused_at_its_field(odd, desk, sheet):
    text = f"A{odd}watch"
    question = {"question": text, "choices": f"{text}\r\nNo", "answer": text}
    prize = {"prizes-TOTAL_FORMS": "1", "prizes-0-position": "1", "prizes-0-name": text, "prizes-0-description": ""}
    page = desk.post(f"{RAFFLES}add/", sheet | question | prize | {"title": text}).context
    assert page["adminform"].form.errors.keys() == {"title", "question", "choices", "answer"}
    assert page["inline_admin_formsets"][0].formset.errors[0].keys() == {"name"}
    assert not Raffle.objects.exists()


def test_a_reason_is_one_line(desk, on_sale):
    raffle = on_sale()
    chosen = {"action": "cancel", "_selected_action": [str(raffle.pk)], "confirmed": "1"}
    page = desk.post(RAFFLES, chosen | {"reason": "The watch\u2028was stolen."}).content.decode()
    assert "U+2028 is character 10" in page
    raffle.refresh_from_db()
    assert raffle.status == "published"


def _errors(page):
    return {name: [each["code"] for each in faults] for name, faults in page.errors.get_json_data().items()}


@pytest.mark.parametrize("day", ["01/12/2026", "12/01/2026", "1.12.2026", "Dec 1 2026", "26-12-01", "20261201"])
def test_days_are_typed_year_first_and_in_no_other_way(day, desk, sheet):
    page = desk.post(f"{RAFFLES}add/", sheet | {"opens_at_0": day})
    assert _errors(page.context["adminform"].form) == {"opens_at": ["invalid"]}
    assert "YYYY-MM-DD and HH:MM, in UTC." in page.content.decode()
    assert not Raffle.objects.exists()


@pytest.mark.parametrize("year", ["0001", "1999", "2100", "9999"])
def test_years_that_nobody_can_count_with_are_refused(year, desk, sheet):
    days = {"opens_at_0": f"{year}-01-01", "closes_at_0": f"{year}-12-31"}
    form = desk.post(f"{RAFFLES}add/", sheet | days).context["adminform"].form
    assert _errors(form) == {"opens_at": ["out_of_range"], "closes_at": ["out_of_range"]}


@pytest.mark.parametrize(
    ("typed", "currency", "amount"),
    [("5", "gbp", 500), ("5.00", "GBP", 500), ("5,5", "eur", 550), ("£1,250", "gbp", 125_000), ("500", "jpy", 500)],
)
def test_prices_are_typed_as_people_write_them_and_echoed(typed, currency, amount, desk, sheet):
    prize = {"prizes-TOTAL_FORMS": "1", "prizes-0-position": "1", "prizes-0-name": "It", "prizes-0-retail_value": typed}
    page = desk.post(f"{RAFFLES}add/", sheet | prize | {"ticket_price": typed, "currency": currency}, follow=True)
    raffle = Raffle.objects.get()
    assert (raffle.ticket_price, raffle.currency) == (amount, currency.lower())
    assert raffle.prizes.get().retail_value == amount
    told = " ".join(map(str, page.context["messages"]))
    assert f"{as_text(amount, currency)} per ticket, on sale from {words.moment(raffle.opens_at)} until" in told
    shown = desk.get(f"{RAFFLES}{raffle.pk}/change/").content.decode()
    assert shown.count(f'value="{as_input(amount, currency)}"') == 2
    rows = {"prizes-INITIAL_FORMS": "1", "prizes-0-id": raffle.prizes.get().pk, "prizes-0-raffle": raffle.pk}
    as_shown = {"ticket_price": as_input(amount, currency), "currency": currency.upper(), "title": "Another"}
    desk.post(f"{RAFFLES}{raffle.pk}/change/", sheet | prize | rows | as_shown)
    changed = AuditEntry.objects.get(action="raffle.updated").after
    assert changed == {"title": "Another"}


@pytest.mark.parametrize("typed", ["5.001", "1.250", "-5", "five", "€5", "5 USD", "5.", "1e3"])
def test_what_is_no_price_in_its_currency_is_refused(typed, desk, sheet):
    prize = {"prizes-TOTAL_FORMS": "1", "prizes-0-position": "1", "prizes-0-name": "It", "prizes-0-retail_value": typed}
    page = desk.post(f"{RAFFLES}add/", sheet | prize | {"ticket_price": typed}).context
    assert _errors(page["adminform"].form) == {"ticket_price": ["invalid"]}
    assert page["inline_admin_formsets"][0].formset.errors[0].keys() == {"retail_value"}


def test_before_publication_a_page_says_in_words_what_will_be_fixed(desk, draft):
    opens = timezone.now() - timedelta(minutes=1)
    raffle = draft(
        opens_at=opens, closes_at=opens + timedelta(days=2, hours=4, minutes=5), min_tickets=10,
        prizes=[{"name": "A watch", "retail_value": 450_000, "cash_alternative": 400_000}],
        question="Which is a city?", choices=["Rome", "Po"], answer="Rome",
    )  # fmt: skip
    chosen = {"action": "publish", "_selected_action": [str(raffle.pk)]}
    page = desk.post(RAFFLES, chosen)
    text = html.unescape(page.content.decode())
    for said in (
        *(
            "5.00 GBP",
            "100: 500.00 GBP if all are sold",
            f"Immediately: {words.moment(opens)} has passed",
            "A watch, worth",
        ),
        *(
            "4,500.00 GBP",
            "10: if fewer are sold, everyone is refunded",
            "2 days and 4 hours on sale",
            "Rome | Po",
            "Reserve winners",
        ),
        *("or 4,000.00 GBP in cash", "Adults only.", "Write to us.", "Letters count until", "14 days"),
        "7 days after the end of the sale; later everyone is refunded",
        "UTC",
        "3 seconds after the entries are fixed",
        "Nobody can change any of this",
    ):
        assert said in text
    raffle.refresh_from_db()
    assert raffle.status == "draft"
    shown = page.context["raffles"][0]
    confirmed = chosen | {"confirmed": "1", "terms": f"{raffle.pk} {shown['digest']}"}
    for outdated in (chosen | {"confirmed": "1"}, confirmed | {"terms": f"{raffle.pk} 00"}):
        assert desk.post(RAFFLES, outdated).context["raffles"]
    Raffle.objects.filter(pk=raffle.pk).update(ticket_price=50)
    assert "Somebody changed this raffle after you read it." in desk.post(RAFFLES, confirmed).content.decode()
    raffle.refresh_from_db()
    assert raffle.status == "draft"
    again = desk.post(RAFFLES, chosen).context["raffles"][0]
    told = desk.post(RAFFLES, chosen | {"confirmed": "1", "terms": f"{raffle.pk} {again['digest']}"}, follow=True)
    assert "was published" in told.content.decode()


def test_the_page_names_what_keeps_a_draft_from_being_published(desk, draft):
    raffle = draft(capacity=1, closes_at=timezone.now())
    page = desk.post(RAFFLES, {"action": "publish", "_selected_action": [str(raffle.pk)]})
    assert [fault["code"] for fault in page.context["raffles"][0]["faults"]] == ["in_the_past", "too_small"]
    assert "There are fewer tickets than prizes." in page.content.decode()
