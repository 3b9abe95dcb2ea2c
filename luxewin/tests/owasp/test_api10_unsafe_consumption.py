"""API10, unsafe consumption of APIs: what outside parties say is checked like what anyone says.

Most of it is shown where the parties are spoken to:

- Stripe's events: signature, age, replay, another's secret, size, shape (luxewin/tests/test_webhook_door.py); money
  only by a freshly fetched intent, whose amount, currency and customer have to be ours, else review
  (purchases/tests/test_settling.py); lost, late and wrong answers (purchases/tests/test_stripe_trouble.py).
- The beacon: every answer's signature is verified; lies and silence of each kind (verification/tests/test_beacon.py).
- The chain: nodes that lie, hang, trickle, lose answers or are of another chain (verification/tests/test_chain.py,
  test_anchoring_reorganised.py).
- Redirects of all of them: test_api7_ssrf.py.

Here: the service that knows breached passwords, and what remained for Stripe.
"""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

import pytest
import stripe

from accounts import passwords
from accounts.passwords import _is_breached
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from luxewin.tests.owasp.surface import ask
from purchases import gateway
from purchases.models import Purchase
from purchases.tests.stage import buy, counts
from verification.tests.servers import answer, serving

PASSWORD = "correct horse battery staple"
Answer = Callable[[BaseHTTPRequestHandler], None]


def _endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(10_000):
        request.wfile.write(b"0" * 65_536)


def _trickle(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(600):
        request.wfile.write(b"0")
        time.sleep(0.1)


def _unfolding(request: BaseHTTPRequestHandler) -> None:
    """Says that it is packed; unpacked it would be another text."""
    request.send_response(200)
    request.send_header("Content-Encoding", "gzip")
    request.end_headers()
    request.wfile.write(b"no gzip")


LIES: dict[str, Answer] = {
    "endless": _endless,
    "a trickle": _trickle,
    "packed": _unfolding,
    "not text": lambda request: answer(request, bytes(range(256)) * 100),
    "no rows": lambda request: answer(request, b"<html>" * 1000),
    "an error": lambda request: answer(request, b"", status=503),
    "no HTTP": lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n") and None,
}


@pytest.mark.parametrize("kind", LIES)
def test_whatever_the_list_of_breaches_answers_people_can_register(kind, settings, monkeypatch):
    """A second at most, and half a megabyte; the password is judged by all other rules."""
    if kind != "a trickle":
        monkeypatch.setattr(passwords, "LOOKUP_SECONDS", 60)  # however busy the machine is
    with serving(LIES[kind]) as settings.BREACHED_PASSWORDS_URL:
        assert not _is_breached(PASSWORD)


# What a lying or broken Stripe, or somebody in between, could say of an intent.
OTHER: list[dict[str, Any]] = [
    {"amount": 1, "amount_received": 1},
    {"currency": "idr"},
    {"customer": "cus_somebody"},
    {"amount_received": 1},
    {"id": "pi_another"},
]


@pytest.fixture
def lying(alice, on_sale, monkeypatch) -> Callable[[dict[str, Any]], Purchase]:
    """Alice's hold, about which Stripe says that it was paid, and then something that is not so."""
    purchase = buy(alice, on_sale())
    real = stripe.default_http_client.request

    def tell(change: dict[str, Any]) -> Purchase:
        def request(method: str, url: str, *arguments: Any, **named: Any) -> Any:
            body, status, headers = real(method, url, *arguments, **named)
            if "/payment_intents/" in url and method == "get":
                facts = json.loads(body)
                paid = {"status": "succeeded", "amount_received": facts["amount"]}
                body = json.dumps(facts | paid | change).encode()
            return body, status, headers

        monkeypatch.setattr(stripe.default_http_client, "request", request)
        return purchase

    return tell


@pytest.mark.parametrize("change", OTHER, ids=",".join)
def test_an_intent_that_is_not_ours_to_the_last_fact_gives_no_ticket(change, lying, alice):
    purchase = lying(change)
    response = ask(client_of(alice), "post", "/api/v1/purchases/verify", {"purchase": str(purchase.pk)})
    assert response.status_code in {200, 503}
    purchase.refresh_from_db()
    assert purchase.first_ticket is None
    assert counts(purchase.raffle)[1] == 0


GARBAGE = [b"", b"<html>", b"[]", b"null", b"{}", b'{"object": "payment_intent"}', b'{"status": 5}', b"\xff" * 100]


@pytest.mark.parametrize("body", GARBAGE, ids=range(len(GARBAGE)))
def test_what_is_no_answer_of_stripe_s_is_no_500_and_moves_no_ticket(body, alice, on_sale, monkeypatch):
    purchase = buy(alice, on_sale())
    monkeypatch.setattr(stripe.default_http_client, "request", lambda *arguments, **named: (body, 200, {}))
    response = ask(client_of(alice), "post", "/api/v1/purchases/verify", {"purchase": str(purchase.pk)})
    assert_problem(response, 503)
    assert counts(purchase.raffle) == (1, 0)


def test_an_event_of_the_other_mode_is_not_acted_on(db):
    """Whoever can make test events, and knows our secret, cannot have them taken for live ones."""
    endpoint = gateway.register_webhook("http://127.0.0.1:9")
    facts = {"id": "pi_x", "object": "payment_intent", "status": "succeeded", "livemode": True}
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "payment_intent.succeeded", "livemode": True}
    event |= {"api_version": "2026-05-27.dahlia", "created": 1_790_000_000, "pending_webhooks": 1, "request": None}
    body = json.dumps(event | {"data": {"object": facts}})
    signature = stripe.WebhookSignature.generate_signature_header(body, endpoint.secret)
    with nothing_written():
        response = client_of().generic(
            "POST",
            f"/api/v1/webhooks/stripe/{endpoint.djstripe_uuid}",
            body,
            "application/json",
            headers={"Stripe-Signature": signature},
        )
    assert_problem(response, 400, "not_an_event")
