"""The people and the places of the Stripe stand-in's tests."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import stripe

GOOD, DECLINED, WITHOUT_FUNDS, AUTHENTICATED = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000002500003155",
)


def connect(environment: dict[str, str]) -> stripe.StripeClient:
    addresses = {"api": environment["STRIPE_API_BASE"]}
    return stripe.StripeClient(environment["STRIPE_SECRET_KEY"], base_addresses=addresses, max_network_retries=0)


class Receiver:
    """A tiny webhook endpoint. It refuses the first `refusals` deliveries."""

    def __init__(self, refusals: int = 0) -> None:
        self.deliveries: list[tuple[bytes, str]] = []
        received, left = self.deliveries, [refusals]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                left[0] -= 1
                if left[0] < 0:
                    received.append((body, self.headers["Stripe-Signature"]))
                self.send_response(200 if left[0] < 0 else 500)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, *kinds: str, seconds: float = 60) -> list[dict[str, Any]]:
        """The events once all kinds have come."""
        deadline = time.monotonic() + seconds
        while not set(kinds) <= {event["type"] for event in self.events()} and time.monotonic() < deadline:
            time.sleep(0.02)
        assert set(kinds) <= {event["type"] for event in self.events()}
        return self.events()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.deliveries]


def make_intent(product: stripe.StripeClient, **parameters: Any) -> stripe.PaymentIntent:
    defaults = {"amount": 5000, "currency": "eur", "automatic_payment_methods": {"enabled": True}}
    return product.v1.payment_intents.create({**defaults, **parameters})


def pay(device: httpx.Client, intent: stripe.PaymentIntent, number: str = GOOD) -> httpx.Response:
    """What Stripe's own clients do: a payment method from the card, then a confirmation with the intent's secret."""
    card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2034", "card[cvc]": "123"}
    method = device.post("/v1/payment_methods", data={"type": "card", **card}).raise_for_status().json()["id"]
    data = {"payment_method": method, "client_secret": intent.client_secret}
    return device.post(f"/v1/payment_intents/{intent.id}/confirm", data=data)


def paid(product: stripe.StripeClient, method: str = "pm_card_visa", **parameters: Any) -> stripe.PaymentIntent:
    """An intent that the server confirmed with one of Stripe's test payment methods."""
    return product.v1.payment_intents.confirm(make_intent(product, **parameters).id, {"payment_method": method})


def told(product: stripe.StripeClient, identifier: str) -> list[str]:
    """The types of the events about this object, oldest first."""
    events = product.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(events) if event.data.object["id"] == identifier]


def eventually(met: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until it is true, or fail."""
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert met()
