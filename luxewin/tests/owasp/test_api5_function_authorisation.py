"""API5, broken function level authorisation: no other spelling of a request does what its plain form may not.

Who may do what, verb by verb and role by role: luxewin/tests/test_permissions.py, for the API and the back office. Here
an attacker tries to come to the same functions by another way.
"""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from luxewin.tests.asking import assert_problem, client_of
from luxewin.tests.contract.sample_data import World
from luxewin.tests.owasp.surface import Operation, ask, nothing_changes, operations

STAFF = [operation for operation in operations() if operation.is_for_staff]
WRITES = [operation for operation in operations() if operation.writes]
VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "trace", "connect", "propfind", "foo")
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method")
BY_PATH: dict[str, set[str]] = {}
for operation in operations():
    BY_PATH.setdefault(operation.path, set()).add(operation.verb)


@pytest.mark.parametrize("path", BY_PATH)
def test_a_path_answers_to_its_own_verbs_alone(path, world: World):
    """As the superuser, who lacks no right."""
    client = client_of(world.cast["root"])
    allowed = BY_PATH[path] | ({"head"} if "get" in BY_PATH[path] else set())
    ids = {"id": world.draft.pk, "raffle": world.open.pk}
    filled = re.sub(r"\{(\w+)\}", lambda name: str(ids.get(name[1], world.entry)), path)
    with nothing_changes():
        # OPTIONS says to anybody which verbs there are.
        named = {each.strip().lower() for each in client_of().options(filled)["Allow"].split(",")}
        assert named - {"head", "options"} == BY_PATH[path]
        for verb in set(VERBS) - allowed - {"options"}:
            answer = client.generic(verb.upper(), filled, b"{}", "application/json")
            assert answer.status_code == 405, verb
            named = {each.strip().lower() for each in answer["Allow"].split(",")}
            assert named - {"head", "options"} <= BY_PATH[path], verb


@pytest.mark.parametrize("operation", WRITES, ids=lambda operation: operation.name)
def test_a_verb_named_elsewhere_is_not_heard(operation: Operation, world: World):
    """Proxies and frameworks that hear it let a GET write, past every rule that is for POST."""
    who = world.cast["managers"] if operation.is_for_staff else world.buyer
    body, path = operation.body(world), operation.filled(id=world.draft.pk)
    client = client_of(who)
    plain = client.get(path).status_code
    with nothing_changes():
        for header in OVERRIDES:
            assert client.get(path, headers={header: operation.verb.upper()}).status_code == plain
        for name in ("_method", "_httpmethod", "x-http-method-override"):
            # Public reads refuse parameters that they do not know.
            assert client.get(f"{path}?{name}={operation.verb}").status_code in {plain, 400}
            if operation.takes:
                form = f"{name}={operation.verb}&" + "&".join(f"{key}={value}" for key, value in body.items())
                answer = client.post(path, form, content_type="application/x-www-form-urlencoded")
                assert answer.status_code in {404, 405, 415}


@pytest.fixture
def pretenders(world: World) -> list[Any]:
    """Everyone who manages no raffles."""
    return [client_of(world.cast[role]) for role in ("anonymous", "other", "finance", "support", "auditors")]


def _spellings(path: str) -> list[str]:
    """Ways to write a path that a proxy, a rule or a router may read as another."""
    app, rest = path.removeprefix("/api/v1/").split("/", 1)
    encoded = "".join(f"%{ord(letter):02x}" for letter in rest[-4:])
    return [
        f"{path}/",
        f"{path}//",
        f"/{path}",
        f"/api/v1//{app}/{rest}",
        f"/api//v1/{app}/{rest}",
        f"/api/v1/{app}//{rest}",
        f"/api/v1/./{app}/{rest}",
        f"/api/v1/x/../{app}/{rest}",
        f"/api/v1/auth/%2e%2e/{app}/{rest}",
        f"/api/v1/{app}/..;/{app}/{rest}",
        f"/api/v1/{app}/{rest};a=b",
        f"/api/v1/{app};a=b/{rest}",
        f"/api/v1/{app}/{rest}%00",
        f"/api/v1/{app}/{rest}%20",
        f"/api/v1/{app}/{rest}.json",
        f"/api/v1/{app}/{rest}?format=json",
        f"/api/v1/{app}/{rest[:-4]}{encoded}",
        f"/api/v1/{app}%2f{rest}",
        f"/api/v1\\{app}\\{rest}",
        f"/API/V1/{app}/{rest}",
        f"/api/v1/{app.upper()}/{rest}",
        f"/api/v2/{app}/{rest}",
        f"/api/{app}/{rest}",
        f"/{app}/{rest}",
        f"/health/../api/v1/{app}/{rest}",
    ]


@pytest.mark.parametrize("operation", STAFF, ids=lambda operation: operation.name)
def test_another_spelling_of_a_path_gives_no_other_rights(operation: Operation, world: World, pretenders):
    body = operation.body(world)
    for raffle in (world.draft, world.open):
        paths = _spellings(operation.filled(id=raffle.pk))
        with nothing_changes():
            for client in pretenders:
                for path in paths:
                    answer = ask(client, operation.verb, path, body)
                    assert answer.status_code in {400, 401, 403, 404, 405}, path


HEADERS = {
    "X-Original-URL": "/api/v1/raffles/list",
    "X-Rewrite-URL": "/api/v1/raffles/list",
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1",
    "Client-IP": "127.0.0.1",
    "X-Forwarded-User": "root@example.com",
    "X-Remote-User": "root@example.com",
    "Remote-User": "root@example.com",
    "X-Forwarded-Email": "root@example.com",
    "X-Roles": "raffle managers",
    "X-Admin": "true",
    "Referer": "http://localhost/admin/",
    "Cookie": "is_staff=1; role=admin; admin=true",
}


@pytest.mark.parametrize("operation", STAFF, ids=lambda operation: operation.name)
def test_no_header_makes_anybody_somebody_else(operation: Operation, world: World, pretenders, settings):
    settings.TRUSTED_PROXIES = 1
    path, body = operation.filled(id=world.draft.pk), operation.body(world)
    with nothing_changes():
        for client in pretenders:
            for name, value in HEADERS.items():
                assert_problem(ask(client, operation.verb, path, body, **{name: value}), 403 if _known(client) else 401)


def _known(client: Any) -> bool:
    return bool(client._credentials)


def test_a_role_is_gone_with_the_next_request(world: World):
    """Rights are read with each request: none is in the token."""
    mona = world.cast["managers"]
    assert mona
    client = client_of(mona)
    assert client.patch(f"/api/v1/raffles/{world.draft.pk}", {"title": "Hers"}).status_code == 200
    mona.groups.clear()
    assert_problem(client.patch(f"/api/v1/raffles/{world.draft.pk}", {"title": "Not hers"}), 403)


def _pages(patterns: list[Any], prefix: str) -> list[str]:
    """Every address of the back office, its ids made up."""
    found = []
    for pattern in patterns:
        route = prefix + re.sub(r"<[^>]+>|\(\?P<\w+>[^)]*\)|\.\*", "1", str(pattern.pattern).strip("^$"))
        if isinstance(pattern, URLResolver):
            found += _pages(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            found.append(route)
    return found


# For those who have not come in yet.
DOORS = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}


def test_no_address_of_the_back_office_shows_a_buyer_anything(world: World):
    """Also those that no list links to, found in the URL configuration."""
    pages = {f"/{page}" for page in _pages(get_resolver().url_patterns, "") if page.startswith("admin/")} - DOORS
    assert len(pages) > 2 * len(admin.site._registry)
    for user in (None, world.buyer):
        client = Client(raise_request_exception=False)
        if user:
            client.force_login(user)
        with nothing_changes():
            for page in sorted(pages):
                for answer in (client.get(page), client.post(page, {"action": "delete_selected", "post": "yes"})):
                    assert answer.status_code in {301, 302, 403, 404, 405}, page
                    where = answer.headers.get("Location", "/admin/login")
                    assert where.startswith(("/admin/", "http://testserver/admin/")), page
