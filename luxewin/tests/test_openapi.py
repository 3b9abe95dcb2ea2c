"""The API's own description, and the pages that show it from local assets."""

import os
import re
import subprocess
import sys
import warnings
from functools import partial

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from luxewin.api.contract import problems_of
from luxewin.api.operation_ids import OPERATION_IDS
from luxewin.api.schema import ALIASES
from luxewin.management.commands import contract
from luxewin.urls import router

PRODUCTION = settings.BASE_DIR / ".ci" / "production.env"


@pytest.fixture(scope="module")
def document() -> dict:
    """The document, made without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(made)
    return made


def test_the_document_is_made_without_a_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))
    assert "openapi: 3.1" in (tmp_path / "schema.yaml").read_text()


def _operations(document: dict) -> list[tuple[str, str, dict]]:
    return [
        (path, verb, facts)
        for path, verbs in document["paths"].items()
        for verb, facts in verbs.items()
        if isinstance(facts, dict)
    ]


def test_every_action_of_the_router_is_in_the_document(document):
    described = {(path, verb) for path, verb, _ in _operations(document)}
    for pattern in router.urls:
        path = "/api/v1/" + re.sub(
            r"\(\?P<(\w+)>.*?\)(?=/|$)", r"{\1}", str(pattern.pattern).strip("^").removesuffix("/?$")
        )
        path = path.replace("\\.", ".").replace("{pk}", "{id}")
        if ALIASES.match(path):
            continue
        for verb in set(pattern.callback.actions) - {"head"}:
            assert (path, verb) in described, (path, verb)


def test_the_document_has_nothing_that_is_not_there(document):
    resolver = get_resolver()
    for path, _, _ in _operations(document):
        resolver.resolve(re.sub(r"\{\w+\}", "00000000-0000-7000-8000-000000000000", path))


def test_every_operation_has_a_name_a_summary_and_its_refusals_by_code(document):
    names = [facts["operationId"] for _, _, facts in _operations(document)]
    assert len(set(names)) == len(names)
    assert set(OPERATION_IDS.values()) <= set(names)
    for path, verb, facts in _operations(document):
        assert re.fullmatch("[a-z]+([A-Z][a-z]+)*", facts["operationId"])
        assert len(facts["summary"]) < 120, (verb, path)
        if facts["operationId"] in OPERATION_IDS.values():
            assert {"BadRequestProblem", "InvalidProblem", "UnavailableProblem"} <= problems_of(facts, document)


def test_a_refusal_has_its_code_status_and_members_typed(document):
    schemas = document["components"]["schemas"]
    sold_out = schemas["NotEnoughLeftProblem"]
    assert sold_out["properties"]["code"]["const"] == "not_enough_left"
    assert sold_out["properties"]["status"]["const"] == 409
    assert sold_out["properties"]["left"] == {"type": "integer"}
    assert sold_out["additionalProperties"] is False
    assert set(sold_out["required"]) == set(sold_out["properties"])


def test_the_files_are_as_the_code_has_them_and_stale_ones_fail():
    """In the production's settings, as `make contract` makes them."""
    given = dict(line.split("=", 1) for line in PRODUCTION.read_text().splitlines() if line and line[0] != "#")
    run = partial(subprocess.run, capture_output=True, text=True, env=given | {"PATH": os.environ["PATH"]})
    made = run([sys.executable, "manage.py", "contract", "--check"], cwd=settings.BASE_DIR)
    assert made.returncode == 0, made.stderr


def test_a_stale_file_fails(monkeypatch, tmp_path):
    (tmp_path / "openapi.yaml").write_text("openapi: 3.0.0")
    monkeypatch.setattr(contract, "files", lambda: {tmp_path / "openapi.yaml": "openapi: 3.1.0"})
    with pytest.raises(CommandError, match="is stale"):
        call_command("contract", "--check")
    call_command("contract")
    call_command("contract", "--check")


@pytest.mark.parametrize(
    ("verb", "path", "statuses"),
    [
        ("post", "auth/login", {"401", "403", "413", "415", "429"}),
        ("post", "purchases/create", {"403", "404", "409", "422", "429"}),
        ("get", "verification/{raffle}/bundle", {"404", "409", "429"}),
        ("post", "raffles/{id}/publish", {"403", "404", "409"}),
        ("post", "auth/register", {"400", "413", "415", "429"}),
        ("get", "raffles/list", {"200", "304", "400", "406", "429", "503"}),
    ],
)
def test_what_an_operation_reads_and_asks_for_decides_which(verb, path, statuses, document):
    given = set(document["paths"][f"/api/v1/{path}"][verb]["responses"])
    assert statuses <= given
    assert ("422" in given) == (path == "purchases/create")
    # Nothing that cannot happen.
    assert ("415" in given) == (verb == "post")
    assert ("401" in given) == (path not in {"auth/register", "raffles/list", "verification/{raffle}/bundle"})
    assert ("403" in given) == (verb == "post" and path != "auth/register")
    assert ("409" in given) == (path not in {"auth/login", "auth/register", "raffles/list"})


def test_writing_operations_that_read_a_body_describe_it(document):
    without_body = {"/api/v1/raffles/{id}/publish", "/api/v1/users/export", "/api/v1/purchases/{id}/cancel"}
    without_body.add("/api/v1/users/notifications/{id}/read")
    for path, verb, facts in _operations(document):
        if verb in {"post", "patch"} and path not in without_body:
            assert facts["requestBody"]["content"]["application/json"]["schema"], (verb, path)


def test_buying_asks_for_its_idempotency_key(document):
    parameters = document["paths"]["/api/v1/purchases/create"]["post"]["parameters"]
    assert ("Idempotency-Key", "header", True) in {
        (each["name"], each["in"], each.get("required")) for each in parameters
    }


def test_the_document_is_served(db):
    response = Client().get("/api/v1/schema?format=json")
    assert response.json()["openapi"].startswith("3.1")


def test_the_document_is_made_once_whatever_whoever_asks_for_it_adds(monkeypatch, db):
    first = Client().get("/api/v1/schema?format=json").content
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *args, **options: pytest.fail("it is made again"))
    assert Client().get("/api/v1/schema?format=json").content == first
    for more in ("version=x", "lang=de", "x=1"):
        assert Client().get(f"/api/v1/schema?format=json&{more}").status_code == 400


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_pages_of_the_documentation_need_nobody_else(page, db):
    response = Client().get(f"/api/v1/{page}")
    text = response.content.decode()
    assert response.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(assets) >= 1
    for asset in assets:
        assert asset.startswith("/"), asset
        answer = Client().get(asset)
        assert answer.status_code == 200, asset
        answer.close()
    # What the policy would not let a browser run does not stand in the page.
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", text) == []
    policy = response["Content-Security-Policy"]
    assert "http" not in policy.replace("https:;", "")
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_first_page_links_to_what_is_there(db, examined):
    text = Client().get("/").content.decode()
    links = set(re.findall(r'href="(/[^"]*)"', text))
    assert {"/api/v1/docs", "/api/v1/redoc", "/admin/", "/health/ready"} <= links
    for link in links:
        if not link.startswith("/static/"):
            assert Client().get(link, follow=True).status_code == 200, link
