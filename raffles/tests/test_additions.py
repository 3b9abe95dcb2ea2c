"""Conditions of a published raffle are only added to: in public, with a date, and for good."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from luxewin.api.problems import InvalidInput
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import client_of, nothing_written
from raffles import services
from raffles.errors import WrongPhase
from raffles.models import TermsAddition

RAFFLES = "/admin/raffles/raffle/"


def test_additions_are_public_dated_and_audited(on_sale, mona):
    raffle = on_sale()
    services.add_to_conditions(raffle.pk, text=" The box is blue.\r\nSo is the strap. ", actor=mona)
    services.add_to_conditions(raffle.pk, text="It ticks.", actor=mona)
    shown = client_of().get(f"/api/v1/raffles/{raffle.pk}").json()
    assert [each["text"] for each in shown["additions"]] == ["The box is blue.\nSo is the strap.", "It ticks."]
    assert shown["conditions"] == "Adults only."
    assert abs(timezone.now() - TermsAddition.objects.first().published_at) < timedelta(minutes=1)
    entries = AuditEntry.objects.filter(action="raffle.conditions_added", subject_id=str(raffle.pk)).order_by("id")
    assert [entry.after["text"] for entry in entries] == [each["text"] for each in shown["additions"]]
    assert {entry.actor for entry in entries} == {mona.pk}


@pytest.mark.parametrize("text", ["", " \r\n", "x" * 4_001])
def test_a_text_that_says_nothing_or_too_much_is_refused(text, on_sale):
    raffle = on_sale()
    with nothing_written(), pytest.raises(InvalidInput) as refusal:
        services.add_to_conditions(raffle.pk, text=text)
    assert [fault["field"] for fault in refusal.value.data["errors"]] == ["text"]


def test_drafts_are_changed_instead_and_cancelled_raffles_are_over(draft, on_sale):
    cancelled = services.cancel_raffle(on_sale().pk, reason="A flood.")
    for raffle in (draft(), cancelled):
        with nothing_written(), pytest.raises(WrongPhase):
            services.add_to_conditions(raffle.pk, text="More.")


def test_the_database_itself_dates_them_and_keeps_them(draft, on_sale):
    raffle = on_sale()
    addition = TermsAddition.objects.create(
        raffle=raffle, text="More.", published_at=timezone.now() - timedelta(days=9)
    )
    addition.refresh_from_db()
    assert timezone.now() - addition.published_at < timedelta(minutes=1)
    rows = TermsAddition.objects.filter(pk=addition.pk)
    for change in (lambda: rows.update(text="Less."), lambda: rows.update(published_at=timezone.now()), rows.delete):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE raffles_termsaddition")
    with pytest.raises(IntegrityError, match="only a published raffle"), transaction.atomic():
        TermsAddition.objects.create(raffle=draft(slug="other"), text="More.")


def test_the_back_office_asks_for_the_text_and_adds_it(on_sale, draft, mona):
    client = Client()
    client.force_login(mona)
    raffle, other = on_sale(), draft(slug="other")
    chosen = {"action": "add_to_conditions", "_selected_action": [str(raffle.pk), str(other.pk)]}
    for asked in (chosen, chosen | {"confirmed": "1", "text": " "}):
        page = client.post(RAFFLES, asked).content.decode()
        assert "mailed to everyone with tickets" in page
        assert str(raffle.pk) in page
    assert not TermsAddition.objects.exists()
    told = client.post(RAFFLES, chosen | {"confirmed": "1", "text": "It ticks."}, follow=True).content.decode()
    assert "Everyone with tickets is being mailed." in told
    assert "Not done" in told
    assert [each.raffle_id for each in TermsAddition.objects.all()] == [raffle.pk]
    assert "It ticks." in client.get(f"{RAFFLES}{raffle.pk}/change/").content.decode()


def test_only_people_who_publish_raffles_add_to_them(on_sale, sam):
    client = Client()
    client.force_login(sam)
    raffle = on_sale()
    chosen = {"action": "add_to_conditions", "_selected_action": [str(raffle.pk)], "confirmed": "1", "text": "More."}
    client.post(RAFFLES, chosen, follow=True)
    assert not TermsAddition.objects.exists()
