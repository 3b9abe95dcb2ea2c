"""The stage of tests about money."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from django.conf import settings
from django.db import connection
from django.utils import timezone
from djstripe.models import WebhookEndpoint

from dev.services import running
from luxewin.tests.asking import HTTP
from purchases import gateway, services
from purchases.models import StripeWatch
from purchases.services.reconciliation import missed
from purchases.tests.stage import HOLD_TICKETS

# Their assertions say what differs, as those of tests do.
pytest.register_assert_rewrite("purchases.tests.machine")


@pytest.fixture(scope="session")
def second_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in beside the run's own, with the same keys: its troubles are nobody else's."""
    state: Path = tmp_path_factory.mktemp("stripe")
    (state / "stripe").mkdir()
    (state / "stripe" / "secret_key").write_text(settings.STRIPE_SECRET_KEY)
    (state / "stripe" / "publishable_key").write_text(settings.STRIPE_PUBLIC_KEY)
    with running(state, names=["stripe"]) as environment:
        yield environment["STRIPE_API_BASE"]


@pytest.fixture
def trouble(second_stripe: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Stripe is a stand-in of this test's own; `trouble("/v1/refunds", lose=True, times=3)` orders what befalls it."""
    monkeypatch.setattr(stripe, "api_base", second_stripe)

    def order(path: str, **fault: Any) -> None:
        HTTP.post(f"{second_stripe}/_config/faults", json={"path": path, **fault}).raise_for_status()

    return order


@pytest.fixture
def own_stripe(second_stripe: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Stripe is a stand-in of this test's own with nothing in it, and what takes time waits until it is asked for.

    `own_stripe("payment_intents/pi_1/finish")` asks `/_config/…` of it: here a debit's outcome.
    """
    monkeypatch.setattr(stripe, "api_base", second_stripe)
    with httpx.Client(base_url=f"{second_stripe}/_config/", verify=False) as config:

        def ask(where: str, /, **content: Any) -> Any:
            return config.post(where, json=content).raise_for_status().json()

        config.delete("data").raise_for_status()
        ask("settings", processing_seconds=None)
        yield ask
        ask("settings", processing_seconds=3)


@pytest.fixture
def hear(
    own_stripe: Callable[..., Any], db: None, run_tasks: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """`hear()`: all that Stripe has news of is heard and worked off, as by its webhooks and a worker."""
    monkeypatch.setattr(missed, "MARGIN", timedelta(seconds=-2))
    services.begin_watching()

    def work_off() -> None:
        StripeWatch.objects.update(events_until=timezone.now() - timedelta(minutes=5))
        services.fetch_missed_events()
        run_tasks()

    return work_off


@pytest.fixture
def endpoint(db: None) -> WebhookEndpoint:
    """Our webhook endpoint; Stripe does not know it any more, so that a test itself delivers what it likes."""
    registered = gateway.register_webhook("http://127.0.0.1:1")
    stripe.WebhookEndpoint.delete(registered.id)
    return registered


@pytest.fixture
def weakened(transactional_db: None) -> Iterator[Callable[[str, str], None]]:
    """`weakened(guard, instead)` takes a guard out of the database's own `hold_tickets`, until the test is over."""

    def replace(guard: str, instead: str) -> None:
        assert guard in HOLD_TICKETS, guard
        with connection.cursor() as cursor:
            cursor.execute(HOLD_TICKETS.replace(guard, instead))

    yield replace
    with connection.cursor() as cursor:
        cursor.execute(HOLD_TICKETS)


@pytest.fixture
def no_stripe(monkeypatch: pytest.MonkeyPatch) -> Callable[[], pytest.MonkeyPatch]:
    """`no_stripe()` closes Stripe's port; `.undo()` of what it returns opens it again."""

    def close() -> pytest.MonkeyPatch:
        # Nothing can listen on port 1 here. The pauses between the library's own tries are not waited for.
        monkeypatch.setattr(stripe, "api_base", "http://127.0.0.1:1")
        monkeypatch.setattr("stripe._http_client.HTTPClient.INITIAL_DELAY", 0)
        monkeypatch.setattr("stripe._http_client.HTTPClient.MAX_DELAY", 0)
        return monkeypatch

    return close
