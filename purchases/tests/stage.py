"""What tests about money share: a buyer's device at the stand-in, requests at one moment, purchases ready made."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import stripe
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from djstripe.models import WebhookEndpoint

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey
from luxewin.tests.asking import HTTP
from purchases import services
from purchases.models import Purchase
from purchases.services.settlement import _issue_tickets
from raffles.models import Raffle, TicketCounter

HOLD_TICKETS = (settings.BASE_DIR / "purchases" / "sql" / "hold_tickets.sql").read_text()
GOOD, DECLINED, THREE_D_SECURE = "4242424242424242", "4000000000000002", "4000002500003155"


def key(value: str = "", digest: bytes = b"d" * 32) -> IdempotencyKey:
    return IdempotencyKey(value or uuid4().hex, digest)


def hold(buyer: User, raffle: Raffle, quantity: int = 1) -> Purchase:
    """Held tickets; Stripe knows nothing of them."""
    return services.hold_tickets(buyer=buyer, raffle_id=raffle.pk, quantity=quantity, key=key()).purchase


def buy(buyer: User, raffle: Raffle, quantity: int = 1) -> Purchase:
    """Held tickets with an intent that can be paid."""
    return services.purchase_tickets(buyer=buyer, raffle_id=raffle.pk, quantity=quantity, key=key())


def pay(client_secret: str, number: str = GOOD) -> httpx.Response:
    """What Stripe.js does with the secret of an intent and a card."""
    return confirm(client_secret, method(number))


def method(number: str, **said: str) -> str:
    """The id of a card's payment method, made by the device; `said` is what the payer typed beside the number."""
    card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
    made: str = _device("/v1/payment_methods", {"type": "card", **card, **said}).raise_for_status().json()["id"]
    return made


def confirm(client_secret: str, made: str) -> httpx.Response:
    """The same with a payment method that is made already, for example one of Stripe's for tests."""
    intent = client_secret.partition("_secret_")[0]
    confirmation = {"payment_method": made, "client_secret": client_secret}
    return _device(f"/v1/payment_intents/{intent}/confirm", confirmation)


def authenticate(client_secret: str, *, success: bool = True) -> httpx.Response:
    """What the person's bank does on the page that 3-D Secure sends them to."""
    intent = client_secret.partition("_secret_")[0]
    said = {"success": str(success).lower(), "client_secret": client_secret}
    return _device(f"/v1/payment_intents/{intent}/_authenticate", said)


def _device(path: str, data: dict[str, str]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {settings.STRIPE_PUBLIC_KEY}"}
    return HTTP.post(stripe.api_base + path, data=data, headers=headers)


def bought(buyer: User, raffle: Raffle, quantity: int = 1) -> Purchase:
    """Tickets paid at the stand-in and settled."""
    purchase = buy(buyer, raffle, quantity)
    pay(purchase.payment.client_secret).raise_for_status()
    return services.settle_purchase(purchase.pk)


def seated(buyer: User, raffle: Raffle, quantity: int = 1) -> Purchase:
    """Paid tickets as the books have them, without the money: for draws, which do not look at it."""
    purchase = hold(buyer, raffle, quantity)
    with transaction.atomic():
        purchase.payments.update(status="succeeded", intent_id=f"pi_{purchase.pk}")
        _issue_tickets([purchase])
    return purchase


def over(raffle: Raffle) -> None:
    """Makes its closing time pass; the trigger that fixes dates has to look away for that."""
    trigger = "ALTER TABLE raffles_raffle {} TRIGGER raffle_terms_are_fixed"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(trigger.format("DISABLE"))
        Raffle.objects.filter(pk=raffle.pk).update(closes_at=timezone.now() - timedelta(milliseconds=1))
        cursor.execute(trigger.format("ENABLE"))


def counts(raffle: Raffle) -> tuple[int, int]:
    """Held and sold."""
    return TicketCounter.objects.values_list("held", "sold").get(pk=raffle.pk)


class RaceBarrier:
    """Makes a race certain: whoever comes to the place waits there for the others, but not longer than `patience`.

    Without a guard all of them stand there at once, each believing what it read before, which takes as much patience as
    a busy machine needs. Where a guard lets in one at a time the others never come, and the first goes on alone.
    """

    def __init__(self, people: int = 2, *, patience: float = 1.0) -> None:
        self._barrier = threading.Barrier(people)
        self._patience = patience

    def wait(self) -> None:
        """Waits for the others; once somebody's patience is over nobody waits any more."""
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(self._patience)

    def at(self, place: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with the meeting before it."""

        def met(*arguments: Any, **named: Any) -> Any:
            self.wait()
            return place(*arguments, **named)

        return met


class DelayedCall:
    """The first to come to a place in the code stays there until the others are done, or its patience is over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, patience: float) -> None:
        self._there, self._done, self._patience = threading.Event(), threading.Event(), patience
        self._real = getattr(module, name)
        monkeypatch.setattr(module, name, self._come)

    def _come(self, *arguments: Any, **named: Any) -> Any:
        if not self._there.is_set():
            self._there.set()
            self._done.wait(self._patience)
        return self._real(*arguments, **named)

    def meanwhile(self, others: Callable[[], Any]) -> Callable[[], Any]:
        """What the others do, once it has come there."""

        def act() -> Any:
            assert self._there.wait(60)
            try:
                return others()
            finally:
                self._done.set()

        return act


def deliver(endpoint: WebhookEndpoint, event: dict[str, Any]) -> int:
    """Posts an event of the stand-in to our address, as Stripe does, signed with our endpoint's secret; the status."""
    body, now = json.dumps(event | {"api_version": endpoint.api_version}), int(time.time())
    signed = hmac.new(endpoint.secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={now},v1={signed}"}
    path = urlsplit(endpoint.url).path
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


def told_of(about: str, kind: str) -> dict[str, Any]:
    """The newest event of this kind about an object."""
    params = {"type": kind, "limit": 100}
    answer = HTTP.get(f"{stripe.api_base}/v1/events", params=params, auth=(str(stripe.api_key), ""))
    return next(each for each in answer.json()["data"] if each["data"]["object"]["id"] == about)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Calls all at the same moment, each in a thread with a connection of its own; what each gave or raised."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            start.wait(60)
            return call()
        except Exception as error:  # noqa: BLE001 an answer like any other
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@contextmanager
def unlogged() -> Iterator[None]:
    """The log's own guards, which would stop what the missing locks let through, are off."""
    guards = ("entries_are_logged", "logged_entries_are_fixed")
    _switch("DISABLE", guards)
    try:
        yield
    finally:
        _switch("ENABLE", guards)


def _switch(how: str, triggers: tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for trigger in triggers:
            cursor.execute(f"ALTER TABLE purchases_purchase {how} TRIGGER {trigger}")
