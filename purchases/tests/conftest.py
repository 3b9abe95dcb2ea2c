"""The stage of tests about money."""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from django.conf import settings
from django.db import connection

from luxewin import parts


@pytest.fixture(scope="session")
def second_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in beside the run's own, with the same keys: its troubles are nobody else's."""
    state: Path = tmp_path_factory.mktemp("stripe")
    (state / "stripe").mkdir()
    (state / "stripe" / "secret_key").write_text(settings.STRIPE_SECRET_KEY)
    (state / "stripe" / "publishable_key").write_text(settings.STRIPE_PUBLIC_KEY)
    with parts.running(state, names=["stripe"]) as environment:
        yield environment["STRIPE_API_BASE"]


@pytest.fixture
def trouble(second_stripe: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Stripe is a stand-in of this test's own; `trouble("/v1/refunds", lose=True, times=3)` orders what befalls it."""
    monkeypatch.setattr(stripe, "api_base", second_stripe)

    def order(path: str, **fault: Any) -> None:
        httpx.post(f"{second_stripe}/_config/faults", json={"path": path, **fault}).raise_for_status()

    return order


@pytest.fixture
def weakened(transactional_db: None) -> Iterator[Callable[[str, str], None]]:
    """`weakened(guard, instead)` takes a guard out of the database's own `hold_tickets`, until the test is over."""
    source = import_module("purchases.migrations.0004_hold_tickets").FORWARD.replace("CREATE", "CREATE OR REPLACE", 1)

    def replace(guard: str, instead: str) -> None:
        assert guard in source, guard
        with connection.cursor() as cursor:
            cursor.execute(source.replace(guard, instead))

    yield replace
    with connection.cursor() as cursor:
        cursor.execute(source)


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
