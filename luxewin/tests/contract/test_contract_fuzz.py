"""Every operation keeps to its own description, whatever it is sent, by whomever.

schemathesis makes the requests from the OpenAPI document: first every boundary that it names, then random ones, good
and bad. Each is sent by whom the operation is for and by one other role, and undone. They are the same ones every
time; `make fuzz` takes others, and more of them.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from zlib import crc32

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from luxewin.tests.contract.sample_data import BODIES, IDS, NEEDED, QUERIES, ROLES, World
from luxewin.tests.owasp.surface import document

# Random requests over all operations; the boundaries come on top, about 40 for each.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "700"))
# Of fewer random requests to an operation, all may well be refused.
ENOUGH = 25
# How often somebody else, whoever that is, sends the same request too.
OTHERS = 1 / 3
SEED = int(os.environ["FUZZ_SEED"]) if "FUZZ_SEED" in os.environ else None
# What a server calls.
APPLICATION = get_wsgi_application()
DOCUMENT = document()
OPERATIONS = [
    f"{verb.upper()} {path}" for path, verbs in DOCUMENT["paths"].items() for verb in verbs if verb != "parameters"
]
# What never succeeds here, and why.
NEVER: dict[str, str] = {}
# Rules that a JSON schema cannot say (between fields, about what there is) refuse what the document allows.
EXCLUDED = [positive_data_acceptance]


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests are made within the test's transaction, as Django's own client makes them."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_answers_as_described(label, world, record_property):
    answers: Counter = Counter()
    cases = 0

    def check(case) -> None:
        nonlocal cases
        cases += 1
        # The same case takes the same turns, whenever it comes.
        chance = random.Random(crc32(repr(case).encode()))
        _fill(case, world, chance)
        answers[_ask(case, world.headers(_home(case)))] += 1
        if chance.random() < OTHERS:
            answers[_ask(case, world.headers(chance.choice(ROLES)))] += 1

    NEEDED.get(_name(label), lambda world: None)(world)
    _many(label, check)()
    good = sum(count for status, count in answers.items() if status < 300)
    record_property("contract", [label, cases, answers.total(), good])
    assert good or label in NEVER or _per_operation() < ENOUGH, (
        f"{label} never succeeded: give it real values in world.py. {answers}"
    )


def _many(label: str, check: Callable[[Case], None]) -> Callable[[], None]:
    """A test of hypothesis' that checks every boundary and as many random requests as this operation has to get.

    schemathesis' own `parametrize` names no operation in the ids of pytest 9.2.
    """
    (operation,) = (result.ok() for result in _schema().include(name=label).get_all_operations())
    limits = settings(
        max_examples=_per_operation(),
        derandomize=SEED is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    config = HypothesisTestConfig(project=_schema().config, modes=list(HypothesisTestMode), settings=limits, seed=SEED)
    return create_test(operation=operation, test_func=limits(check), config=config)


@cache
def _schema() -> Any:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.app = APPLICATION
    # Who is asking is ours to say.
    schema.config.generation.update(with_security_parameters=False)
    return schema


def _per_operation() -> int:
    return max(1, -(-EXAMPLES // len(OPERATIONS)))


def _ask(case: Case, headers: dict[str, str]) -> int:
    """The status of an answer that is as described; what was done is undone."""
    with transaction.atomic():
        response = case.call(headers=headers)
        transaction.set_rollback(True)
    # Of an empty object or list nothing is left in a query.
    nothing_sent = any(value in ({}, [], "") for value in (case.query or {}).values())
    excluded = [*EXCLUDED, negative_data_rejection] if nothing_sent else EXCLUDED
    case.validate_response(response, headers=headers, excluded_checks=excluded)
    if response.status_code >= 400:
        # Also what the document does not describe (405) is refused in the one way.
        assert response.headers["content-type"] == ["application/problem+json"]
        assert response.json()["status"] == response.status_code
    return response.status_code


def _name(label: str) -> str:
    return label.replace("/api/v1/", "")


def _home(case: Case) -> str:
    """Whom the operation is for."""
    return "managers" if _app_of(case) == "raffles" and case.operation.method != "get" else "buyer"


def _app_of(case: Case) -> str:
    return case.path.removeprefix("/api/v1/").partition("/")[0]


def _fill(case: Case, world: World, chance: random.Random) -> None:
    """Puts in what there really is where the made-up value was meant to be good."""
    if _is_good(case, ParameterLocation.PATH) and chance.random() < 0.9:
        for name in case.path_parameters:
            case.path_parameters[name] = chance.choice(IDS[_app_of(case), name](world))
    asked = QUERIES.get(_name(case.operation.label))
    if asked and _is_good(case, ParameterLocation.PATH) and chance.random() < 0.5:
        case.path_parameters["raffle"], case.query = str(world.drawn.pk), asked(world)
    taken = BODIES.get(_name(case.operation.label))
    if taken and _is_good(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        kept = chance.choice([0, 0, 0.2, 1])
        case.body = taken(world) | {name: value for name, value in case.body.items() if chance.random() < kept}


def _is_good(case: Case, where: ParameterLocation) -> bool:
    component = case.meta.components.get(where)
    return component is not None and component.mode == GenerationMode.POSITIVE
