"""Writing raffles over the API: create, change, publish, cancel; ids and slugs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from raffles.models import Raffle
from verification.models import Draw

CREATE = "/api/v1/raffles/create"


@pytest.fixture
def body(terms):
    """What `raffles/create` takes."""

    def make(**changes: Any) -> dict[str, Any]:
        values = terms(**{"delay_seconds": 60, "max_per_person": 50, "free_route": None} | changes)
        return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}

    return make


def test_a_manager_writes_publishes_and_cancels(mona, body):
    client = client_of(mona)
    made = client.post(CREATE, body(image_url="https://example.com/watch.jpg", min_tickets=5))
    assert made.status_code == 201, made.content
    raffle = made.json()
    assert (raffle["phase"], raffle["slug"], raffle["tickets"]) == ("draft", "a-fine-watch", None)
    assert [(prize["position"], prize["name"]) for prize in raffle["prizes"]] == [(1, "The watch"), (2, "Its box")]
    changed = client.patch(f"/api/v1/raffles/{raffle['id']}", {"ticket_price": 700, "prizes": [{"name": "Only this"}]})
    assert (changed.json()["ticket_price"], len(changed.json()["prizes"])) == (700, 1)
    published = client.post(f"/api/v1/raffles/{raffle['slug']}/publish").json()
    assert (published["phase"], published["tickets"]["left"]) == ("open", 100)
    cancelled = client.post(f"/api/v1/raffles/{raffle['id']}/cancel", {"reason": "The watch was stolen."}).json()
    assert (cancelled["phase"], cancelled["cancel_reason"]) == ("cancelled", "The watch was stolen.")
    audit = AuditEntry.objects.filter(subject_id=raffle["id"], subject_type="raffle").order_by("id")
    assert [entry.action for entry in audit] == [
        "raffle.created",
        "raffle.updated",
        "raffle.published",
        "raffle.cancelled",
    ]
    assert {entry.actor for entry in audit} == {mona.pk}


def test_a_raffle_is_found_by_id_in_any_writing_and_by_slug(on_sale):
    raffle = on_sale(slug="fine-watch")
    for name in (raffle.pk, str(raffle.pk).upper(), raffle.pk.hex, "fine-watch"):
        assert client_of().get(f"/api/v1/raffles/{name}").json()["id"] == str(raffle.pk)
    assert_problem(client_of().get("/api/v1/raffles/FINE-watch"), 404)


def test_titles_give_free_slugs(mona, body):
    client = client_of(mona)
    slugs = [
        client.post(CREATE, body(title=title)).json()["slug"]
        for title in ("Été!", "Été!", "Été!", "💎", "List", "create")
    ]
    assert slugs == ["ete", "ete-2", "ete-3", "raffle", "list-2", "create-2"]
    for slug in slugs:
        assert client.get(f"/api/v1/raffles/{slug}").json()["slug"] == slug


TITLES = {
    "Часы «Полёт»": "chasy-polet",
    "手表": "shoubiao",
    "Ρολόι": "roloi",
    "시계": "sigye",
    "€ 💎 5": "5",
    "00000000-0000-7000-8000-000000000000": "00000000-0000-7000-8000-000000000000-2",
    "💎": "raffle",
}


@pytest.mark.parametrize("title", TITLES)
def test_titles_of_any_script_give_slugs_that_can_be_read(title, mona, body):
    assert client_of(mona).post(CREATE, body(title=title)).json()["slug"] == TITLES[title]


FAULTS = [
    ({"slug": "list"}, {"slug"}),
    ({"slug": "create"}, {"slug"}),
    ({"slug": "with space"}, {"slug"}),
    ({"slug": "x" * 81}, {"slug"}),
    ({"slug": "00000000-0000-7000-8000-000000000000"}, {"slug"}),
    ({"slug": "deadbeefdeadbeefdeadbeefdeadbeef"}, {"slug"}),
    ({"title": "x" * 121}, {"title"}),
    ({"category": "ship"}, {"category"}),
    ({"image_url": "javascript:alert(1)"}, {"image_url"}),
    ({"ticket_price": 0}, {"ticket_price"}),
    ({"ticket_price": 100_000_001}, {"ticket_price"}),
    ({"ticket_price": "500"}, {"ticket_price"}),
    ({"ticket_price": 5.0}, {"ticket_price"}),
    ({"ticket_price": True}, {"ticket_price"}),
    ({"currency": "xxz"}, {"currency"}),
    ({"currency": "£"}, {"currency"}),
    ({"capacity": 0}, {"capacity"}),
    ({"capacity": 10**30}, {"capacity"}),
    ({"max_per_person": 101}, {"max_per_person"}),
    ({"min_tickets": 101, "max_per_person": 101}, {"min_tickets", "max_per_person"}),
    ({"alternates": -1}, {"alternates"}),
    ({"delay_seconds": 0}, {"delay_seconds"}),
    ({"delay_seconds": 10**9}, {"delay_seconds"}),
    ({"opens_at": "tomorrow"}, {"opens_at"}),
    ({"closes_at": "9999-12-31T23:59:59-14:00"}, {"closes_at"}),
    ({"closes_at": "2020-01-01T00:00:00Z"}, {"closes_at"}),
    ({"prizes": []}, {"prizes"}),
    ({"prizes": [{}]}, {"prizes.0.name"}),
    ({"prizes": ["A watch"]}, {"prizes.0"}),
    ({"prizes": [{"name": "A"}, {"name": "B", "retail_value": "1"}]}, {"prizes.1.retail_value"}),
    ({"prizes": [{"name": "A"}] * 51}, {"prizes"}),
    ({"title": "", "currency": "q", "capacity": -1, "prizes": 5}, {"title", "currency", "capacity", "prizes"}),
]


@pytest.mark.parametrize(("change", "fields"), FAULTS, ids=lambda value: str(sorted(value))[:60])
def test_every_fault_of_a_draft_is_named_and_nothing_is_written(change, fields, mona, body):
    client = client_of(mona)
    with nothing_written():
        response = client.post(CREATE, body(**change))
    assert_problem(response, 400, "invalid", fields)


def test_a_slug_is_given_once(mona, body, draft):
    draft(slug="taken")
    other, client = draft(slug="other"), client_of(mona)
    with nothing_written():
        assert_problem(client.post(CREATE, body(slug="taken")), 400, "invalid", {"slug"})
        assert_problem(client.patch(f"/api/v1/raffles/{other.pk}", {"slug": "taken"}), 400, "invalid", {"slug"})
    assert client.patch(f"/api/v1/raffles/{other.pk}", {"slug": "other"}).status_code == 200


@pytest.mark.parametrize("change", [{"closes_at": "2020-01-01T00:00:00Z"}, {"capacity": 10}, {"min_tickets": 200}])
def test_a_change_is_checked_together_with_what_stays(change, mona, draft):
    raffle = draft()
    assert_problem(client_of(mona).patch(f"/api/v1/raffles/{raffle.pk}", change), 400, "invalid")


def test_a_change_of_nothing_is_not_audited(mona, draft):
    raffle = draft()
    assert client_of(mona).patch(f"/api/v1/raffles/{raffle.pk}", {}).status_code == 200
    assert not AuditEntry.objects.filter(action="raffle.updated").exists()


@pytest.mark.parametrize(
    "field", ["status", "published_at", "closed_at", "drawn_at", "id", "cancelled_at", "phase", "tickets"]
)
def test_what_is_not_the_manager_s_cannot_be_written(field, mona, draft):
    raffle = draft()
    client_of(mona).patch(f"/api/v1/raffles/{raffle.pk}", {field: "published"})
    raffle.refresh_from_db()
    assert (raffle.status, raffle.published_at) == ("draft", None)


def test_a_published_raffle_keeps_its_terms_and_only_its_description_changes(mona, on_sale):
    raffle, client = on_sale(), client_of(mona)
    refusal = client.patch(
        f"/api/v1/raffles/{raffle.pk}", {"ticket_price": 600, "prizes": [{"name": "B"}], "description": "x"}
    )
    assert assert_problem(refusal, 409, "terms_fixed")["fields"] == ["ticket_price", "prizes"]
    assert client.patch(f"/api/v1/raffles/{raffle.pk}", {"description": "x"}).json()["description"] == "x"


def test_publishing_what_cannot_be_sold_names_every_fault(mona, draft):
    raffle = draft(closes_at=timezone.now() - timedelta(seconds=1), capacity=1)
    response = client_of(mona).post(f"/api/v1/raffles/{raffle.pk}/publish")
    assert_problem(response, 400, "invalid", {"closes_at", "capacity"})


@pytest.mark.parametrize(("action", "body"), [("publish", {}), ("cancel", {"reason": "A fire."})])
def test_what_was_done_is_not_done_again(action, body, mona, on_sale):
    raffle, client = on_sale(), client_of(mona)
    if action == "cancel":
        client.post(f"/api/v1/raffles/{raffle.pk}/cancel", {"reason": "A flood."})
    with nothing_written():
        assert_problem(client.post(f"/api/v1/raffles/{raffle.pk}/{action}", body), 409, "wrong_phase")


def test_a_frozen_raffle_cannot_be_cancelled(mona, on_sale):
    raffle = on_sale()
    Raffle.objects.filter(pk=raffle.pk).update(frozen_at=timezone.now())
    response = client_of(mona).post(f"/api/v1/raffles/{raffle.pk}/cancel", {"reason": "I do not like the winner."})
    assert_problem(response, 409, "wrong_phase")


def test_a_draft_is_not_cancelled_into_the_public(mona, draft):
    raffle, client = draft(), client_of(mona)
    assert_problem(client.post(f"/api/v1/raffles/{raffle.pk}/cancel", {"reason": "No."}), 409, "wrong_phase")
    assert client_of().get("/api/v1/raffles/list").json()["results"] == []
    assert Draw.objects.count() == 0


@pytest.mark.parametrize("reason", ["", " ", "x" * 201, None, 5.5, ["a"]])
def test_a_cancellation_needs_a_reason(reason, mona, on_sale):
    response = client_of(mona).post(f"/api/v1/raffles/{on_sale().pk}/cancel", {"reason": reason})
    assert_problem(response, 400, "invalid", {"reason"})


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\r", "\u202e"])
def test_text_that_is_no_line_is_refused_at_its_field(mona, body, odd):
    text = f"A{odd}watch"
    question = {"question": text, "choices": [text, "No"], "answer": text}
    answer = client_of(mona).post(CREATE, body(title=text, prizes=[{"name": text}], **question))
    faults = {fault["field"] for fault in answer.json()["errors"] if fault["code"] == "odd_character"}
    assert faults == {"title", "question", "choices.0", "answer", "prizes.0.name"}
    assert not Raffle.objects.exists()


@pytest.mark.parametrize("time", ["2030-12-01T09:00:00", "2030-12-01", "2030-12-01 09:00"])
def test_a_time_needs_its_offset(mona, body, time):
    answer = client_of(mona).post(CREATE, body(opens_at=time, closes_at=time))
    faults = {(fault["field"], fault["code"]) for fault in answer.json()["errors"]}
    assert faults == {("opens_at", "no_offset"), ("closes_at", "no_offset")}
    assert not Raffle.objects.exists()


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z"])
def test_a_time_lies_in_years_that_can_be_counted_with(mona, body, time):
    answer = client_of(mona).post(CREATE, body(opens_at=time))
    assert {fault["field"] for fault in answer.json()["errors"]} == {"opens_at"} | (
        {"closes_at"} if time.startswith("21") else set()
    )


def test_a_time_is_stored_as_the_moment_that_its_offset_makes(mona, body):
    made = client_of(mona).post(CREATE, body(closes_at="2030-12-01T09:00:00+01:00"))
    assert made.json()["closes_at"] == "2030-12-01T08:00:00Z"
