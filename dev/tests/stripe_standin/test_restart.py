"""The Stripe stand-in remembers what it answered."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from dev import services
from dev.tests.stripe_standin.stage import connect, eventually, make_intent, paid


@contextmanager
def standing_in(folder: Path, port: int) -> Iterator[stripe.StripeClient]:
    """A stand-in of one's own, which SIGKILL ends."""
    command = [sys.executable, "-m", "dev.services.stripe_standin", "--port", str(port), "--state", str(folder)]
    with subprocess.Popen(command) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            eventually(lambda: is_up(address), 15)
            secret = (folder / "secret_key").read_text()
            yield connect({"STRIPE_API_BASE": address, "STRIPE_SECRET_KEY": secret})
        finally:
            process.kill()


def is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/_config/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with services.running(tmp_path, names=["stripe"]) as environment:
        product = connect(environment)
        intent = product.v1.payment_intents.create(
            {"amount": 100, "currency": "eur"}, {"idempotency_key": "before the restart"}
        )
        product.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
        endpoint = product.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
    with services.running(tmp_path, names=["stripe"]) as again:
        assert again["STRIPE_SECRET_KEY"] == environment["STRIPE_SECRET_KEY"]
        product = connect(again)
        assert product.v1.payment_intents.retrieve(intent.id).status == "succeeded"
        repeated = product.v1.payment_intents.create(
            {"amount": 100, "currency": "eur"}, {"idempotency_key": "before the restart"}
        )
        assert repeated.id == intent.id
        assert product.v1.webhook_endpoints.retrieve(endpoint.id).url == "http://127.0.0.1:9/"
        assert product.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"
    assert (tmp_path / "stripe" / "journal.pickle").stat().st_mode & 0o077 == 0


def test_what_was_answered_survives_sigkill(tmp_path: Path, unused_tcp_port: int) -> None:
    method: Any = {"payment_method": "pm_card_visa"}
    with standing_in(tmp_path, unused_tcp_port) as product:
        intent = make_intent(product, metadata={"purchase": "p9"})
        product.v1.payment_intents.confirm(intent.id, method, {"idempotency_key": "pay"})
    journal = tmp_path / "journal.pickle"
    with journal.open("ab") as torn:
        torn.write(journal.read_bytes()[:40])
    with standing_in(tmp_path, unused_tcp_port) as product:
        found = product.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge.balance_transaction"]})
        assert (found.status, found.metadata["purchase"]) == ("succeeded", "p9")
        assert found.latest_charge.balance_transaction.amount == 5000
        again = product.v1.payment_intents.confirm(intent.id, method, {"idempotency_key": "pay"})
        assert again.last_response.headers["Idempotent-Replayed"] == "true"
        kinds = [event.type for event in product.v1.events.list().data]
        assert kinds == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]


def test_a_debit_in_processing_goes_on_after_a_restart(tmp_path: Path) -> None:
    with services.running(tmp_path, names=["stripe"]) as environment:
        product = connect(environment)
        intent = paid(product, "pm_sepaDebit_success_de")
    with services.running(tmp_path, names=["stripe"]) as environment:
        product = connect(environment)
        eventually(lambda: product.v1.payment_intents.retrieve(intent.id).status == "succeeded", 10)


def test_forgetting_everything_keeps_the_webhook_endpoints(tmp_path: Path) -> None:
    with services.running(tmp_path, names=["stripe"]) as environment:
        product = connect(environment)
        endpoint = product.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["*"]})
        make_intent(product)
        httpx.delete(f"{environment['STRIPE_API_BASE']}/_config/data").raise_for_status()
        assert product.v1.payment_intents.list().data == []
        kept = make_intent(product)
    with services.running(tmp_path, names=["stripe"]) as environment:
        product = connect(environment)
        assert product.v1.webhook_endpoints.retrieve(endpoint.id).id == endpoint.id
        assert [intent.id for intent in product.v1.payment_intents.list().data] == [kept.id]
