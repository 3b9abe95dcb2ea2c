"""What an operation does not read is refused by name, everywhere; HEAD, OPTIONS and `bearer` are as HTTP has them."""

import pytest

from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.contract.sample_data import World
from luxewin.tests.owasp.surface import ask, operations

OPERATIONS = operations()


def _role(operation, world):
    return world.cast["managers"] if operation.is_for_staff else world.buyer


def test_every_operation_names_unknown_parameters(world: World):
    for operation in OPERATIONS:
        client = client_of(_role(operation, world))
        answer = ask(client, operation.verb, operation.filled(id=world.draft.pk) + "?utm_source=a&page=2")
        faults = assert_problem(answer, 400, "invalid")["errors"]
        assert {(fault["field"], fault["code"]) for fault in faults} == {("utm_source", "unknown"), ("page", "unknown")}


def test_every_operation_names_unknown_fields_of_its_body(world: World):
    for operation in OPERATIONS:
        if not operation.writes:
            continue
        path = operation.filled(id=world.pending if "purchases" in operation.path else world.draft.pk)
        answer = ask(client_of(_role(operation, world)), operation.verb, path, {"no_such_field": 1})
        faults = assert_problem(answer, 400, "invalid")["errors"]
        assert ("no_such_field", "unknown") in {(fault["field"], fault["code"]) for fault in faults}, operation.name


def test_nested_and_shown_fields_are_named_by_their_path(world: World):
    client = client_of(world.cast["managers"])
    body = {
        "prizes": [{"name": "A watch", "position": 7, "worth": 1}],
        "free_route": {"instructions": "Write.", "to": 1},
    }
    answer = client.patch(f"/api/v1/raffles/{world.draft.pk}", body | {"status": "drawn"})
    assert_problem(answer, 400, fields={"prizes.0.position", "prizes.0.worth", "free_route.to", "status"})
    shown = {fault["field"]: fault["code"] for fault in answer.json()["errors"]}
    assert shown["prizes.0.position"] == "read_only"


def test_a_body_that_nobody_reads_is_refused_whatever_it_is(world: World):
    client = client_of(world.cast["managers"])
    assert_problem(client.post(f"/api/v1/raffles/{world.draft.pk}/publish", [1]), 400, fields={""})
    answer = client.post(f"/api/v1/raffles/{world.draft.pk}/publish", "<a/>", content_type="application/xml")
    assert_problem(answer, 415)
    assert client.post(f"/api/v1/raffles/{world.draft.pk}/publish", {}).status_code == 200


def test_head_is_get_without_a_body_and_options_names_the_methods(world: World):
    client, nobody = client_of(world.buyer), client_of()
    for operation in OPERATIONS:
        path = operation.filled(id=world.open.pk, raffle=world.drawn.pk, purchase=world.entry)
        allowed = nobody.options(path)
        assert allowed.status_code == 204, operation.name
        assert operation.verb.upper() in allowed["Allow"].split(", ")
        if operation.verb == "get":
            assert "HEAD" in allowed["Allow"].split(", ")
            got, head = client.get(path), client.head(path)
            assert (head.status_code, head.getvalue()) == (got.status_code, b"")
            assert head["Content-Type"] == got["Content-Type"]
    assert nobody.options("/api/v1/schema").status_code == 204
    assert nobody.options("/api/v1/no-such-route").status_code == 404


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_counts_in_any_case(scheme, world: World):
    client = client_of(world.buyer)
    token = client._credentials["HTTP_AUTHORIZATION"].partition(" ")[2]
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {token}")
    assert client.get("/api/v1/users/profile").status_code == 200


def test_a_purchase_names_its_raffle_by_slug_or_id(world: World):
    client, keys = client_of(world.buyer), {"Idempotency-Key": "the-same"}
    by_slug, by_id = (
        client.post("/api/v1/purchases/create", {"raffle": name, "quantity": 1}, headers=keys)
        for name in (world.open.slug, str(world.open.pk))
    )
    # A repetition, whichever way the raffle is named.
    assert by_slug.status_code == by_id.status_code == 201
    assert by_slug.json()["id"] == by_id.json()["id"]
    for name, status in (("no-such-raffle", 404), (world.draft.slug, 404), ("not a slug", 400), (5, 400)):
        answer = client.post(
            "/api/v1/purchases/create", {"raffle": name, "quantity": 1}, headers={"Idempotency-Key": "k"}
        )
        assert_problem(answer, status, fields={"raffle"} if status == 400 else None)
