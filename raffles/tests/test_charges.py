"""A raffle whose single ticket no card could pay for is not published, whichever way it comes."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse

from luxewin.api.problems import InvalidInput
from luxewin.tests.asking import assert_problem, client_of
from raffles import services
from raffles.models import Raffle
from raffles.terms import price_faults

UNPAYABLE = [
    (1, "gbp", "ticket_price"),
    (49, "usd", "ticket_price"),
    (49, "jpy", "ticket_price"),
    (1234, "kwd", "ticket_price"),
    (500_050, "isk", "ticket_price"),
    (500_001, "ugx", "ticket_price"),
    (10, "mga", "ticket_price"),
    (5000, "xxx", "currency"),
    (5000, "xts", "currency"),
    (5000, "xau", "currency"),
    (5000, "xdr", "currency"),
]
unpayable = pytest.mark.parametrize(("price", "currency", "field"), UNPAYABLE)
PAYABLE = [(30, "gbp"), (50, "jpy"), (5000, "mga"), (1230, "kwd"), (500_000, "isk"), (500_000, "ugx"), (17_500, "huf")]


@unpayable
def test_the_api_names_it(price, currency, field, mona, terms):
    body = terms(ticket_price=price, currency=currency, delay_seconds=3600)
    body |= {name: body[name].isoformat() for name in ("opens_at", "closes_at")}
    assert_problem(client_of(mona).post("/api/v1/raffles/create", body), 400, "invalid", {field})
    assert not Raffle.objects.exists()


@unpayable
def test_a_draft_from_before_cannot_be_published(price, currency, field, draft):
    raffle = draft()
    Raffle.objects.filter(pk=raffle.pk).update(ticket_price=price, currency=currency)
    with pytest.raises(InvalidInput) as refusal:
        services.publish_raffle(raffle.pk)
    assert [fault["field"] for fault in refusal.value.data["errors"]] == [field]


@unpayable
def test_a_catalogue_is_refused(price, currency, field, db, tmp_path):
    row = {"slug": "watch", "title": "A watch", "category": "watch", "ticket_price": price, "currency": currency}
    row |= {"capacity": 9, "max_per_person": 9, "opens_in": "PT0S", "closes_in": "P1D", "prizes": [{"name": "It"}]}
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps([row]))
    with pytest.raises(CommandError, match=f"raffle 1: {field}: "):
        call_command("load_catalogue", str(path))


@unpayable
def test_the_back_office_says_so_at_the_field(price, currency, field, mona, draft, client):
    raffle = draft()
    Raffle.objects.filter(pk=raffle.pk).update(ticket_price=price, currency=currency)
    client.force_login(mona)
    url = reverse("admin:raffles_raffle_change", args=[raffle.pk])
    form = client.get(url).context["adminform"].form
    found = type(form)(form.initial, instance=raffle)
    assert field in found.errors


@pytest.mark.parametrize(("price", "currency"), PAYABLE)
def test_what_can_be_charged_is_published(price, currency, on_sale):
    assert on_sale(ticket_price=price, currency=currency).status == Raffle.Status.PUBLISHED


def test_every_fault_of_a_price_is_named():
    assert [code for _, code, _ in price_faults(15, "kwd")] == ["not_a_multiple", "below_minimum_charge"]
    (_, _, detail), *_ = price_faults(1234, "kwd")
    assert detail == "In KWD it must be a multiple of 10: 1230 or 1240."


@pytest.mark.parametrize(("price", "currency", "text"), [(5000, "mga", "5,000 MGA"), (500_000, "ugx", "5,000 UGX")])
def test_page_and_back_office_show_what_is_charged(price, currency, text, on_sale, client, mona):
    raffle = on_sale(ticket_price=price, currency=currency)
    assert text in client.get(f"/verify/{raffle.slug}").text
    client.force_login(mona)
    assert text in client.get(reverse("admin:raffles_raffle_changelist")).text.replace("\N{NO-BREAK SPACE}", " ")
