"""Publishing fixes the terms, in code and in the database."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from raffles import services
from raffles.errors import TermsFixed, WrongPhase
from raffles.models import Prize, Raffle, TicketCounter
from raffles.tests.test_closing import let_time_pass


def test_a_published_raffle_is_counted_promised_and_audited(on_sale, mona):
    raffle = on_sale(capacity=7)
    assert (raffle.counter.capacity, raffle.counter.sold, raffle.counter.held) == (7, 0, 0)
    assert raffle.draw.sequence == 1
    assert AuditEntry.objects.filter(action="raffle.published", subject_id=str(raffle.pk)).count() == 1


def test_a_draft_that_cannot_be_sold_names_every_fault(draft):
    raffle = draft(closes_at=timezone.now() - timedelta(seconds=1), capacity=1)
    with pytest.raises(InvalidInput) as refusal:
        services.publish_raffle(raffle.pk)
    assert {fault["code"] for fault in refusal.value.data["errors"]} == {"in_the_past", "too_small"}
    raffle.refresh_from_db()
    assert raffle.status == Raffle.Status.DRAFT


def test_a_raffle_is_published_once(on_sale):
    with pytest.raises(WrongPhase):
        services.publish_raffle(on_sale().pk)


def test_draw_numbers_have_no_gap_although_a_publication_fails(draft, on_sale):
    first = on_sale()
    with pytest.raises(InvalidInput):
        services.publish_raffle(draft(capacity=1).pk)
    second = on_sale()
    assert (first.draw.sequence, second.draw.sequence) == (1, 2)


def test_terms_are_refused_by_name_once_published(on_sale):
    with pytest.raises(TermsFixed) as refusal:
        services.update_raffle(on_sale().pk, ticket_price=1, title="Another", description="free to change")
    assert refusal.value.data["fields"] == ["ticket_price", "title"]


@pytest.mark.parametrize(
    "change", [{"ticket_price": 1}, {"capacity": 1000}, {"closes_at": timezone.now()}, {"status": "draft"}]
)
def test_the_database_itself_keeps_the_terms(on_sale, change):
    raffle = on_sale()
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        Raffle.objects.filter(pk=raffle.pk).update(**change)


def test_the_database_itself_keeps_the_prizes_and_the_manifest(on_sale):
    raffle = on_sale()
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        raffle.prizes.update(name="A lesser watch")
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        type(raffle.draw).objects.filter(pk=raffle.pk).update(manifest="{}")


def test_the_database_itself_keeps_the_audit(on_sale):
    on_sale()
    for change in (lambda rows: rows.delete(), lambda rows: rows.update(action="nothing")):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change(AuditEntry.objects.all())


def test_no_prize_leaves_a_published_raffle_by_moving_to_a_draft(on_sale, draft):
    prize, other = on_sale().prizes.first(), draft(prizes=[])
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        Prize.objects.filter(pk=prize.pk).update(raffle=other)
    own = draft().prizes.last()
    Prize.objects.filter(pk=own.pk).update(raffle=other)
    with pytest.raises(IntegrityError, match="fixed"), transaction.atomic():
        Prize.objects.filter(pk=own.pk).update(raffle=prize.raffle, position=9)


@pytest.mark.parametrize("closed_at", [None, timezone.now()])
def test_the_time_of_the_closing_is_fixed(on_sale, closed_at):
    raffle = on_sale()
    let_time_pass(raffle)
    assert services.close_raffle(raffle.pk)
    for _ in range(2):
        with pytest.raises(IntegrityError, match="closing is fixed"), transaction.atomic():
            Raffle.objects.filter(pk=raffle.pk).update(closed_at=closed_at)
        services.mark_frozen(raffle.pk)


def test_no_closing_is_written_into_a_frozen_raffle(on_sale):
    raffle = on_sale()
    services.mark_frozen(raffle.pk)
    with pytest.raises(IntegrityError, match="closing is fixed"), transaction.atomic():
        Raffle.objects.filter(pk=raffle.pk).update(closed_at=timezone.now())


def test_time_and_reason_of_a_cancellation_are_fixed(on_sale):
    raffle = services.cancel_raffle(on_sale().pk, reason="The watch\u2028was stolen.")
    assert raffle.cancel_reason == "The watch was stolen."
    for change in ({"cancel_reason": "Another"}, {"cancelled_at": timezone.now()}):
        with pytest.raises(IntegrityError, match="cancellation are fixed"), transaction.atomic():
            Raffle.objects.filter(pk=raffle.pk).update(**change)


@pytest.mark.parametrize("change", [{"capacity": 101}, {"capacity": 99}])
def test_the_capacity_of_the_counter_is_fixed(on_sale, change):
    raffle = on_sale(capacity=100)
    counters = TicketCounter.objects.filter(pk=raffle.pk)
    with pytest.raises(IntegrityError, match="capacity"), transaction.atomic():
        counters.update(**change)
    assert counters.update(capacity=100, held=3, sold=4)


def test_the_counter_is_kept(on_sale):
    counters = TicketCounter.objects.filter(pk=on_sale().pk)
    with pytest.raises(IntegrityError, match="counter of a raffle is kept"), transaction.atomic():
        counters.delete()


@pytest.mark.parametrize("change", [{"sold": 5}, {"sold": 3}, {"postal": 2}])
def test_nothing_is_sold_of_a_frozen_raffle(on_sale, change):
    raffle = on_sale(capacity=100)
    counters = TicketCounter.objects.filter(pk=raffle.pk)
    counters.update(sold=4, postal=1)
    services.mark_frozen(raffle.pk)
    with pytest.raises(IntegrityError, match="entries of this raffle are frozen"), transaction.atomic():
        counters.update(**change)
    assert counters.update(held=0, sold=4, postal=1)
