"""The OpenAPI document beyond what drf-spectacular makes: names, refusals with their problem documents, headers."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework import serializers

from luxewin.api.examples import EXAMPLES
from luxewin.api.json_schemas import INTEGER, TEXT
from luxewin.api.operation_ids import OPERATION_IDS
from luxewin.api.problems import CONTENT_TYPE
from luxewin.api.refusals import CSRF_FAILED, SIGN_IN_NEEDED, Refusal, refusals_of
from luxewin.api.serializers import StrictFields

ALIASES = re.compile(r"^/api/v1/(?:(?:raffles|purchases|verification|winners)|shop/list)/?$")
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "schema": TEXT,
    "description": "The `ETag` of an earlier answer. If it is still the same, the answer is 304 without a body.",
}
CSRF_TOKEN = {
    "name": "X-CSRFToken",
    "in": "header",
    "schema": TEXT,
    "description": "In cookie mode: the token of `auth/csrf`. Not needed with a bearer token.",
}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "Tell it to support: the log has it.", "schema": TEXT},
    "Retry-After": {"description": "Seconds to wait before the same request.", "schema": INTEGER},
    "WWW-Authenticate": {"description": "The scheme: `Bearer`.", "schema": TEXT},
    "ETag": {"description": "Changes with the answer; for `If-None-Match`.", "schema": TEXT},
    "Cache-Control": {"description": "How long a cache may keep the answer.", "schema": TEXT},
}
#: A response of up to so many codes becomes a component, for other operations have it too.
SHARED = 3
SIGN_IN_CODES = sorted(refusal.code for refusal in SIGN_IN_NEEDED)
FILES: dict[str, Any] = {
    "/.well-known/jwks.json": {
        "get": {
            "operationId": "getKeys",
            "summary": "Get the public keys that access tokens are signed with",
            "description": "A JSON Web Key Set (RFC 7517) of Ed25519 keys.",
            "tags": ["auth"],
            "security": [],
            "responses": {
                "200": {
                    "description": "OK",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
                                "required": ["keys"],
                            }
                        }
                    },
                },
                "405": {"description": "Method Not Allowed"},
            },
        }
    },
    "/api/v1/schema": {
        "get": {
            "operationId": "getDocument",
            "summary": "Get this document",
            "description": "OpenAPI 3.1, as YAML or JSON by `Accept` or `format`.",
            "tags": ["documentation"],
            "security": [],
            "parameters": [{"name": "format", "in": "query", "schema": {"type": "string", "enum": ["json", "yaml"]}}],
            "responses": {
                "200": {
                    "description": "OK",
                    "content": {
                        "application/vnd.oai.openapi": {"schema": TEXT},
                        "application/vnd.oai.openapi+json": {"schema": {"type": "object"}},
                    },
                },
                "406": {"$ref": "#/components/responses/Refused406NotAcceptable"},
            },
        }
    },
}
WAITING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


class FaultSerializer(serializers.Serializer):
    """One fault of the input."""

    field = serializers.CharField(help_text="Path to the field, nested names joined by dots; empty for the whole body.")
    code = serializers.CharField()
    detail = serializers.CharField()


def one_path_for_each_action(endpoints: list[tuple[Any, ...]], **kwargs: Any) -> list[tuple[Any, ...]]:
    """Leave out duplicate paths: the bare collections (`…/list`, `…/create`) and the trailing slash."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints if not ALIASES.match(path)]


def name_webhooks_and_files(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Name what no view of the router makes: webhooks, which need no sign-in of ours, the keys and the document."""
    for name, verbs in result.get("webhooks", {}).items():
        words = "".join(word.title() for word in name.split("."))
        verbs["post"] |= {"operationId": f"on{words}", "security": []}
    result["paths"] |= FILES
    return result


class ContractSchema(AutoSchema):
    """Name every operation, and add every refusal that it can give; no other refusals happen."""

    def get_operation_id(self) -> str:
        """Return the name that generated clients give the operation. Raise KeyError for one without."""
        if self.view is None or not hasattr(self.view, "action"):
            return super().get_operation_id()
        return OPERATION_IDS[f"{self.method} {self.path.removeprefix('/api/v1/')}"]

    def get_summary(self) -> str | None:
        """Return the first sentence of the action's docstring, which stands in lists of operations."""
        return super().get_summary() or _sentences(super().get_description())[0]

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Add the headers that every operation of this kind reads."""
        made = super()._get_parameters()
        if self._is_of_a_webhook():
            return made
        if self._is_public_read():
            made.append(IF_NONE_MATCH)
        if any(refusal.code == CSRF_FAILED.code for refusal in self._refusals()):
            made.append(CSRF_TOKEN)
        return sorted(made, key=lambda each: (each["in"], each["name"]))

    def _get_request_body(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Add the operation's example. Raise KeyError for an operation with a body and none."""
        body = super()._get_request_body(*args, **kwargs)
        if body and not self._is_of_a_webhook():
            for content in body["content"].values():
                content["examples"] = {"typical": {"value": EXAMPLES[self.get_operation_id()]}}
        return body

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        if self._is_of_a_webhook():  # which others answer
            return responses
        for status, answer in responses.items():
            answer["description"] = answer["description"] or HTTPStatus(int(status)).phrase
            names = ["X-Request-ID", *(["ETag", "Cache-Control"] if self._is_public_read() else [])]
            answer["headers"] = answer.get("headers", {}) | self._headers(names)
        if self._is_public_read():
            responses["304"] = {"description": "Not Modified", "headers": self._headers(["X-Request-ID", "ETag"])}
        for status, refusals in groupby(self._refusals(), lambda refusal: refusal.status):
            responses[str(status)] = self._refused(status, list(refusals))
        return responses

    def _refusals(self) -> list[Refusal]:
        key = any(getattr(each, "name", "") == "Idempotency-Key" for each in self.get_override_parameters())
        return refusals_of(self.view, self.method, in_path="{" in self.path, has_key=key)

    def _refused(self, status: int, refusals: list[Refusal]) -> dict[str, Any]:
        """Return the response of one status, a component of its own if it has one code."""
        names = ["X-Request-ID"]
        if status in WAITING or any(refusal.code == "request_in_flight" for refusal in refusals):
            names.append("Retry-After")
        if status == HTTPStatus.UNAUTHORIZED:
            names.append("WWW-Authenticate")
        made = [self._problem(refusal) for refusal in refusals]
        schema: dict[str, Any] = made[0].ref
        if len(made) > 1:
            mapping = {refusal.code: each.ref["$ref"] for refusal, each in zip(refusals, made, strict=True)}
            discriminator = {"propertyName": "code", "mapping": mapping}
            schema = {"oneOf": [each.ref for each in made], "discriminator": discriminator}
        said = "; ".join(f"`{refusal.code}`" for refusal in refusals)
        body = {
            "description": f"{HTTPStatus(status).phrase}: {said}",
            "headers": self._headers(names),
            "content": {CONTENT_TYPE: {"schema": schema}},
        }
        codes = [refusal.code for refusal in refusals]
        if len(codes) > SHARED and codes != SIGN_IN_CODES:
            return body
        name = "RefusedSignIn" if codes == SIGN_IN_CODES else f"Refused{status}{''.join(map(camel, codes))}"
        return self._component(name, ResolvedComponent.RESPONSE, body).ref

    def _problem(self, refusal: Refusal) -> ResolvedComponent:
        """Return the schema of one code's problem document: a closed set of members, each of its type."""
        standard: dict[str, Any] = {
            "type": {"type": "string", "const": f"urn:luxewin:problem:{refusal.code}"},
            "title": TEXT,
            "status": {"type": "integer", "const": refusal.status},
            "detail": TEXT | {"description": "For the person."},
            "code": {"type": "string", "const": refusal.code},
            "request_id": TEXT,
        }
        members: dict[str, Any] = dict(refusal.members)
        if refusal.code == "invalid":
            fault = self.resolve_serializer(FaultSerializer, "response").ref
            members = {"errors": {"type": "array", "items": fault, "minItems": 1}}
        body = {
            "type": "object",
            "description": refusal.about,
            "properties": standard | members,
            "required": [*standard, *members],
            "additionalProperties": False,
        }
        return self._component(f"{camel(refusal.code)}Problem", ResolvedComponent.SCHEMA, body)

    def _headers(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: self._component(name, "headers", HEADERS[name]).ref for name in names}

    def _component(self, name: str, kind: str, body: dict[str, Any]) -> ResolvedComponent:
        component = ResolvedComponent(name, kind, body, name)
        self.registry.register_on_missing(component)
        return component

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        """Require every field of answers, which always have all; close bodies, which take no other fields."""
        made = super()._map_basic_serializer(serializer, direction)
        if direction == "response":
            if made.get("properties"):
                made["required"] = list(made["properties"])
            # One of two forms, of which the other has more.
            if getattr(serializer, "is_closed", False):
                made["additionalProperties"] = False
        elif isinstance(serializer, StrictFields):
            made["additionalProperties"] = False
        return made

    def _is_public_read(self) -> bool:
        return hasattr(getattr(self.view, self.view.action), "public_read")  # type: ignore[attr-defined]

    def _is_of_a_webhook(self) -> bool:
        return not hasattr(self.view, "action")


def camel(code: str) -> str:
    """Return `SoldOut` for `sold_out`."""
    return "".join(word.title() for word in code.split("_"))


def _sentences(text: str) -> list[str]:
    """Return the sentences of the first paragraph; a dot within code ends none."""
    first = " ".join(text.partition("\n\n")[0].split())
    return [part.rstrip(".") for part in re.split(r"(?<=[.;])\s+(?=[A-Z`0-9])", first)]
