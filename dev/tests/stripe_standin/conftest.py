"""The stage of the Stripe stand-in's tests: one stand-in for each file."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stripe

from dev import services
from dev.tests.stripe_standin.stage import Receiver, connect


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with services.running(tmp_path_factory.mktemp("stripe"), names=["stripe"]) as environment:
        yield environment


@pytest.fixture
def product(environment: dict[str, str]) -> stripe.StripeClient:
    return connect(environment)


@pytest.fixture
def device(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A buyer's browser or phone, which knows the publishable key only."""
    headers = {"Authorization": f"Bearer {environment['STRIPE_PUBLISHABLE_KEY']}"}
    with httpx.Client(base_url=environment["STRIPE_API_BASE"], headers=headers) as client:
        yield client


@pytest.fixture
def receive(product: stripe.StripeClient) -> Iterator[Callable[..., tuple[Receiver, stripe.WebhookEndpoint]]]:
    """Open a receiver and register it."""
    opened = []

    def open_(events: list[str] | None = None, refusals: int = 0) -> tuple[Receiver, stripe.WebhookEndpoint]:
        receiver = Receiver(refusals)
        parameters = {"url": receiver.url, "enabled_events": events or ["*"], "api_version": stripe.api_version}
        opened.append((receiver, product.v1.webhook_endpoints.create(parameters)))
        return opened[-1]

    yield open_
    for receiver, endpoint in opened:
        product.v1.webhook_endpoints.delete(endpoint.id)
        receiver.server.shutdown()
        receiver.server.server_close()


@pytest.fixture
def config(environment: dict[str, str]) -> Iterator[Callable[..., Any]]:
    """`config("faults", path="^/v1/refunds$", lose=True)` posts JSON to `/_config/faults`; undone after the test."""
    with httpx.Client(base_url=f"{environment['STRIPE_API_BASE']}/_config/") as client:
        yield lambda where, /, **content: client.post(where, json=content).raise_for_status().json()
        for orders in ("faults", "event_faults"):
            client.delete(orders).raise_for_status()
        client.post("settings", json={"processing_seconds": 3}).raise_for_status()


@pytest.fixture
def module_api(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`stripe.Event.list()` and the like speak to this file's stand-in."""
    monkeypatch.setattr(stripe, "api_base", environment["STRIPE_API_BASE"])
    monkeypatch.setattr(stripe, "api_key", environment["STRIPE_SECRET_KEY"])
