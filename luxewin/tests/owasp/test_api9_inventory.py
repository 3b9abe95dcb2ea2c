"""API9, improper inventory management: what there is, is described, and there is nothing else.

That the document is made without a warning, has every action of the router and nothing that is not there:
luxewin/tests/test_openapi.py. That it is true: luxewin/tests/contract.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from luxewin.tests.owasp.surface import document, operations

# Everything that is no operation of the API, and whose it is.
INVENTORY = {
    "": "people: the first page",
    "verify-email": "people: a mailed link",
    "verify-email/resend": "people: the page that mails that link again",
    "login": "people: a mailed link",
    "forgot-password": "people: a mailed link",
    "raffles/<str:raffle>": "people: a mailed link",
    "confirm-email": "people: a mailed link",
    "reset-password": "people: a mailed link",
    "unsubscribe": "people: a mailed link, and their mail programs",
    "export": "people: a mailed link",
    "keep-account": "people: a mailed link",
    "verify": "people: the draws",
    "verify/verifier.py": "people: the verifier to download",
    "verify/<str:raffle>": "people: a draw",
    ".well-known/jwks.json": "other services: the keys that sign tokens",
    "health/live": "operators",
    "health/ready": "operators",
    "metrics": "operators, who bear a token",
    "api/v1/schema": "developers: the document",
    "api/v1/docs": "developers: the document",
    "api/v1/redoc": "developers: the document",
    "api/v1/webhooks/stripe/": "Stripe",
    "api/v1/webhooks/mail": "the provider of mail",
}


def _routes(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            # The back office's pages are in the table of permissions.
            if pattern.namespace != "admin":
                yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def _described() -> set[str]:
    return {re.sub(r"\{\w+\}", "{}", operation.path.strip("/")) for operation in operations()}


def _plain(route: str) -> str:
    """As the document writes it."""
    route = re.sub(r"\(\?P<\w+>(?:[^()]|\([^()]*\))*\)", "{}", route.removesuffix("/?$"))
    return route.replace("\\", "")


ALIASES = {"api/v1/shop/list", "api/v1/raffles", "api/v1/purchases", "api/v1/verification", "api/v1/winners"}


def test_every_address_is_described_or_in_the_inventory():
    found = {_plain(route) for route in _routes(get_resolver().url_patterns)}
    unknown = found - _described() - ALIASES - set(INVENTORY)
    assert {route for route in unknown if not route.startswith("api/v1/webhooks/stripe/")} == set()


def test_the_inventory_has_nothing_that_is_gone():
    found = {_plain(route) for route in _routes(get_resolver().url_patterns)}
    gone = {route for route in INVENTORY if not any(known == route or known.startswith(route + "{") for known in found)}
    assert gone - {""} == set()


def test_there_is_one_version_and_nothing_beside_it():
    routes = {route for route in _routes(get_resolver().url_patterns) if route.startswith("api")}
    assert {route.split("/")[1] for route in routes} == {"v1"}
    assert document()["info"]["version"] == "1"


OLD = [
    f"/{prefix}/raffles/list" for prefix in ("api", "api/v0", "api/v2", "api/beta", "api/internal", "api/test", "v1")
]


@pytest.mark.parametrize("path", OLD)
def test_no_other_version_answers(path, db):
    assert Client().get(path).status_code == 404


def test_nothing_is_described_as_old_or_as_a_draft():
    for operation in operations():
        assert not operation.facts.get("deprecated"), operation.name
        words = operation.facts["description"].lower()
        assert not re.search(r"todo|fixme|deprecated|do not use|internal|test only", words), operation.name


def test_every_operation_says_who_may_call_it():
    """Either nobody in particular ({}), or by a token in one of the two modes; nothing is left out."""
    schemes = set(document()["components"]["securitySchemes"])
    assert schemes == {"bearer", "cookie"}
    for operation in operations():
        named = [tuple(each) for each in operation.facts.get("security", [])]
        assert named in ([()], [("bearer",), ("cookie",)], [("bearer",), ("cookie",), ()]), operation.name
