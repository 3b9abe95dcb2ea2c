"""The examples of the API's document work when they are sent, with what is real in the place of tokens and names."""

import pytest

from luxewin.tests.asking import client_of
from luxewin.tests.contract.sample_data import World
from luxewin.tests.owasp.surface import Operation, ask, operations

WITH_BODY = [operation for operation in operations() if operation.takes]
# What has to be somebody's.
REAL = {"token", "challenge", "code", "access_token", "refresh", "email", "password", "current_password", "raffle"}
REAL |= {"purchase", "version"}
# A password of a link is a new one; an address to change to is free; who registers is nobody yet.
NEW = {"register": {"email", "password"}, "resetPassword": {"password"}, "changeEmail": {"email"}}


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.facts["operationId"])
def test_an_example_is_taken(operation: Operation, world: World):
    name = operation.facts["operationId"]
    (example,) = operation.facts["requestBody"]["content"]["application/json"]["examples"].values()
    real = operation.body(world)
    body = {
        key: real[key] if key in REAL - NEW.get(name, set()) and key in real else value
        for key, value in example["value"].items()
    }
    raffle = world.open if name == "cancelRaffle" else world.draft
    identifier = world.identity if name == "unlinkIdentity" else raffle.pk
    found = {"prize": world.prize} if "{prize}" in operation.path else {}
    who = world.cast["managers"] if operation.is_for_staff else world.buyer
    answer = ask(client_of(who), operation.verb, operation.filled(id=identifier, **found), body)
    assert answer.status_code < 300, answer.content
