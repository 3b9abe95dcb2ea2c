"""The door for Stripe's events: only what Stripe signed comes in, and each event counts once."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from djstripe.models import Event, WebhookEndpoint, WebhookEventTrigger

from luxewin.tests.asking import assert_problem, client_of, nothing_written
from purchases import gateway, services
from purchases.models import Payment, Purchase, SetAsideEvent, StripeNotice
from purchases.tests.stage import at_once


@pytest.fixture
def endpoint(db) -> WebhookEndpoint:
    """Our endpoint, as registered at Stripe; nobody listens there."""
    return gateway.register_webhook("http://127.0.0.1:9")


@pytest.fixture
def payment(alice, on_sale) -> Payment:
    """Alice's, waiting for money."""
    purchase = Purchase.objects.create(
        raffle=on_sale(),
        buyer=alice,
        quantity=1,
        amount=500,
        currency="gbp",
        idempotency_key="k",
        request_digest=b"d",
        expires_at=timezone.now(),
    )
    return Payment.objects.create(purchase=purchase, intent_id="pi_test")


def _event(**changes: Any) -> dict[str, Any]:
    made = {"id": "pi_test", "object": "payment_intent", "status": "succeeded"}
    facts = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "api_version": "2026-05-27.dahlia",
        "created": 1_790_000_000,
        "pending_webhooks": 1,
        "request": None,
        "data": {"object": made},
    }
    return facts | changes


def _send(
    endpoint: WebhookEndpoint, body: bytes | str, *, signature: str | None = None, uuid: Any = None, **headers: str
) -> Any:
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    signature = (
        stripe.WebhookSignature.generate_signature_header(text, endpoint.secret) if signature is None else signature
    )
    headers = ({"Stripe-Signature": signature} if signature else {}) | headers
    path = f"/api/v1/webhooks/stripe/{uuid or endpoint.djstripe_uuid}"
    return client_of().generic("POST", path, body, content_type="application/json", headers=headers)


def test_a_signed_event_is_stored_and_acted_on_once_however_often_it_comes(endpoint, payment):
    body = json.dumps(_event())
    for _ in range(3):
        assert _send(endpoint, body).status_code == 200
    assert Event.objects.count() == 1
    tasks = [queued.task for queued in OrmQ.objects.all()]
    assert [task["args"] for task in tasks if task["func"] == "purchases.tasks.sync_object"] == [(payment.intent_id,)]
    assert list(StripeNotice.objects.values_list("object_id", "about")) == [(payment.intent_id, "payment_intent")]


@pytest.mark.django_db(transaction=True)
def test_delivered_by_six_at_the_same_moment_it_is_acted_on_once(endpoint, payment, monkeypatch):
    body, create = json.dumps(_event()), Event._create_from_stripe_object

    def late(*arguments: Any, **options: Any) -> Any:
        # All have looked whether it is stored before the first has stored it.
        time.sleep(0.2)
        return create(*arguments, **options)

    monkeypatch.setattr(Event, "_create_from_stripe_object", late)
    answers = at_once(*[lambda: _send(endpoint, body).status_code] * 3, *[lambda: gateway.store_event(_sent(body))] * 3)
    assert answers == [200] * 3 + [None] * 3
    assert Event.objects.count() == 1
    assert [queued.task["func"] for queued in OrmQ.objects.all()].count("purchases.tasks.sync_object") == 1


def _sent(body: str) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(body)
    return sent


def test_two_events_are_two(endpoint, payment):
    for _ in range(2):
        assert _send(endpoint, json.dumps(_event())).status_code == 200
    assert Event.objects.count() == 2


def test_an_event_about_a_payment_that_is_not_ours_is_stored_and_starts_nothing(endpoint):
    before = OrmQ.objects.count()
    assert _send(endpoint, json.dumps(_event())).status_code == 200
    assert (Event.objects.count(), OrmQ.objects.count()) == (1, before)


BODIES = {
    "number": b"5",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "nothing": b"",
    "cut off": b'{"id": "evt_1"',
    "no JSON": b"id=evt_1",
    "NUL byte": b'{"id": "a\x00"}',
    "NUL escape alone": b'{"id": "a\\u0000"}',
    "not UTF-8": b'{"id": "\xff"}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "empty object": b"{}",
    "without data": b'{"id": "evt_1", "type": "a", "livemode": false}',
    "wrong types": b'{"id": 1, "type": [], "data": 5, "livemode": "no"}',
}


@pytest.mark.parametrize("kind", BODIES)
def test_what_is_no_event_is_refused_even_when_signed(kind, endpoint):
    with nothing_written():
        assert_problem(_send(endpoint, BODIES[kind]), 400, "not_an_event")


SIGNATURES = [
    "t=1,v1=00",
    "x",
    "t=x,v1=00",
    "v1=",
    ",,,",
    "t=1,v1=ä",
    "t=99999999999,v1=00",
    "t=1",
    "\x7f",
    "t=1,v1=" + "0" * 5000,
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_wrong_signature_is_refused_and_leaves_no_row(signature, endpoint):
    with nothing_written():
        assert_problem(_send(endpoint, json.dumps(_event()), signature=signature), 400, "wrong_signature")


def test_an_event_without_a_signature_is_refused(endpoint):
    with nothing_written():
        assert_problem(_send(endpoint, json.dumps(_event()), signature=""), 400, "not_signed")


def test_the_signature_of_another_body_is_refused(endpoint):
    signature = stripe.WebhookSignature.generate_signature_header(json.dumps(_event()), endpoint.secret)
    with nothing_written():
        assert_problem(_send(endpoint, json.dumps(_event()), signature=signature), 400, "wrong_signature")


def test_an_old_signature_is_refused(endpoint):
    body = json.dumps(_event())
    signature = stripe.WebhookSignature.generate_signature_header(body, endpoint.secret, timestamp=1_700_000_000)
    with nothing_written():
        assert_problem(_send(endpoint, body, signature=signature), 400, "wrong_signature")


@pytest.mark.parametrize(("ahead", "status"), [(290, 200), (400, 400), (10**9, 400)])
def test_a_signature_from_the_future_is_refused(ahead, status, endpoint):
    body = json.dumps(_event())
    later = int(time.time()) + ahead
    signature = stripe.WebhookSignature.generate_signature_header(body, endpoint.secret, timestamp=later)
    assert _send(endpoint, body, signature=signature).status_code == status


NOT_OURS = {
    "a customer": {"type": "customer.updated", "data": {"object": {"id": "cus_1", "object": "customer"}}},
    "a deleted customer": {"type": "customer.deleted", "data": {"object": {"id": "cus_1", "object": "customer"}}},
    "a checkout": {"type": "checkout.session.completed", "data": {"object": {"id": "cs_1", "customer": None}}},
    "an account": {"type": "account.updated", "data": {"object": {"id": "acct_1", "object": "account"}}},
    "a charge": {"type": "charge.succeeded", "data": {"object": {"id": "ch_1", "object": "charge"}}},
    "a type nobody knows": {"type": "moon.risen", "data": {"object": {"id": "moon_1"}}},
    "a connected account's": {"account": "acct_other"},
    "a connected account's, live": {"account": "acct_other", "livemode": True},
    "no object": {"data": {"object": None}},
    "nothing": {"data": {}},
    "an object without an id": {"data": {"object": {"object": "payment_intent"}}},
    "a list": {"data": {"object": []}},
    "a thin one": {
        "object": "v2.core.event",
        "type": "v1.billing.meter.no_meter_found",
        "data": None,
        "livemode": None,
    },
}


@pytest.mark.parametrize("kind", NOT_OURS)
def test_what_we_did_not_ask_for_is_acknowledged_and_set_aside(kind, endpoint, monkeypatch):
    monkeypatch.setattr(stripe.default_http_client, "request_with_retries", lambda *_, **__: 1 / 0)
    before, event = OrmQ.objects.count(), _event(**NOT_OURS[kind])
    for _ in range(2):
        assert _send(endpoint, json.dumps(event)).status_code == 200
    kept = SetAsideEvent.objects.get()
    assert (kept.event_id, kept.type, kept.account) == (event["id"], event["type"], event.get("account", ""))
    assert (Event.objects.count(), OrmQ.objects.count()) == (0, before)


HALF = "\ud83d"
INTENT = {"id": "pi_test", "object": "payment_intent"}


def _deep(levels: int) -> dict[str, Any]:
    return {"a": _deep(levels - 1)} if levels else {}


def _about(**more: Any) -> dict[str, Any]:
    return {"data": {"object": INTENT | more}}


# Odd beside what we read: each still has its effect.
ODD: dict[str, dict[str, Any]] = {
    "half a character in a text": _about(description=f"x{HALF}"),
    "half a character in a name": _about(**{HALF: 1}),
    "half a character in the metadata": _about(metadata={"payment": HALF}),
    "half a character in what changed": {"data": {"object": INTENT, "previous_attributes": {"a": HALF}}},
    "half a character in the version": {"api_version": HALF},
    "half a character in the request": {"request": {"id": HALF, "idempotency_key": HALF}},
    "half a character beside": {"context": HALF},
    "a NUL": _about(description="\0"),
    "not a number": _about(application_fee=float("nan")),
    "no number that ends": _about(application_fee=float("-inf")),
    "a number of a thousand digits": _about(application_fee=10**1000),
    "nine hundred levels": _about(charges=_deep(900)),
    "created as text": {"created": "yesterday"},
    "created in the year 30000": {"created": 10**12},
    "created before all": {"created": -(10**18)},
    "created in nothing": {"created": None},
    "created with a half": {"created": 1_790_000_000.5},
    "created never": {"created": float("nan")},
    "another word": {"object": "happening"},
    "no word": {"object": None},
    "a list of words": {"object": ["event"]},
    "a long version": {"api_version": "x" * 500},
    "a version of another kind": {"api_version": 5},
    "a long request": {"request": "x" * 500},
    "a long request's id": {"request": {"id": "x" * 500, "idempotency_key": "x" * 500}},
    "a request of another kind": {"request": [1]},
    "metadata as a number": _about(metadata=5),
    "metadata as text": _about(metadata="payment"),
    "metadata as a list": _about(metadata=["payment"]),
    "an empty account": {"account": []},
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_odd_beside_what_we_read_is_no_reason_to_refuse_an_event(kind, endpoint, payment):
    event = _event(**ODD[kind])
    for _ in range(2):
        assert _send(endpoint, json.dumps(event)).status_code == 200
    assert Event.objects.get().id == event["id"]
    assert StripeNotice.objects.get().object_id == payment.intent_id


@pytest.mark.parametrize("kind", ODD)
def test_the_same_event_fetched_has_its_effect_too(kind, payment):
    gateway.store_event(_event(**ODD[kind]))
    assert StripeNotice.objects.get().object_id == payment.intent_id


@pytest.mark.parametrize("intent", [{}, [], 5, HALF, "x" * 300, {"id": HALF}, {"id": None}, None])
@pytest.mark.parametrize("kind", ["refund.updated", "charge.dispute.updated"])
def test_a_refund_or_dispute_of_an_odd_payment_is_acknowledged(kind, intent, endpoint, payment):
    about = {"id": "x_test", "payment_intent": intent, "metadata": {"refund": 5}}
    assert _send(endpoint, json.dumps(_event(type=kind, data={"object": about}))).status_code == 200
    assert StripeNotice.objects.get().object_id == "x_test"


UNUSABLE: dict[str, dict[str, Any]] = {
    "half a character in its id": {"id": f"evt{HALF}"},
    "a long id": {"id": "e" * 300},
    "an empty id": {"id": ""},
    "half a character in its type": {"type": f"moon{HALF}"},
    "a long type": {"type": "m" * 300},
    "half a character in its account": {"account": HALF},
    "half a character in an account's name": {"account": {"id": HALF}},
    "a long account": {"account": "a" * 300},
    "an object with half a character": {"data": {"object": {"id": HALF}}},
    "an object with a long id": {"data": {"object": {"id": "p" * 300}}},
    "an object with an empty id": {"data": {"object": {"id": ""}}},
    "depths of another account": {"account": "acct_other", "data": {"object": _deep(900)}},
    "no number of another account": {"account": "acct_other", "data": {"object": {"id": float("nan")}}},
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_signed_event_that_cannot_be_used_is_set_aside(kind, endpoint):
    body = json.dumps(_event(**UNUSABLE[kind]))
    for _ in range(2):
        assert _send(endpoint, body).status_code == 200
    assert (SetAsideEvent.objects.count(), Event.objects.count()) == (1, 0)


def test_what_is_set_aside_names_nobody(endpoint):
    person = {"id": "cus_1", "email": "alice@example.com", "name": "Alice", "address": {"line1": "1 High Street"}}
    _send(endpoint, json.dumps(_event(type="customer.created", data={"object": person})))
    kept = SetAsideEvent.objects.get().content
    assert not any(word in kept for word in ("alice", "Alice", "High Street"))


def test_an_event_stored_from_before_of_a_type_we_do_not_ask_for_can_be_replayed(endpoint, monkeypatch):
    monkeypatch.setattr(stripe.default_http_client, "request_with_retries", lambda *_, **__: 1 / 0)
    data = {"object": {"id": "cus_1", "object": "customer"}}
    services.replay_event(Event(id="evt_old", type="customer.updated", data=data))


def test_an_endpoint_that_is_not_ours_is_not_found(endpoint):
    with nothing_written():
        assert_problem(_send(endpoint, json.dumps(_event()), uuid=uuid4()), 404, "not_found")


@pytest.mark.parametrize("header", [{}, {"X-Djstripe-Webhook-Secret": "whsec_mine"}])
def test_a_client_cannot_bring_its_own_secret(header, endpoint):
    body = json.dumps(_event())
    signature = stripe.WebhookSignature.generate_signature_header(body, "whsec_mine")
    with nothing_written():
        assert_problem(_send(endpoint, body, signature=signature, **header), 400, "wrong_signature")


@pytest.mark.parametrize("size", [262_145, 2_000_000])
def test_a_body_that_is_too_large_is_refused(size, endpoint):
    with nothing_written():
        assert_problem(_send(endpoint, json.dumps(_event(padding="x" * size))), 413, "too_large")


@pytest.mark.parametrize("proxies", [0, 1])
@pytest.mark.parametrize("chain", ["garbage", "1.2.3.4.5", "\x00", "::1::", "x" * 5000, "<script>, 10.0.0.1:80", ","])
def test_a_garbage_forwarded_address_neither_fails_nor_is_stored(proxies, chain, endpoint, settings):
    settings.TRUSTED_PROXIES = proxies
    assert _send(endpoint, json.dumps(_event()), **{"X-Forwarded-For": chain}).status_code == 200
    assert WebhookEventTrigger.objects.get().remote_ip == "127.0.0.1"


def test_the_address_that_our_proxy_vouches_for_is_stored(endpoint, settings):
    settings.TRUSTED_PROXIES = 1
    _send(endpoint, json.dumps(_event()), **{"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
    assert WebhookEventTrigger.objects.get().remote_ip == "203.0.113.9"


def test_a_failing_receiver_leaves_no_event_so_that_stripe_sends_it_again(endpoint, payment, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("purchases.receivers.enqueue", lambda *arguments: 1 / 0)
        body = json.dumps(_event())
        assert _send(endpoint, body).status_code == 500
    assert (Event.objects.count(), StripeNotice.objects.count()) == (0, 0)
    # What went wrong is kept, and shown in the back office.
    assert WebhookEventTrigger.objects.get().exception == "division by zero"
    assert _send(endpoint, body).status_code == 200
    assert (Event.objects.count(), StripeNotice.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["djstripe_event", "purchases_stripenotice", "django_q_ormq"])
def test_an_event_that_the_database_refuses_is_not_acknowledged_and_comes_again(endpoint, payment, table):
    body = json.dumps(_event())
    with refusing(table):
        assert _send(endpoint, body).status_code == 500
    assert (Event.objects.count(), StripeNotice.objects.count()) == (0, 0)
    assert _send(endpoint, body).status_code == 200
    assert (Event.objects.count(), StripeNotice.objects.count()) == (1, 1)


@contextmanager
def refusing(table: str) -> Iterator[None]:
    """The database takes no new row in this table meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT refuses CHECK (false) NOT VALID")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT refuses")


@pytest.mark.parametrize("kind", gateway.EVENTS)
def test_no_event_makes_us_call_stripe_before_it_is_acknowledged(kind, endpoint, payment, monkeypatch):
    """A call inside the transaction would hold its locks for as long as Stripe takes."""

    def call(*arguments: Any, **options: Any) -> Any:
        raise AssertionError(f"called {arguments}")

    monkeypatch.setattr(stripe.default_http_client, "request_with_retries", call)
    about = {"payment_intent": payment.intent_id, "id": payment.intent_id, "object": kind.rpartition(".")[0]}
    about["object"] = about["object"].removeprefix("charge.")
    customer = {"customer": "cus_unknown", "charge": "ch_unknown", "metadata": {}}
    event = _event(type=kind, data={"object": about | customer})
    assert _send(endpoint, json.dumps(event)).status_code == 200
    assert StripeNotice.objects.get().about == about["object"]


def test_registering_the_webhook_twice_keeps_it(endpoint):
    assert gateway.register_webhook("http://127.0.0.1:9").djstripe_uuid == endpoint.djstripe_uuid
    assert WebhookEndpoint.objects.count() == 1


def test_a_moved_installation_has_one_endpoint(endpoint):
    moved = gateway.register_webhook("http://127.0.0.1:7")
    assert moved.url.startswith("http://127.0.0.1:7/")
    assert list(WebhookEndpoint.objects.values_list("id", flat=True)) == [moved.id]


def test_an_event_that_the_database_cannot_take_is_sent_again(read_only_database, endpoint, payment):
    event = json.dumps(_event())
    read_only_database.begin()
    refused = _send(endpoint, event)
    assert (refused.status_code, refused["Retry-After"]) == (503, "10")
    read_only_database.end()
    # Without a restart: the refusal has given up the connection that only reads.
    assert _send(endpoint, event).status_code == 200
    assert Event.objects.count() == 1
