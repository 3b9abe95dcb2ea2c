"""Publishing fixes the terms, in code and in the database."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from raffles import services
from raffles.errors import TermsFixed, WrongPhase
from raffles.models import Raffle


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
