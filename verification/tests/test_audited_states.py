"""Every move of a raffle and of its draw is in the audit with what was before and after."""

import pytest
from django.apps import apps

from luxewin.audit.models import AuditEntry
from luxewin.tests.watching import STATES, UNWATCHED, Watch
from purchases.tests.stage import seated
from raffles import services as raffle_services
from raffles.models import Raffle
from verification import services
from verification.models import Draw
from verification.tests.drawing import advance_to, committed

APPS = {"accounts", "audit", "tasks", "raffles", "purchases", "verification"}


def test_every_model_with_a_state_is_watched_or_has_a_reason_not_to_be():
    stateful = {
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in APPS
        and any(field.name in {"status", "state"} for field in model._meta.concrete_fields)
    }
    watched = set(STATES)
    assert watched <= stateful
    assert stateful - watched <= set(UNWATCHED)


@pytest.mark.django_db
def test_a_raffle_from_its_draft_to_its_winners(terms, mona, people):
    watch = Watch()
    raffle = raffle_services.create_raffle(**terms(), actor=mona)
    raffle_services.publish_raffle(raffle.pk, actor=mona)
    for buyer in people(2):
        seated(buyer, raffle)
    raffle.refresh_from_db()
    committed(raffle)
    advance_to(raffle, Draw.State.DRAWN)
    # Their money was left out.
    watch.check("raffle", "draw", "purchase")
    seen = watch.seen()
    assert seen["raffle", str(raffle.pk)] == [(None, "draft"), ("draft", "published")]
    assert [after for _, after in seen["draw", str(raffle.pk)]] == [
        "promised",
        "announced",
        "frozen",
        "committed",
        "drawn",
    ]
    assert AuditEntry.objects.filter(action="raffle.closed", subject_id=str(raffle.pk)).count() == 1


@pytest.mark.django_db
def test_a_raffle_cancelled_with_its_draw(on_sale, mona):
    watch = Watch()
    raffle = on_sale()
    raffle_services.cancel_raffle(raffle.pk, reason="Stolen.", actor=mona)
    services.advance_draw(raffle.pk)
    watch.check()
    assert watch.seen()["draw", str(raffle.pk)][-1][1] == "void"


@pytest.mark.django_db
def test_a_draft_that_is_deleted_leaves_its_row(draft, mona):
    raffle = draft()
    key = str(raffle.pk)
    raffle_services.delete_raffle(raffle.pk, actor=mona)
    entry = AuditEntry.objects.get(action="raffle.deleted")
    assert (entry.subject_id, entry.actor, entry.before["status"]) == (key, mona.pk, "draft")
    assert not Raffle.objects.exists()
