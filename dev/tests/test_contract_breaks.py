"""What breaks clients of the last release is found, and has to be in the change log."""

import subprocess
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev import contract_breaks
from dev.contract_breaks import Break, breaks, released, unsaid

CODE = {"type": "object", "properties": {"code": {"type": "string", "const": "sold_out"}, "left": {"type": "integer"}}}
EARLIER: dict[str, Any] = {
    "paths": {
        "/api/v1/raffles/list": {
            "get": {
                "operationId": "listRaffles",
                "parameters": [
                    {"in": "query", "name": "phase", "schema": {"type": "string", "enum": ["open", "drawn"]}},
                    {"in": "query", "name": "page", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Raffle"}}}},
                    "404": {"content": {}},
                },
            },
            "post": {
                "operationId": "createRaffle",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}},
                "responses": {"201": {}},
            },
        }
    },
    "webhooks": {
        "raffle.drawn": {
            "post": {"requestBody": {"content": {"json": {"schema": {"$ref": "#/components/schemas/Raffle"}}}}}
        }
    },
    "components": {
        "schemas": {
            "Raffle": {
                "type": "object",
                "properties": {
                    "title": {"type": "string"},
                    "phase": {"type": "string", "enum": ["open", "drawn"]},
                    "drawn_at": {"type": ["string", "null"], "format": "date-time"},
                    "image": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                    "prizes": {"type": "array", "items": {"$ref": "#/components/schemas/Prize"}},
                },
                "required": ["title", "phase", "drawn_at", "image", "prizes"],
            },
            "Prize": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "of": {"$ref": "#/components/schemas/Raffle"}},
                "required": ["name"],
            },
            "Body": {
                "type": "object",
                "properties": {"title": {"type": "string", "maxLength": 80}, "price": {"type": "number"}},
                "required": ["title"],
                "additionalProperties": False,
            },
            "SoldOutProblem": CODE | {"required": ["code", "left"]},
        }
    },
}
LIST, CREATE = "GET raffles/list", "POST raffles/list"
Change = Callable[[dict[str, Any]], object]


def _raffle(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Raffle"]["properties"]


def _body(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Body"]


def _operation(document: dict[str, Any], verb: str) -> dict[str, Any]:
    return document["paths"]["/api/v1/raffles/list"][verb]


def _phase(document: dict[str, Any]) -> dict[str, Any]:
    return _operation(document, "get")["parameters"][0]


BREAKING: list[tuple[Change, set[str]]] = [
    (lambda new: new["paths"].clear(), {f"{LIST}: it is gone", f"{CREATE}: it is gone"}),
    (
        lambda new: _operation(new, "get").update(operationId="raffles"),
        {f"{LIST}: its operationId is raffles instead of listRaffles"},
    ),
    (lambda new: _operation(new, "get")["parameters"].pop(0), {f"{LIST}: the parameter phase is gone"}),
    (lambda new: _phase(new).update(required=True), {f"{LIST}: the parameter phase is needed"}),
    (lambda new: _phase(new)["schema"]["enum"].remove("drawn"), {f"{LIST}: phase is no longer drawn"}),
    (
        lambda new: _operation(new, "get")["parameters"][1]["schema"].update(maximum=50),
        {f"{LIST}: maximum of page is 50"},
    ),
    (lambda new: _operation(new, "post").update(responses={"202": {}}), {f"{CREATE}: it does not answer 201"}),
    (lambda new: _operation(new, "post")["requestBody"].update(required=True), {f"{CREATE}: a body is needed"}),
    (lambda new: _body(new)["required"].append("price"), {f"{CREATE}: price is needed"}),
    (lambda new: _body(new)["properties"].pop("price"), {f"{CREATE}: price is not taken"}),
    (lambda new: _body(new)["properties"]["price"].update(type="integer"), {f"{CREATE}: price is number"}),
    (lambda new: _body(new)["properties"]["title"].update(pattern="x"), {f"{CREATE}: title has another pattern"}),
    (
        lambda new: _raffle(new)["drawn_at"].update(type=["integer", "null"]),
        {f"{name}: drawn_at is integer" for name in (LIST, "raffle.drawn")},
    ),
    (
        lambda new: _raffle(new)["image"]["oneOf"].append({"type": "object"}),
        {f"{name}: image is object" for name in (LIST, "raffle.drawn")},
    ),
    (
        lambda new: new["components"]["schemas"]["Prize"]["properties"].pop("of"),
        {f"{name}: prizes[].of is gone" for name in (LIST, "raffle.drawn")},
    ),
    (
        lambda new: new["components"]["schemas"]["Raffle"]["required"].remove("title"),
        {f"{name}: title is not always there" for name in (LIST, "raffle.drawn")},
    ),
    (lambda new: new["webhooks"].clear(), {"raffle.drawn: it is gone"}),
    (
        lambda new: new["components"]["schemas"]["SoldOutProblem"]["required"].remove("left"),
        {"sold_out: left is not always there"},
    ),
]


@pytest.mark.parametrize(("change", "said"), BREAKING, ids=[min(said) for _, said in BREAKING])
def test_what_breaks_a_client_is_found(change, said):
    later = deepcopy(EARLIER)
    change(later)
    assert {str(each) for each in breaks(EARLIER, later)} == said


def test_what_is_added_or_allowed_more_breaks_nothing():
    later = deepcopy(EARLIER)
    later["paths"]["/api/v1/winners/list"] = _operation(later, "get")
    _operation(later, "get")["parameters"].append({"in": "query", "name": "search", "schema": {"type": "string"}})
    _phase(later)["schema"]["enum"].append("upcoming")
    _raffle(later)["phase"]["enum"].append("upcoming")
    _raffle(later)["slug"] = {"type": "string"}
    _raffle(later)["drawn_at"]["type"] = "string"
    # The same in another form.
    _raffle(later)["image"] = {"type": ["string", "null"]}
    _body(later)["properties"]["slug"] = {"type": "string"}
    _body(later)["properties"]["title"]["maxLength"] = 120
    _body(later)["required"].clear()
    del _operation(later, "get")["responses"]["404"]
    assert breaks(EARLIER, later) == []


def test_the_contract_of_today_breaks_nothing_of_itself_and_all_of_it_is_read():
    text = (contract_breaks.PROJECT / contract_breaks.CONTRACT).read_text()
    today = yaml.load(text, yaml.CSafeLoader)
    assert breaks(today, today) == []
    emptied = today | {"paths": {}, "webhooks": {}}
    assert {each.name for each in breaks(today, emptied)} >= {"GET raffles/list", "POST purchases/create"}


LOG = """# Changelog

## [Unreleased]

### Changed

- `POST raffles/list` is quicker.
- Breaking: `GET raffles/list` has no titles
  any more, and `sold_out` no `left`.

## [1.2.0] - 2027-01-01

- Breaking: `raffle.drawn`.
"""


def test_a_break_has_to_be_named_in_the_change_log_as_one():
    found = [Break(name, "it is gone") for name in (LIST, CREATE, "sold_out", "raffle.drawn")]
    assert {each.name for each in unsaid(found, LOG)} == {CREATE, "raffle.drawn"}
    assert unsaid(found, LOG.replace("[Unreleased]", "[1.3.0]")) == found


def test_the_last_release_is_that_of_the_change_log_and_its_tag(tmp_path, monkeypatch):
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@example.com", *words], cwd=tmp_path, check=True)

    monkeypatch.setattr(contract_breaks, "PROJECT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / contract_breaks.CONTRACT).write_text("released")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "A release")
    with pytest.raises(LookupError, match="git fetch --tags"):
        released(LOG)
    git("tag", "v1.2.0")
    (tmp_path / contract_breaks.CONTRACT).write_text("changed")
    assert released(LOG) == "released"
    assert released("# Changelog\n\n## [Unreleased]\n") is None


def test_it_fails_and_says_what_to_write(tmp_path: Path, capsys):
    text = (contract_breaks.PROJECT / contract_breaks.CONTRACT).read_text()
    earlier = tmp_path / "earlier.yaml"
    earlier.write_text(text)
    assert contract_breaks.main([str(earlier)]) == 0
    earlier.write_text(text.replace("  /api/v1/shop:", "  /api/v1/shops:", 1))
    assert contract_breaks.main([str(earlier)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "GET shops: it is gone",
        "    keep it, or say so in CHANGELOG.md, Unreleased: - Breaking: `GET shops` …",
    ]
