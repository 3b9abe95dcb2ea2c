"""In production plain HTTP leads pages on to https, is refused by the API, and is enough for health checks."""

import pytest
from django.test import Client

from luxewin.tests.asking import assert_problem
from purchases.models import Purchase


@pytest.fixture
def over_tls_only(settings):
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.parametrize("path", ["raffles/list", "auth/csrf", "webhooks/stripe/x", "nothing"])
def test_the_api_refuses_to_answer_in_clear(path, over_tls_only, db):
    refusal = Client().get(f"/api/v1/{path}")
    assert_problem(refusal, 403, "https_required")
    assert "Location" not in refusal.headers


def test_nothing_is_done_for_a_good_token_in_clear(over_tls_only, alice, on_sale, api, new_key):
    body = {"raffle": str(on_sale().pk), "quantity": 1}
    refusal = api(alice).post("/api/v1/purchases/create", body, headers={"Idempotency-Key": new_key()})
    assert_problem(refusal, 403, "https_required")
    assert not Purchase.objects.exists()


def test_over_tls_it_answers(over_tls_only, db):
    assert Client().get("/api/v1/raffles/list", secure=True).status_code == 200


@pytest.mark.parametrize("path", ["/", "/verify", "/admin/"])
def test_pages_lead_on(path, over_tls_only, db):
    led = Client().get(path)
    assert (led.status_code, led["Location"]) == (301, f"https://testserver{path}")


def test_health_is_told_to_a_balancer_in_clear(over_tls_only, db):
    assert Client().get("/health/live").status_code == 200


def test_what_a_client_says_of_its_own_transport_counts_for_nothing(over_tls_only, db):
    assert_problem(Client().get("/api/v1/raffles/list", headers={"X-Forwarded-Proto": "https"}), 403, "https_required")
