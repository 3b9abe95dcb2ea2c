"""What a list's query string may ask: nothing about a column that the list does not filter by."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, EmailField, TextField
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.back_office.model_admin import BackOfficeModelAdmin
from accounts.models import User
from purchases.models import Payment, Purchase, SkillAttempt
from purchases.tests.stage import hold

# Columns that no page shows, to some or to all, and no list may find, sort or filter by.
HIDDEN = {
    "password",
    "client_secret",
    "answer",
    "digest",
    "request_digest",
    "key",
    "token_id",
    "content",
    "raw",
    "stripe_data",
    "data",
    "metadata",
    "headers",
    "body",
    "secret",
    "last_t",
    "dedupe_key",
}
# A seal's digest is public, an attempt's answer a column for raffle managers; of an event, its object's id is searched.
SHOWN = {"audit.Seal": {"digest"}, "purchases.SkillAttempt": {"answer"}, "djstripe.Event": {"data"}}
LOOKUPS = ("", "__regex", "__iregex", "__startswith", "__contains", "__gt", "__in", "__range")
REGISTERED = sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label)
NAMES = [model._meta.label for model, _ in REGISTERED]


def _paths(model: Any, depth: int = 2, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every column of a model, and those that relations lead to."""
    for field in model._meta.get_fields():
        path = prefix + field.name
        if field.is_relation:
            if depth and field.related_model:
                yield from _paths(field.related_model, depth - 1, f"{path}__")
        else:
            yield path, field


def _request(**rights: bool) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = User(is_staff=True, **rights)
    return request


def _filters(page: ModelAdmin, request: Any) -> set[str]:
    """The columns that a list filters by."""
    each = page.get_list_filter(request)
    return {one if isinstance(one, str) else one[0] for one in each if not isinstance(one, type)}


@pytest.fixture
def desk(person) -> Client:
    """The one who may open every page: what is closed to them is closed to all."""
    client = Client()
    client.force_login(person("root", role="auditors", is_superuser=True))
    return client


@pytest.mark.parametrize(("model", "page"), REGISTERED, ids=NAMES)
def test_every_page_obeys_the_rules_of_the_back_office(model, page):
    assert isinstance(page, BackOfficeModelAdmin)
    assert type(page).lookup_allowed is BackOfficeModelAdmin.lookup_allowed
    assert type(page).response_action is BackOfficeModelAdmin.response_action
    assert type(page).to_field_allowed is BackOfficeModelAdmin.to_field_allowed


@pytest.mark.parametrize(("model", "page"), REGISTERED, ids=NAMES)
def test_no_list_can_be_asked_about_a_column_that_it_does_not_filter_by(model, page):
    request = _request(is_superuser=True)
    filtered = _filters(page, request)
    open_to_all = [
        path + lookup
        for path, field in _paths(model)
        for lookup in LOOKUPS
        if page.lookup_allowed(path + lookup, "a", request)
        # The links of a filter compare for equality alone.
        and not (lookup == "" and any(path in {name, f"{name}__{field.name}"} for name in filtered))
    ]
    assert open_to_all == []


@pytest.mark.parametrize(("model", "page"), REGISTERED, ids=NAMES)
def test_no_list_searches_sorts_or_filters_by_a_hidden_column(model, page):
    request = _request(is_superuser=True)
    columns = page.get_list_display(request)
    sorted_by = [_ordering(model, page, column) for column in columns]
    names = [*page.get_search_fields(request), *_filters(page, request), *filter(None, sorted_by)]
    names += page.get_ordering(request)
    reached = {part for name in names for part in name.lstrip("-^=@").split("__")}
    assert reached & HIDDEN <= SHOWN.get(model._meta.label, set())


def _ordering(model: Any, page: ModelAdmin, column: Any) -> str | None:
    """What a click on a column's head sorts by."""
    try:
        return model._meta.get_field(column).name
    except FieldDoesNotExist:
        shown: Any = getattr(page, column, None) or getattr(model, column)
        return getattr(shown, "admin_order_field", None)


@pytest.mark.parametrize(("model", "page"), REGISTERED, ids=NAMES)
def test_rows_are_named_by_their_key_alone(model, page):
    request = _request(is_superuser=True)
    named = [field for field in model._meta.concrete_fields if page.to_field_allowed(request, field.name)]
    assert named == [model._meta.pk]


@pytest.fixture
def checkout(alice, on_sale) -> Payment:
    """Alice's, still open."""
    raffle = on_sale(question="6 x 7?", answer="forty-two")
    purchase = Purchase.objects.create(
        raffle=raffle,
        buyer=alice,
        quantity=1,
        amount=500,
        currency="gbp",
        idempotency_key=uuid4().hex,
        request_digest=b"d",
        expires_at=timezone.now(),
    )
    SkillAttempt.objects.create(raffle=raffle, user=alice, answer="forty-two", correct=True)
    return Payment.objects.create(purchase=purchase, status="open", intent_id="pi_1", client_secret="pi_1_secret_x")


ATTACKS = [
    "purchases/payment/?client_secret__regex=^pi_1",
    "purchases/payment/?client_secret__startswith=pi_1",
    "purchases/payment/?purchase__buyer__password__startswith=argon2",
    "purchases/purchase/?payments__client_secret__startswith=pi_1",
    "purchases/purchase/?raffle__answer__startswith=f",
    "purchases/purchase/?refund_failed=0",
    "purchases/skillattempt/?answer__startswith=f",
    "purchases/skillattempt/?answer=forty-two",
    "raffles/raffle/?answer__startswith=f",
    "raffles/raffle/?answer__gte=f",
    "accounts/user/?password__startswith=argon2",
    "accounts/user/?totpdevice__key__startswith=a",
    "accounts/user/?recovery_codes__digest__gt=a",
    "accounts/user/?sessions__token_id__gt=00000000-0000-0000-0000-000000000000",
    "accounts/authenticator/?key__startswith=a",
    "accounts/session/?token_id__gte=00000000-0000-0000-0000-000000000000",
    "djstripe/paymentintent/?stripe_data__client_secret__startswith=pi",
    "djstripe/event/?data__object__client_secret__startswith=pi",
    "auth/group/?user__password__startswith=argon2",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_question_about_a_hidden_column_is_refused(attack, checkout, desk):
    assert checkout.client_secret
    assert desk.get(f"/admin/{attack}").status_code == 400


def test_a_hidden_column_names_no_row(checkout, desk):
    page = f"/admin/purchases/payment/{checkout.client_secret}/change/"
    assert desk.get(f"{page}?_to_field=client_secret").status_code == 400
    assert desk.post(page, {"_to_field": "client_secret"}).status_code == 400


def test_sorting_goes_by_the_list_s_own_columns(checkout, desk):
    columns = len(admin.site._registry[Payment].list_display)
    for number in (0, columns + 1, 99, -columns - 1):
        page = desk.get(f"/admin/purchases/payment/?o={number}")
        assert page.status_code == 200
        assert "client_secret" not in str(page.context["cl"].queryset.query).partition("ORDER BY")[2]


def test_the_links_of_every_filter_still_work(checkout, desk):
    followed = 0
    for model, page in REGISTERED:
        if not page.list_filter:
            continue
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        listed = desk.get(address).context["cl"]
        for spec in listed.filter_specs:
            # The first is "all"; of what has many values the last are those of another kind, such as "empty".
            choices = list(spec.choices(listed))
            for choice in choices[1:2] + choices[-2:]:
                assert desk.get(address + choice["query_string"]).status_code == 200, choice
                followed += 1
    assert followed > 60


def _found(client, page, term):
    return list(client.get(f"/admin/{page}/", {"q": term}).context["cl"].result_list)


def test_ids_numbers_and_addresses_are_searched_by_the_whole(desk, alice, on_sale):
    purchase = hold(alice, on_sale(title="A watch"))
    Payment.objects.create(purchase=purchase, attempt=2, status="failed", intent_id="pi_33abc")
    parts = [str(purchase.pk)[:2], str(purchase.pk)[-4:], str(purchase.entry_id)[:8], "33", "pi_33", "alice", "example"]
    for page in ("purchases/purchase", "purchases/payment"):
        assert {part: _found(desk, page, part) for part in parts} == {part: [] for part in parts}
        for whole in (str(purchase.pk), purchase.pk.hex, "pi_33abc", "ALICE@example.com"):
            assert _found(desk, page, whole), whole
    assert _found(desk, "purchases/purchase", str(purchase.entry_id)) == [purchase]
    assert _found(desk, "purchases/purchase", "watc") == [purchase]


@pytest.mark.parametrize(("model", "page"), REGISTERED, ids=NAMES)
def test_no_search_looks_for_a_part_of_an_id(model, page):
    for name in page.get_search_fields(_request(is_superuser=True)):
        if not name.endswith(("__exact", "__iexact")):
            field = get_fields_from_path(model, name)[-1]
            assert isinstance(field, (CharField, TextField)), name
            assert not isinstance(field, EmailField), name
            assert not field.primary_key, name
            assert not field.name.endswith("_id"), name
