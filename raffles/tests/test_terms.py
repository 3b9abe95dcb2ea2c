"""The terms of a raffle: conditions, the free route, prizes in cash, periods, and the bounds of all of them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from luxewin.api.problems import InvalidInput
from luxewin.draw_bounds import MAX_PICKS, MIN_DELAY
from luxewin.environment import DEVELOPMENT, PRODUCTION, STAGING
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from raffles import services, words
from raffles.models import Prize, Raffle

DAY = 86_400
CREATE = "/api/v1/raffles/create"


@pytest.fixture
def body(terms):
    """What `raffles/create` takes."""
    return lambda **changes: terms(**{"delay_seconds": 60} | changes)


def _faults(raffle):
    with pytest.raises(InvalidInput) as refusal:
        services.publish_raffle(raffle.pk)
    return {(fault["field"], fault["code"]) for fault in refusal.value.data["errors"]}


def test_everyone_reads_the_terms_of_a_raffle_and_lists_leave_out_the_long_ones(mona, body):
    closes = timezone.now() + timedelta(days=2)
    prizes = [{"name": "A watch", "retail_value": 900_000, "cash_alternative": 750_000}, {"name": "Its box"}]
    given = {"conditions": "Adults only.\r\nOne account each.\r\n", "claim_seconds": 30 * DAY}
    given |= {"free_route": {"instructions": "Write to us.", "until": closes.isoformat()}, "prizes": prizes}
    made = client_of(mona).post(CREATE, body(closes_at=closes, commit_within_seconds=3 * DAY, **given)).json()
    assert client_of(mona).post(f"/api/v1/raffles/{made['id']}/publish").status_code == 200
    shown = client_of().get(f"/api/v1/raffles/{made['id']}").json()
    until = f"{closes:%Y-%m-%dT%H:%M:%SZ}"
    assert shown["closes_at"] == until
    assert shown["free_route"] == {"instructions": "Write to us.", "until": until}
    assert (shown["conditions"], shown["additions"]) == ("Adults only.\nOne account each.", [])
    assert (shown["claim_seconds"], shown["commit_within_seconds"]) == (30 * DAY, 3 * DAY)
    assert [prize["cash_alternative"] for prize in shown["prizes"]] == [750_000, None]
    (listed,) = client_of().get("/api/v1/raffles/list").json()["results"]
    assert shown.keys() - listed.keys() == {"conditions", "additions", "free_route", "odds", "share"}


def test_what_is_left_out_has_its_default(mona, body):
    values = body()
    del values["conditions"]
    closes = timezone.now() + timedelta(days=3)
    values |= {"closes_at": closes, "free_route": {"instructions": "Write to us."}}
    made = client_of(mona).post(CREATE, values).json()
    assert (made["conditions"], made["claim_seconds"], made["commit_within_seconds"]) == ("", 14 * DAY, 7 * DAY)
    assert made["free_route"]["until"] == made["closes_at"]


def test_a_draft_loses_its_free_route_and_gets_another(mona, draft):
    address, client = f"/api/v1/raffles/{draft().pk}", client_of(mona)
    assert client.patch(address, {"free_route": None}).json()["free_route"] is None
    changed = client.patch(address, {"free_route": {"instructions": "Send a card."}}).json()
    assert changed["free_route"] == {"instructions": "Send a card.", "until": changed["closes_at"]}
    earlier = (timezone.now() + timedelta(hours=1)).isoformat()
    assert_problem(client.patch(address, {"closes_at": earlier}), 400, "invalid", {"free_route.until"})


FAULTS = [
    ({"conditions": "x" * 50_001}, {"conditions"}),
    ({"conditions": None}, {"conditions"}),
    ({"free_route": "by post"}, {"free_route"}),
    ({"free_route": {}}, {"free_route.instructions"}),
    ({"free_route": {"instructions": " ", "until": "soon"}}, {"free_route.instructions", "free_route.until"}),
    ({"free_route": {"instructions": "x" * 4_001}}, {"free_route.instructions"}),
    ({"free_route": {"instructions": "x", "until": None}}, {"free_route.until"}),
    ({"free_route": {"instructions": "x", "until": "2020-01-01T00:00:00Z"}}, {"free_route.until"}),
    ({"free_route": {"instructions": "x", "until": "2099-01-01T00:00:00Z"}}, {"free_route.until"}),
    ({"free_route": {"instructions": "x", "until": "1969-01-01T00:00:00Z"}}, {"free_route.until"}),
    ({"claim_seconds": DAY - 1}, {"claim_seconds"}),
    ({"claim_seconds": 365 * DAY + 1}, {"claim_seconds"}),
    ({"claim_seconds": "86400"}, {"claim_seconds"}),
    ({"commit_within_seconds": 0}, {"commit_within_seconds"}),
    ({"commit_within_seconds": 899}, {"commit_within_seconds"}),
    ({"commit_within_seconds": 365 * DAY + 1}, {"commit_within_seconds"}),
    ({"delay_seconds": 7 * DAY + 1}, {"delay_seconds"}),
    ({"prizes": [{"name": "A", "cash_alternative": -1}]}, {"prizes.0.cash_alternative"}),
    ({"prizes": [{"name": "A", "cash_alternative": 10**12 + 1}]}, {"prizes.0.cash_alternative"}),
    (
        {"claim_seconds": 1, "delay_seconds": 0, "free_route": {"instructions": ""}},
        {"claim_seconds", "delay_seconds", "free_route.instructions"},
    ),
]


@pytest.mark.parametrize(("change", "fields"), FAULTS, ids=map(str, range(len(FAULTS))))
def test_the_api_names_every_fault(change, fields, mona, body):
    client = client_of(mona)
    with nothing_written():
        answer = client.post(CREATE, body(**{"free_route": None} | change))
    assert_problem(answer, 400, "invalid", fields)


def test_times_lose_their_fractions_wherever_they_are_written(mona, draft, body):
    at = timezone.now().replace(microsecond=999_999)
    raffle = draft(opens_at=at, closes_at=at + timedelta(days=1))
    times = (raffle.opens_at, raffle.closes_at, raffle.free_route_until)
    assert [each.microsecond for each in times] == [0, 0, 0]
    Raffle.objects.filter(pk=raffle.pk).update(closes_at=at + timedelta(days=2))
    raffle.refresh_from_db()
    assert raffle.closes_at == at.replace(microsecond=0) + timedelta(days=2)
    # As whole seconds these are one moment.
    near = {"opens_at": "2030-01-01T00:00:00.1Z", "closes_at": "2030-01-01T00:00:00.9Z", "free_route": None}
    assert_problem(client_of(mona).post(CREATE, body(**near)), 400, "invalid", {"closes_at"})


def test_conditions_are_needed_for_publication(draft):
    assert _faults(draft(conditions=" \n")) == {("conditions", "required")}


def test_publication_names_every_term_that_no_draw_can_keep(draft):
    raffle = draft(capacity=10, alternates=MAX_PICKS - 1, max_per_person=10)
    Prize.objects.filter(raffle=raffle, position=2).update(position=3)
    now = timezone.now()
    Raffle.objects.filter(pk=raffle.pk).update(
        opens_at=now.replace(year=2100),
        closes_at=now.replace(year=2101),
        free_route_until=now.replace(year=2101),
        currency="xxx",
        conditions="",
        commit_within_seconds=899,
    )
    assert _faults(raffle) == {
        ("opens_at", "out_of_range"),
        ("closes_at", "out_of_range"),
        ("free_route.until", "out_of_range"),
        ("prizes", "positions"),
        ("alternates", "too_many_picks"),
        ("currency", "unknown_currency"),
        ("conditions", "required"),
        ("commit_within_seconds", "too_short"),
    }


def test_as_many_picks_as_a_draw_can_make_are_published(draft):
    assert services.publish_raffle(draft(alternates=MAX_PICKS - 2).pk).published_at


@pytest.mark.parametrize(
    ("environment", "chain"), [(DEVELOPMENT, 0), (DEVELOPMENT, 1), (STAGING, 31337), (PRODUCTION, 31337)]
)
def test_only_a_development_chain_draws_at_once_and_only_in_development(environment, chain, draft, settings):
    raffle = draft(delay_seconds=MIN_DELAY - 1, commit_within_seconds=DAY)
    settings.CHAIN_ID, settings.LUXEWIN_ENV = chain, environment
    assert _faults(raffle) == {("delay_seconds", "too_short"), ("commit_within_seconds", "too_short")}
    enough = {"delay_seconds": MIN_DELAY, "commit_within_seconds": DAY + settings.HOLD_SECONDS}
    services.update_raffle(raffle.pk, **enough)
    assert services.publish_raffle(raffle.pk).published_at


def test_publication_asks_for_the_delay_that_the_installation_promises(draft, settings):
    raffle = draft(delay_seconds=60)
    settings.DRAW_DELAY_SECONDS = 61
    assert _faults(raffle) == {("delay_seconds", "too_short")}


WRITES = {
    "conditions": "More.",
    "free_route_instructions": "Do not write.",
    "free_route_until": None,
    "claim_seconds": DAY,
    "commit_within_seconds": 900,
}


@pytest.mark.parametrize("field", WRITES)
def test_the_database_itself_keeps_them_once_published(field, on_sale):
    raffle = on_sale()
    with pytest.raises(IntegrityError, match=r"fixed|raffle_free_route"), transaction.atomic():
        Raffle.objects.filter(pk=raffle.pk).update(**{field: WRITES[field]})


@pytest.mark.parametrize("field", Raffle.TERMS)
def test_the_guard_of_the_database_names_every_term(field, on_sale):
    raffle = on_sale(question="Which is a city?", choices=["Rome", "Po"], answer="Rome")
    shift = {"opens_at": timedelta(seconds=-1), "closes_at": timedelta(1), "free_route_until": timedelta(seconds=1)}
    value = getattr(raffle, field)
    other = {"currency": "eur", "choices": ["Rome", "Oslo"]}.get(field)
    if other is None:
        other = value + (shift.get(field) or (1 if isinstance(value, int) else "x"))
    if field == "max_per_person":
        other = value - 1
    with pytest.raises(IntegrityError, match="terms of a published raffle are fixed"), transaction.atomic():
        Raffle.objects.filter(pk=raffle.pk).update(**{field: other})


CONSTRAINTS = [
    ("raffle_max_per_person", {"max_per_person": 101}),
    ("raffle_free_route", {"free_route_until": None}),
    ("raffle_free_route", {"free_route_instructions": ""}),
    ("raffle_free_route", {"free_route_until": timezone.now() + timedelta(days=9)}),
    ("raffle_free_route", {"free_route_until": timezone.now() - timedelta(days=9)}),
    ("raffle_claim_seconds", {"claim_seconds": DAY - 1}),
    ("raffle_claim_seconds", {"claim_seconds": 365 * DAY + 1}),
    ("raffle_delay_seconds", {"delay_seconds": 7 * DAY + 1}),
    ("raffle_commit_within", {"commit_within_seconds": 365 * DAY + 1}),
]


@pytest.mark.parametrize(("name", "change"), CONSTRAINTS, ids=map(str, range(len(CONSTRAINTS))))
def test_the_database_refuses_terms_that_no_draw_can_keep(name, change, draft):
    raffle = draft()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Raffle.objects.filter(pk=raffle.pk).update(**change)


def test_the_api_names_what_a_published_raffle_keeps(mona, on_sale):
    change = {"conditions": "Other.", "free_route": None, "claim_seconds": DAY, "description": "x"}
    answer = client_of(mona).patch(f"/api/v1/raffles/{on_sale().pk}", change)
    fixed = assert_problem(answer, 409, "terms_fixed")["fields"]
    assert fixed == ["claim_seconds", "conditions", "free_route"]


def test_the_digest_of_agreed_terms_has_them_all(draft):
    raffle = draft()
    before = {words.digest(raffle)}
    raffle.prizes.update(cash_alternative=5)
    before.add(words.digest(raffle))
    for name, value in WRITES.items():
        setattr(raffle, name, value)
        before.add(words.digest(raffle))
    assert len(before) == 2 + len(WRITES)


def test_the_page_of_a_raffle_shows_them(on_sale):
    raffle = on_sale(
        prizes=[{"name": "A watch", "cash_alternative": 400_000}], conditions="Adults only.\n<b>Really.</b>"
    )
    services.add_to_conditions(raffle.pk, text="The box is blue.")
    page = Client().get(f"/raffles/{raffle.slug}").content.decode()
    for said in (
        "or 4,000.00 GBP in cash",
        "Adults only.<br>&lt;b&gt;Really.",
        "Write to us.",
        "Letters count until",
        "14 days",
        "fixed within 7 days after the end of the sale",
        "The box is blue.",
    ):
        assert said in page


def test_the_back_office_writes_them_and_says_what_is_wrong_at_the_field(mona, draft):
    client = Client()
    client.force_login(mona)
    raffle = draft(prizes=[])
    page = f"/admin/raffles/raffle/{raffle.pk}/change/"
    form = client.get(page).context["adminform"].form
    sheet = {name: "" if value is None else value for name, value in form.initial.items()}
    sheet |= {"choices": "", "prizes-TOTAL_FORMS": 0, "prizes-INITIAL_FORMS": 0, "conditions": "One.\r\nTwo."}
    for name in ("opens_at", "closes_at", "free_route_until"):
        at = sheet.pop(name)
        sheet |= {f"{name}_0": f"{at:%Y-%m-%d}", f"{name}_1": f"{at:%H:%M:%S}"}
    sheet["delay_seconds"] = 60
    assert client.post(page, sheet).status_code == 302
    raffle.refresh_from_db()
    assert raffle.conditions == "One.\nTwo."
    wrong = {"free_route_until_0": "", "free_route_until_1": "", "claim_seconds": 5, "delay_seconds": 2_000_000_000}
    errors = client.post(page, sheet | wrong).context["adminform"].form.errors.get_json_data()
    assert {name: each[0]["code"] for name, each in errors.items()} == {
        "free_route_until": "required",
        "claim_seconds": "too_short",
        "delay_seconds": "too_long",
    }
