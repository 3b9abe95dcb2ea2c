"""API3, broken object property level authorisation: no property is written that one may not write, none is shown that
one may not see.

The properties come from the API's document and from the models themselves. That a raffle's answer is never shown:
raffles/tests/test_questions.py. That no answer of cookie mode shows a token: accounts/tests/test_cookies.py.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from accounts.models import Session, User
from luxewin.api.serializers import MOST_NAMED
from luxewin.tests.asking import OURS, assert_problem, client_of
from luxewin.tests.contract.sample_data import IDS, World
from luxewin.tests.owasp.surface import Operation, ask, document, nothing_changes, operations, resolved
from purchases.models import Payment, Purchase

WRITES = [operation for operation in operations() if operation.takes]
HOSTILE = {"is_staff": True, "is_superuser": True, "groups": [1], "roles": ["finance"], "user_permissions": [1]}


def _value(field: models.Field) -> Any:
    """What an attacker would like this column to be."""
    if isinstance(field, models.BooleanField):
        return True
    if isinstance(field, models.DateTimeField | models.DateField):
        return f"{PAST}T00:00:00Z"
    if isinstance(field, models.IntegerField):
        return 1
    if isinstance(field, models.UUIDField | models.ForeignKey):
        return NOBODY
    return "paid"


def _columns() -> dict[str, Any]:
    found = {
        name: _value(field)
        for label in OURS
        if label != "djstripe"
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.concrete_fields
        for name in {field.name, field.attname}
    }
    return found | HOSTILE


# Values that only the attacker writes.
PAST, NOBODY = "2001-01-01", "00000000-0000-7000-8000-000000000001"


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
def test_what_is_not_taken_is_refused_by_name_and_changes_nothing(operation: Operation, world: World):
    """Every column of every table, sent along with a body that is good by itself."""
    who = world.cast["managers"] if operation.is_for_staff else world.buyer
    identifier = world.identity if "identities" in operation.path else world.draft.pk
    body, path = operation.body(world), operation.filled(id=identifier)
    hidden = {"user": HOSTILE, "buyer": HOSTILE, "raffle__status": "drawn", "user.is_staff": True, "__proto__": HOSTILE}
    extra = {name: value for name, value in (_columns() | hidden).items() if name not in operation.takes}
    assert len(extra) > MOST_NAMED
    client = client_of(who)
    with nothing_changes():
        answer = ask(client, operation.verb, path, extra | body)
    named = {fault["field"]: fault["code"] for fault in assert_problem(answer, 400, "invalid")["errors"]}
    assert sorted(extra)[:MOST_NAMED] == sorted(named.keys() & extra.keys())
    assert {named[name] for name in named.keys() & extra.keys()} <= {"unknown", "read_only"}


READ_ONLY = ("id", "email", "date_of_birth", "joined_at", "roles", "email_verified")


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_a_profile_shows_but_does_not_take_stays(name, world: World):
    """Each by itself, with a value that would be good elsewhere."""
    client, before = client_of(world.buyer), User.objects.filter(pk=world.buyer.pk).values().get()
    value = {"email": "mallory@example.com", "date_of_birth": "1970-01-01", "roles": ["finance"]}.get(name, True)
    shown = client.get("/api/v1/users/profile").json()
    answer = client.patch("/api/v1/users/profile", {name: value})
    assert answer.status_code in {200, 400}
    assert client.get("/api/v1/users/profile").json() == shown
    assert User.objects.filter(pk=world.buyer.pk).values().get() == before


# --- What is shown --------------------------------------------------------------------------------------------------


def _properties(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Every property that an answer of this schema can have, nested names joined by dots."""
    schema = resolved(schema)
    for part in (*schema.get("allOf", []), *schema.get("oneOf", []), *schema.get("anyOf", [])):
        yield from _properties(part, prefix)
    if "items" in schema:
        yield from _properties(schema["items"], prefix)
    for name, inner in schema.get("properties", {}).items():
        yield prefix + name
        yield from _properties(inner, f"{prefix}{name}.")


def _shown() -> dict[str, set[str]]:
    """By operation, what its good answers can show according to the document."""
    found = {}
    for operation in operations():
        for status, answer in operation.facts["responses"].items():
            content = answer.get("content", {}).get("application/json")
            if status.startswith("2") and content:
                found[operation.name] = set(_properties(content["schema"]))
    return found


# Nobody's answers have these, whoever asks.
NEVER_SHOWN = {
    "password",
    "is_staff",
    "is_superuser",
    "is_active",
    "last_login",
    "user_permissions",
    "groups",
    "token_id",
    "answer",
    "idempotency_key",
    "request_digest",
    "intent_id",
    "buyer",
    "user_agent",
    "ip",
    "key",
    "subject",
    "challenge",
}
# What is secret or personal, and the operations whose answers to its owner have it.
SIGNING_IN = {"POST auth/login", "POST auth/login/second", "POST auth/supabase"}
PROFILE = {*SIGNING_IN, "POST auth/verify", "GET users/profile", "PATCH users/profile"}
SAFEGUARDS = {
    "GET users/profile",
    "PATCH users/profile",
    "GET users/safeguards",
    "PATCH users/safeguards",
    "POST users/safeguards/pause",
    "POST users/safeguards/exclude",
    "POST users/terms",
}
GUARDED = {
    "access": {*SIGNING_IN, "POST auth/refresh", "POST users/password"},
    "refresh": {*SIGNING_IN, "POST auth/refresh", "POST users/password"},
    "client_secret": {
        "POST purchases/create",
        "POST purchases/verify",
        "POST purchases/{id}/cancel",
        "GET purchases/{id}",
        "GET purchases/list",
    },
    # In preferences it is the name of a channel.
    "email": {
        *(*PROFILE, "POST auth/register", "GET users/identities"),
        "GET users/preferences",
        "PATCH users/preferences",
    },
    # Where a prize is to be sent.
    "address": {
        "GET users/prizes",
        "GET users/prizes/{prize}",
        "POST users/prizes/{prize}/claim",
        "POST users/prizes/{prize}/documents",
    },
    # One for preferences that a person sets: mails once a day.
    "digest": {"GET users/preferences", "PATCH users/preferences"},
    "date_of_birth": PROFILE,
    "roles": PROFILE,
    # Of a bundle it is where the draw is recorded.
    "place": {"GET auth/sessions", "GET verification/{raffle}/bundle"},
    "secret": {"POST users/totp"},
    "qr_svg": {"POST users/totp"},
    "uri": {"POST users/totp"},
    "recovery_codes": {"POST users/totp/confirm", "POST users/totp/recovery"},
    "excluded_until": SAFEGUARDS,
    "paused_until": SAFEGUARDS,
    "spend_limits": SAFEGUARDS,
}


def test_no_answer_has_a_property_that_is_nobody_s():
    for name, shown in _shown().items():
        last = {path.rpartition(".")[2] for path in shown}
        assert last & NEVER_SHOWN == set(), name


@pytest.mark.parametrize("secret", GUARDED)
def test_what_is_secret_or_personal_is_in_the_answers_to_its_owner_alone(secret):
    having = {name for name, shown in _shown().items() if secret in {path.rpartition(".")[2] for path in shown}}
    assert having == GUARDED[secret]


def _undescribed(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Properties of an answer that the document does not have."""
    schema = resolved(schema)
    parts = [resolved(part) for word in ("allOf", "oneOf", "anyOf") for part in schema.get(word, [])]
    if isinstance(value, list):
        for item in value:
            yield from _undescribed(item, schema.get("items", {}), path)
    properties = schema.get("properties", {})
    for part in parts:
        properties = properties | part.get("properties", {})
    if isinstance(value, dict) and properties:
        for name, inner in value.items():
            if name not in properties:
                yield f"{path}{name}"
            else:
                yield from _undescribed(inner, properties[name], f"{path}{name}.")


READS = [operation for operation in operations() if not operation.writes and not operation.path.endswith(".csv")]


def _paths(operation: Operation, world: World) -> list[str]:
    app = operation.path.split("/")[3]
    if "{" not in operation.path:
        return [operation.path]
    if operation.path.endswith("{purchase}"):
        return [operation.filled(raffle=world.drawn.pk, purchase=world.entry)]
    (name,) = (key for place, key in IDS if place == app and f"{{{key}}}" in operation.path)
    return [operation.filled(**{name: value}) for value in IDS[app, name](world)]


def _secrets(world: World) -> dict[str, str]:
    """What others than its owner must not find in any answer."""
    assert world.pending
    assert world.session
    owner = world.buyer
    payments = Payment.objects.filter(purchase__buyer=owner)
    found = {"address": owner.email, "hash": owner.password, "id": str(owner.pk)}
    found |= {f"session {row.pk}": str(row.pk) for row in Session.objects.filter(user=owner)}
    found |= {f"family {row.pk}": str(row.token_id) for row in Session.objects.filter(user=owner)}
    found |= {f"intent {row.pk}": row.intent_id for row in payments}
    return found | {f"purchase {row.pk}": str(row.pk) for row in Purchase.objects.filter(buyer=owner)}


@pytest.mark.parametrize("role", ["anonymous", "other", "managers", "finance", "support", "auditors", "root"])
def test_no_read_shows_anyone_what_is_alice_s(role, world: World):
    """Every GET of the document, with every id there is; also what she shares is as the document says."""
    paths = [(operation, path) for operation in READS for path in _paths(operation, world)]
    secrets, client = _secrets(world), client_of(world.cast[role])
    for operation, path in paths:
        answer = client.get(path)
        text = answer.getvalue().decode(errors="replace")  # the log comes as a stream
        # A refusal may repeat the path that was asked for, nothing else.
        leaked = {kind for kind, secret in secrets.items() if secret in text.replace(path, "")}
        assert leaked == set(), (path, leaked)
        if answer.status_code == 200 and "json" in answer["Content-Type"]:
            schema = operation.facts["responses"]["200"]["content"]["application/json"]["schema"]
            assert list(_undescribed(json.loads(text), schema)) == [], path


def test_her_own_reads_show_alice_nothing_but_what_is_described(world: World):
    client = client_of(world.buyer)
    assert world.pending
    for operation in READS:
        for path in _paths(operation, world):
            answer = client.get(path)
            text = answer.getvalue().decode(errors="replace")
            assert world.buyer.password not in text
            if answer.status_code == 200 and "json" in answer["Content-Type"]:
                schema = operation.facts["responses"]["200"]["content"]["application/json"]["schema"]
                assert list(_undescribed(json.loads(text), schema)) == [], path


def test_the_document_names_every_component_of_an_answer():
    """Nothing is shown as `{}`, of which the tests above would see nothing."""
    for operation in operations():
        for status, answer in operation.facts["responses"].items():
            for content in answer.get("content", {}).values():
                if status.startswith("2"):
                    assert _is_closed(content["schema"]), operation.name
    assert document()["openapi"].startswith("3.1")


def _is_closed(schema: dict[str, Any]) -> bool:
    schema = resolved(schema)
    parts = [*schema.get("allOf", []), *schema.get("oneOf", []), *schema.get("anyOf", [])]
    if schema.get("type") == "object" and not schema.get("properties"):
        return schema.get("additionalProperties") is False
    inner = [*parts, *schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return all(_is_closed(each) for each in inner)
