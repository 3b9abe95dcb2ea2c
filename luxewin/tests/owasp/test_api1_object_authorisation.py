"""API1, broken object level authorisation: an id of somebody else's opens nothing, in whatever place it is sent.

Every operation that takes an id is found in the API's document: a new one fails here until it is said whose it is.
"""

from collections.abc import Callable
from typing import Any

import pytest

from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.contract.sample_data import World
from luxewin.tests.owasp.surface import Operation, ask, nothing_changes, operations, resolved

# Whose the ids are: of one person (by what fills the path), anyone's to read, or for those with a role.
OWN: dict[str, Callable[[World], dict[str, Any]]] = {
    "DELETE auth/sessions/{id}": lambda world: {"id": world.session},
    "POST users/identities/{id}/unlink": lambda world: {"id": world.identity},
    "DELETE users/favourites/{raffle}": lambda world: {"raffle": world.favourite},
    "GET users/prizes/{prize}": lambda world: {"prize": world.prize},
    "POST users/prizes/{prize}/claim": lambda world: {"prize": world.prize},
    "POST users/prizes/{prize}/documents": lambda world: {"prize": world.prize},
    "GET purchases/{id}": lambda world: {"id": world.pending},
    "POST purchases/{id}/cancel": lambda world: {"id": world.pending},
    "GET purchases/{id}/receipt": lambda world: {"id": world.entry},
    "POST users/notifications/{id}/read": lambda world: {"id": world.notification},
    "GET verification/{raffle}/entries/{purchase}": lambda world: {"raffle": world.drawn.pk, "purchase": world.entry},
}
PUBLIC = {
    "GET raffles/{id}",
    "GET verification/{raffle}",
    "GET verification/{raffle}/bundle",
    "GET verification/{raffle}/entries.csv",
    "GET verification/{raffle}/log",
    "GET verification/{raffle}/log/heads",
    "GET verification/{raffle}/log/proof",
}
STAFF = {"PATCH raffles/{id}", "POST raffles/{id}/cancel", "POST raffles/{id}/publish"}
# Ids in bodies: whose, and what an outsider hears. The raffle of purchases/create, by id or slug, is public.
BODIES = {"POST purchases/verify": "own", "POST users/notifications/read": "own"}
OTHERS = ("other", "managers", "finance", "support", "auditors", "root")


def _takes_id(operation: Operation) -> bool:
    return "{" in operation.path


def _body_ids(operation: Operation) -> set[str]:
    return {name for name, schema in operation.takes.items() if resolved(schema).get("format") == "uuid"}


def test_of_every_id_it_is_said_whose_it_is():
    assert {operation.name for operation in operations() if _takes_id(operation)} == {*OWN, *PUBLIC, *STAFF}
    assert {operation.name for operation in operations() if _body_ids(operation)} == set(BODIES)


BY_NAME = {operation.name: operation for operation in operations()}


@pytest.mark.parametrize("name", OWN)
def test_what_is_one_person_s_is_found_by_nobody_else(name, world, devices):
    operation, values = BY_NAME[name], OWN[name](world)
    body = operation.body(world) or None
    path = operation.filled(**values).removeprefix("/api/v1/")
    attackers = devices("other")
    staff = [client_of(world.cast[role]) for role in OTHERS]
    with nothing_changes():
        for device in attackers:
            assert_problem(device.ask(operation.verb, path, body), 404)
        for client in staff:
            assert_problem(ask(client, operation.verb, f"/api/v1/{path}", body), 404)
        assert_problem(ask(client_of(), operation.verb, f"/api/v1/{path}", body), 401)
    # The id was a good one: its owner is served.
    assert ask(client_of(world.buyer), operation.verb, f"/api/v1/{path}", body).status_code in {200, 204}


@pytest.mark.parametrize("name", sorted(STAFF))
def test_what_staff_do_to_raffles_no_buyer_does_in_either_mode(name, world, devices):
    operation = BY_NAME[name]
    body, targets = operation.body(world), (world.open, world.draft)
    attackers = devices("other")
    with nothing_changes():
        for raffle in targets:
            path = operation.filled(id=raffle.pk).removeprefix("/api/v1/")
            for device in attackers:
                assert_problem(device.ask(operation.verb, path, body), 403, "permission_denied")


def test_a_purchase_named_in_a_body_is_its_buyer_s_alone(world, devices):
    body = {"purchase": world.payable}
    attackers = devices("other")
    staff = [client_of(world.cast[role]) for role in OTHERS]
    with nothing_changes():
        for device in attackers:
            assert_problem(device.ask("post", "purchases/verify", body), 404)
        for client in staff:
            assert_problem(ask(client, "post", "/api/v1/purchases/verify", body), 404)
    answer = ask(client_of(world.buyer), "post", "/api/v1/purchases/verify", body)
    assert (answer.status_code, answer.json()["status"]) == (200, "paid")


def test_a_draft_cannot_be_bought_by_whoever_learned_its_id(world):
    client, body = client_of(world.cast["other"]), {"raffle": str(world.draft.pk), "quantity": 1}
    with nothing_changes():
        assert_problem(ask(client, "post", "/api/v1/purchases/create", body), 404, "raffle_not_found")


def test_an_entry_is_not_found_under_another_raffle(world):
    client = client_of(world.buyer)
    for raffle in (world.open, world.cancelled, world.closing):
        path = f"/api/v1/verification/{raffle.pk}/entries/{world.entry}"
        assert_problem(ask(client, "get", path), 404)
    # Nor does an entry's public id stand for the purchase.
    public = ask(client, "get", f"/api/v1/purchases/{world.entry}").json()["entry_id"]
    assert_problem(ask(client, "get", f"/api/v1/purchases/{public}"), 404)


WIDENED = ["buyer={0}", "user={0}", "user_id={0}", "buyer_id={0}", "buyer__email=alice@example.com", "all=1"]


@pytest.mark.parametrize("path", ["purchases/list", "auth/sessions", "users/profile", "users/preferences"])
def test_naming_somebody_else_in_the_query_is_refused(path, world):
    assert world.pending
    assert world.session
    client, alice = client_of(world.cast["other"]), world.buyer

    def asked(query: str, **headers: str) -> Any:
        return ask(client, "get", f"/api/v1/{path}?{query}", **headers)

    assert asked("", **{"X-User-Id": str(alice.pk), "X-User": alice.email}).json() == asked("").json()
    for query in WIDENED:
        assert_problem(asked(query.format(alice.pk)), 400, "invalid", {query.partition("=")[0]})


def test_a_cursor_of_one_person_s_list_shows_another_their_own(world, on_sale, project):
    """A cursor names a place in an order, and no owner."""
    assert world.pending
    for _ in range(2):
        World(world.cast, on_sale, on_sale, project).pending  # noqa: B018 a further purchase of Alice's
    following = ask(client_of(world.buyer), "get", "/api/v1/purchases/list?page_size=1").json()["next"]
    assert ask(client_of(world.cast["other"]), "get", following).json()["results"] == []
