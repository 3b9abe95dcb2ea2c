"""Delivery of webhooks: signed, once per event and endpoint, tried for three days, never lost."""

import logging
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from accounts import services as people_services
from accounts.models import Notification, RetentionRule
from luxewin.audit.models import AuditEntry
from luxewin.tests.receiving import make_certificate, receiving
from luxewin.webhooks import services
from luxewin.webhooks.events import EventType
from luxewin.webhooks.models import Delivery, Endpoint, Event
from luxewin.webhooks.services import emit
from luxewin.webhooks.tasks import PAUSES, deliver_events, deliver_to_endpoint
from purchases.tests.stage import at_once

pytestmark = pytest.mark.django_db
CLOSED = {"raffle": str(uuid4()), "slug": "a-fine-watch"}


@pytest.fixture
def receiver(settings, tmp_path, monkeypatch):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with receiving(certificate) as made:
        yield made


@pytest.fixture
def endpoint(receiver, mona):
    return _endpoint(receiver.url, mona)


def _endpoint(url, actor, *types):
    return services.create_endpoint(url=url, description="", event_types=list(types or ["raffle.closed"]), actor=actor)


def _emit(count=1):
    emit(EventType.RAFFLE_CLOSED, [(uuid4(), CLOSED) for _ in range(count)])


def _due_now():
    Delivery.objects.filter(status__in=Delivery.OPEN).update(due_at=timezone.now())
    Endpoint.objects.update(claimed_until=None)


def _fail_to_the_end(endpoint):
    for _ in range(len(PAUSES) + 1):
        _due_now()
        deliver_to_endpoint(str(endpoint.pk))


def test_an_event_arrives_signed_with_an_id_of_its_own(receiver, endpoint, run_tasks):
    _emit(2)
    run_tasks()
    assert set(Delivery.objects.values_list("status", "attempts", "response_status")) == {("delivered", 1, 204)}
    (secret,) = services.secrets_of(endpoint)
    assert [each["data"] for each in receiver.verified(secret)] == [CLOSED, CLOSED]
    assert [each["type"] for each in receiver.data()] == ["raffle.closed"] * 2
    assert sorted(receiver.ids) == sorted(f"msg_{key.hex}" for key in Event.objects.values_list("pk", flat=True))
    with pytest.raises(WebhookVerificationError):
        receiver.verified("whsec_" + "A" * 43)


def test_nothing_is_told_of_a_change_that_was_rolled_back(receiver, endpoint, run_tasks):
    with transaction.atomic():
        _emit()
        transaction.set_rollback(True)
    run_tasks()
    assert (Event.objects.count(), receiver.requests) == (0, [])


def test_an_event_is_one_however_often_it_is_told_and_one_delivery_an_endpoint(receiver, endpoint, mona, run_tasks):
    other = _endpoint(f"{receiver.url}/other", mona, "raffle.closed", "raffle.drawn")
    for _ in range(3):
        emit(EventType.RAFFLE_CLOSED, [("x", CLOSED), ("y", CLOSED)])
    emit(EventType.RAFFLE_DRAWN, [("x", CLOSED)])
    run_tasks()
    run_tasks()
    assert Delivery.objects.filter(endpoint=endpoint).count() == 2
    assert Delivery.objects.filter(endpoint=other).count() == 3
    assert len(receiver.requests) == 5


def test_nothing_is_written_that_nobody_wants(receiver, endpoint, mona, django_assert_num_queries):
    services.switch_off_endpoint(endpoint.pk, reason="r", actor=mona)
    with django_assert_num_queries(1):
        emit(EventType.RAFFLE_CLOSED, [(number, CLOSED) for number in range(200)])
    with django_assert_num_queries(0):
        emit(EventType.RAFFLE_CLOSED, [])
    assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)


def test_many_events_are_two_statements(receiver, endpoint, django_assert_num_queries):
    with django_assert_num_queries(2):
        emit(EventType.RAFFLE_CLOSED, [(number, CLOSED) for number in range(200)])
    assert Delivery.objects.count() == 200


@pytest.mark.parametrize("status", [400, 404, 500, 503, 302])
def test_whatever_is_not_taken_is_tried_again_under_the_same_id_after_growing_pauses(status, receiver, endpoint):
    receiver.answer = lambda number: 204 if number == 3 else status
    _emit()
    pauses = []
    for _ in range(3):
        _due_now()
        deliver_to_endpoint(str(endpoint.pk))
        delivery = Delivery.objects.get()
        pauses.append(delivery.due_at - timezone.now())
    assert (delivery.status, delivery.attempts, delivery.error) == ("delivered", 3, "")
    assert len(set(receiver.ids)) == 1
    assert timedelta(minutes=4) < pauses[1] - pauses[0] <= timedelta(minutes=6)


def test_the_attempts_last_three_days():
    assert timedelta(days=3) <= sum(PAUSES, timedelta()) < timedelta(days=3, hours=4)


def test_a_failure_lets_the_endpoint_rest_and_the_others_wait(receiver, endpoint):
    receiver.answer = lambda _: 500
    _emit(3)
    assert deliver_events() == 1
    deliver_to_endpoint(str(endpoint.pk))
    assert len(receiver.requests) == 1
    endpoint.refresh_from_db()
    assert endpoint.failures == 1
    assert endpoint.claimed_until > timezone.now()
    assert deliver_events() == 0


def test_a_worker_that_works_on_an_endpoint_is_the_only_one(receiver, endpoint):
    _emit(3)
    assert deliver_events() == 1
    assert deliver_events() == 0


@pytest.mark.django_db(transaction=True)
def test_tasks_that_run_at_once_send_each_event_once(receiver, endpoint):
    """Because a queue may run a task twice."""
    _emit(20)
    assert at_once(*[lambda: deliver_to_endpoint(str(endpoint.pk))] * 3) == [None] * 3
    assert len(receiver.ids) == len(set(receiver.ids)) == 20
    assert set(Delivery.objects.values_list("status", "attempts")) == {("delivered", 1)}


def test_after_three_days_without_success_it_is_disabled_its_events_wait_and_staff_are_told(
    receiver, endpoint, mona, caplog
):
    receiver.answer = lambda _: 500
    emit(EventType.RAFFLE_CLOSED, [("x", CLOSED)])
    with caplog.at_level(logging.ERROR):
        _fail_to_the_end(endpoint)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts, delivery.error) == ("failed", len(PAUSES) + 1, "it answered 500")
    endpoint.refresh_from_db()
    assert endpoint.status == "disabled"
    alert = Notification.objects.mails().get(kind="webhook_failed")
    assert (alert.user, alert.context["disabled"]) == (mona, True)
    assert AuditEntry.objects.get(action="webhook_endpoint.disabled").after["reason"] == "it answered 500"
    # What happens meanwhile waits, and is sent once it is enabled.
    _emit()
    _due_now()
    assert deliver_events() == 0
    receiver.answer = lambda _: 204
    services.enable_endpoint(endpoint.pk, reason="Repaired.", actor=mona)
    assert deliver_events() == 1
    deliver_to_endpoint(str(endpoint.pk))
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["delivered", "failed"]


def test_an_event_that_an_endpoint_does_not_take_does_not_disable_it_if_it_takes_others(receiver, endpoint, mona):
    receiver.answer = lambda _: 500
    emit(EventType.RAFFLE_CLOSED, [("x", CLOSED)])
    for _ in range(len(PAUSES)):
        _due_now()
        deliver_to_endpoint(str(endpoint.pk))
    Endpoint.objects.update(last_success_at=timezone.now())
    _due_now()
    deliver_to_endpoint(str(endpoint.pk))
    assert (Delivery.objects.get().status, Endpoint.objects.get().status) == ("failed", "active")
    assert Notification.objects.mails().get(kind="webhook_failed").context["disabled"] is False


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(receiver, endpoint, mona):
    receiver.answer = lambda _: 410
    _emit()
    deliver_to_endpoint(str(endpoint.pk))
    assert (Delivery.objects.get().status, Endpoint.objects.get().status) == ("failed", "disabled")


def test_what_was_on_its_way_when_the_worker_died_is_sent_again_with_its_id(receiver, endpoint):
    _emit()
    Delivery.objects.update(status="sent", attempts=1, due_at=timezone.now() - timedelta(seconds=1))
    assert deliver_events() == 1
    deliver_to_endpoint(str(endpoint.pk))
    assert (Delivery.objects.get().status, Delivery.objects.get().attempts) == ("delivered", 2)


def test_for_a_day_the_earlier_secret_signs_too(receiver, endpoint, mona):
    (old,) = services.secrets_of(endpoint)
    endpoint = services.rotate_secret(endpoint.pk, reason="A leak.", actor=mona)
    new = services.secrets_of(endpoint)[0]
    assert old != new
    _emit()
    deliver_to_endpoint(str(endpoint.pk))
    receiver.verified(old)
    receiver.verified(new)
    Endpoint.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    receiver.requests.clear()
    _emit()
    deliver_to_endpoint(str(endpoint.pk))
    receiver.verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(old)
    assert AuditEntry.objects.get(action="webhook_endpoint.secret_rotated").after == {"reason": "A leak."}


def test_secrets_are_encrypted_and_another_endpoint_s_does_not_open(receiver, endpoint, mona):
    (secret,) = services.secrets_of(endpoint)
    assert secret.startswith("whsec_")
    assert secret.removeprefix("whsec_") not in endpoint.secret
    other = _endpoint(receiver.url, mona)
    Endpoint.objects.filter(pk=other.pk).update(secret=endpoint.secret)
    other.refresh_from_db()
    with pytest.raises(ValueError, match="opens this secret"):
        services.secrets_of(other)


def test_nothing_is_sent_unsigned_and_a_secret_that_cannot_be_read_is_a_failure_like_any_other(receiver, endpoint):
    Endpoint.objects.update(secret="AAAA")
    _emit()
    deliver_to_endpoint(str(endpoint.pk))
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.attempts, receiver.requests) == ("queued", 1, [])
    assert "its signing secret cannot be read" in delivery.error


@pytest.mark.parametrize("status", ["delivered", "failed", "suppressed"])
def test_an_event_is_sent_again_under_its_id(status, receiver, endpoint, sam):
    _emit()
    deliver_to_endpoint(str(endpoint.pk))
    Delivery.objects.update(status=status)
    delivery = services.replay(Delivery.objects.get().pk, reason="They lost it.", actor=sam)
    deliver_to_endpoint(str(endpoint.pk))
    assert Delivery.objects.get().status == "delivered"
    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1
    row = AuditEntry.objects.get(action="webhook_delivery.replayed")
    assert (row.actor, row.subject_id, row.after["reason"]) == (sam.pk, str(delivery.pk), "They lost it.")


def test_what_is_under_way_is_not_sent_again_nor_anything_to_an_endpoint_that_is_off(receiver, endpoint, mona):
    _emit()
    with pytest.raises(services.DeliveryUnderWay):
        services.replay(Delivery.objects.get().pk, reason="r", actor=mona)
    services.switch_off_endpoint(endpoint.pk, reason="r", actor=mona)
    assert Delivery.objects.get().status == "suppressed"
    with pytest.raises(services.EndpointOff):
        services.replay(Delivery.objects.get().pk, reason="r", actor=mona)


def test_old_events_go_with_their_log_and_none_that_is_under_way(receiver, endpoint):
    _emit(3)
    deliver_to_endpoint(str(endpoint.pk))
    days = RetentionRule.objects.get(pk="webhook_events").keep_days
    waiting, fresh, _ = Event.objects.all()
    Event.objects.exclude(pk=fresh.pk).update(created_at=timezone.now() - timedelta(days=days + 1))
    Delivery.objects.filter(event=waiting).update(status="queued")
    assert people_services.apply_rule("webhook_events") == 1
    assert set(Event.objects.all()) == {waiting, fresh}
    assert Delivery.objects.count() == 2
