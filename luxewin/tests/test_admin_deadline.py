"""A request of the back office ends in time, however many statements it makes, and writes all or nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.test import Client

from luxewin import database
from purchases.models import Purchase
from purchases.tests.stage import seated
from raffles.models import Raffle

pytestmark = pytest.mark.django_db(transaction=True)

PURCHASES = "/admin/purchases/purchase/"
LIMIT, ROUNDS = 30, 100


@pytest.fixture
def desk(fiona, settings) -> Client:
    """Finance at the back office."""
    settings.STAFF_REQUEST_SECONDS = LIMIT
    client = Client(raise_request_exception=False, headers={"accept": "text/html"})
    client.force_login(fiona)
    return client


@pytest.fixture
def slow(monkeypatch) -> Callable[[str], list[int]]:
    """`slow("get_queryset")` has this method of the page of purchases make ROUNDS statements of a second each."""

    def make(method: str) -> list[int]:
        page: Any = type(admin.site._registry[Purchase])
        real, done = getattr(page, method), []
        monkeypatch.setattr(database, "monotonic", lambda: len(done))

        def dawdle(*arguments: Any) -> Any:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("UPDATE raffles_raffle SET description = 'changed'")
                for number in range(ROUNDS):
                    cursor.execute("SELECT 1")
                    done.append(number)
            return real(*arguments)

        monkeypatch.setattr(page, method, dawdle)
        return done

    return make


# The second is called while the list is rendered.
@pytest.mark.parametrize("method", ["get_queryset", "state"])
def test_a_click_of_many_statements_is_stopped_with_a_page(method, desk, slow, alice, on_sale):
    raffle = on_sale(description="as published")
    seated(alice, raffle)
    done = slow(method)
    answer = desk.get(PURCHASES)
    assert answer.status_code == 503
    assert "This took too long and was stopped." in answer.content.decode()
    assert answer["Retry-After"] == "10"
    assert len(done) == LIMIT
    # Nothing of it was written, and the limit ended with it.
    assert Raffle.objects.get(pk=raffle.pk).description == "as published"
