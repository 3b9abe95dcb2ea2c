"""What a shop needs to know of this installation."""

from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import Terms
from luxewin.tests.asking import client_of


def test_a_shop_learns_what_it_needs_in_one_answer(db, settings):
    settings.STRIPE_PUBLIC_KEY, settings.HOLD_SECONDS, settings.MINIMUM_AGE = "pk_test_1", 600, 21
    Terms.objects.create(version="2026-11", url="https://site.example/terms", effective_from=timezone.now())
    answer = client_of().get("/api/v1/shop")
    shop = answer.json()
    assert (shop["stripe_publishable_key"], shop["hold_seconds"], shop["minimum_age"]) == ("pk_test_1", 600, 21)
    by_code = {currency.pop("code"): currency for currency in shop["currencies"]}
    assert by_code["gbp"] == {"exponent": 2, "multiple": 1, "minimum": 30}
    assert by_code["jpy"]["exponent"] == 0
    assert {"code": "de", "name": "Deutsch"} in shop["languages"]
    assert shop["terms"]["version"] == "2026-11"
    assert shop["features"] == {"supabase": False, "chain": False, "live_payments": False}
    assert shop["sales_stopped"] is None
    assert abs(datetime.fromisoformat(shop["server_time"]) - timezone.now()) < timedelta(minutes=1)
    assert answer["Cache-Control"].startswith("public, max-age=1")


def test_without_terms_there_are_none(db):
    assert client_of().get("/api/v1/shop").json()["terms"] is None
