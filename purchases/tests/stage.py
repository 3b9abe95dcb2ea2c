"""What tests about money share: a buyer's device at the stand-in, requests at one moment, purchases ready made."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import stripe
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey
from purchases import services
from purchases.models import Purchase
from purchases.services.settlement import _seat
from raffles.models import Raffle, TicketCounter

GOOD, DECLINED = "4242424242424242", "4000000000000002"


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
    headers = {"Authorization": f"Bearer {settings.STRIPE_PUBLIC_KEY}"}
    card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
    with httpx.Client(base_url=stripe.api_base, headers=headers) as device:
        method = device.post("/v1/payment_methods", data={"type": "card", **card}).raise_for_status().json()["id"]
        intent = client_secret.partition("_secret_")[0]
        confirmation = {"payment_method": method, "client_secret": client_secret}
        return device.post(f"/v1/payment_intents/{intent}/confirm", data=confirmation)


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
        _seat(purchase)
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


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Calls all at the same moment, each in a thread with a connection of its own; what each gave or raised."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            start.wait(10)
            return call()
        except Exception as error:  # noqa: BLE001 an answer like any other
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
