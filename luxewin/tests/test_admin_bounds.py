"""One click in the back office touches a bounded number of rows, and no list counts or reads a whole table."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.back_office.model_admin import MOST_SELECTED
from purchases.models import Purchase, Refund

PURCHASES = "/admin/purchases/purchase/"
MANY = """
INSERT INTO purchases_purchase (id, entry_id, raffle_id, buyer_id, route, quantity, amount, currency, status,
    first_ticket, idempotency_key, request_digest, expires_at)
SELECT uuidv7(), gen_random_uuid(), %s, %s, 'card', 1, 500, 'gbp', 'paid', n, n::text, 'd', now()
FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def desk(fiona) -> Client:
    """Finance at the back office."""
    client = Client()
    client.force_login(fiona)
    return client


@pytest.fixture
def many(alice, on_sale) -> int:
    """More paid purchases than an action takes."""
    count = MOST_SELECTED + 50
    with connection.cursor() as cursor:
        cursor.execute(MANY, [on_sale(capacity=1000).pk, alice.pk, count])
    return count


def _messages(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def _form(action: str, chosen: int, across: bool) -> dict[str, Any]:
    keys = [str(key) for key in Purchase.objects.values_list("pk", flat=True)[:chosen]]
    return {"action": action, "select_across": int(across), "_selected_action": keys}


@pytest.mark.parametrize("action", ["refund", "void", "resolve"])
@pytest.mark.parametrize(("chosen", "across"), [(1, True), (MOST_SELECTED + 1, False)], ids=["all", "one too many"])
def test_an_action_on_too_many_rows_is_refused_with_the_number(action, chosen, across, many, desk):
    confirmed = {"confirmed": "1", "reason": "The event was called off."}
    for more in ({}, confirmed):
        answer = desk.post(PURCHASES, _form(action, chosen, across) | more, follow=True)
        assert f"takes at most {MOST_SELECTED} rows" in _messages(answer)
    assert not Refund.objects.exists()
    assert set(Purchase.objects.values_list("status", flat=True)) == {"paid"}


def test_an_action_on_as_many_rows_as_it_takes_asks_for_a_reason(many, desk):
    answer = desk.post(PURCHASES, _form("refund", MOST_SELECTED, across=False))
    page = answer.content.decode()
    assert page.count('name="_selected_action"') == MOST_SELECTED
    assert f"{MOST_SELECTED} in all" in page
    Purchase.objects.filter(pk__in=list(Purchase.objects.values_list("pk", flat=True)[: many - 3])).update(route="post")
    across = desk.post(f"{PURCHASES}?route__exact=card", _form("refund", 1, across=True)).content.decode()
    assert across.count('name="_selected_action"') == 3


@pytest.mark.parametrize("page", ["accounts/user", "accounts/session", "purchases/refund", "djstripe/event"])
def test_every_action_of_every_list_is_bounded(page, many, person, monkeypatch):
    """The rule is the site's, so one row too many is enough to see it."""
    monkeypatch.setattr("accounts.back_office.model_admin.MOST_SELECTED", 1)
    client = Client()
    client.force_login(person("root", role="finance", is_superuser=True))
    model, own = next(
        pair for pair in admin.site._registry.items() if pair[0]._meta.label_lower.replace(".", "/") == page
    )
    action = str(own.actions[0])
    data = {"action": action, "select_across": 0, "_selected_action": ["1", "2"]}
    assert "takes at most 1 rows" in _messages(client.post(f"/admin/{page}/", data, follow=True)), model


@pytest.mark.parametrize("key", ["x", "", "\x00", "1\x00", "-1", "9" * 40, "1.5", "'", "٣", "a" * 300])
def test_a_selection_that_names_no_row_is_no_fault_of_ours(key, person):
    """Django looks up what the form says: a key of another type was answered with 500."""
    client = Client()
    client.force_login(person("root", role="finance", is_superuser=True))
    tried = 0
    for model, own in admin.site._registry.items():
        for action in own.actions:
            name = action if isinstance(action, str) else action.__name__
            data = {"action": name, "select_across": 0, "_selected_action": [key]}
            answer = client.post(f"/admin/{model._meta.label_lower.replace('.', '/')}/", data)
            assert answer.status_code in {200, 302, 403}, (model, name)
            tried += 1
    assert tried > 5


def test_the_audit_s_export_takes_any_number_of_rows(audrey, mona, draft, monkeypatch):
    monkeypatch.setattr("accounts.back_office.model_admin.MOST_SELECTED", 1)
    for _ in range(3):
        draft()
    client = Client()
    client.force_login(audrey)
    data = {"action": "export", "select_across": 1, "_selected_action": ["1"]}
    lines = b"".join(client.post("/admin/audit/auditentry/", data).streaming_content).splitlines()
    assert len(lines) >= 4


def test_a_list_counts_no_further_than_it_pages(many, desk, monkeypatch):
    monkeypatch.setattr("accounts.back_office.model_admin.MOST_COUNTED", 120)
    page = desk.get(PURCHASES)
    assert page.context["cl"].result_count == 120
    assert "120 purchases or more" in re.sub(r"\s+", " ", page.content.decode())
    assert desk.get(f"{PURCHASES}?p=2").status_code == 200
    assert desk.get(f"{PURCHASES}?p=3").status_code == 302


def test_no_list_reads_a_whole_table_to_offer_its_filters_or_to_count(person, many):
    """Tables that stay small may be read: raffles, groups, versions of the terms."""
    client = Client()
    client.force_login(person("root", role="auditors", is_superuser=True))
    small = ("raffles_raffle", "auth_group", "accounts_terms")
    whole: list[str] = []
    for model in admin.site._registry:
        with CaptureQueriesContext(connection) as caught:
            page = client.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/?_facets")
        assert page.status_code == 200
        whole += [
            f"{model._meta.label}: {query['sql']}"
            for query in caught.captured_queries
            if re.search(r"DISTINCT|COUNT\(|MIN\(|MAX\(", query["sql"])
            and " LIMIT " not in query["sql"]
            and not any(f'FROM "{table}"' in query["sql"] for table in small)
        ]
    assert whole == []
