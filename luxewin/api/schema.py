"""Additions for drf-spectacular: one path for each action, and every refusal with its problem document."""

import re
from http import HTTPStatus
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS, AllowAny, IsAuthenticated

from luxewin.api.problems import CONTENT_TYPE
from luxewin.api.ratelimits import is_limited

WITH_BODY = ("POST", "PUT", "PATCH")
ALIASES = re.compile(r"^/api/v1/(raffles|purchases|verification)/?$")


class FaultSerializer(serializers.Serializer):
    """One fault of the input."""

    field = serializers.CharField(help_text="Path to the field, nested names joined by dots; empty for the whole body.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="For programs: it does not change.")
    request_id = serializers.CharField()
    errors = FaultSerializer(  # type: ignore[assignment]  # RFC 9457's example names it so
        many=True, required=False, help_text="For invalid input: every fault."
    )


def one_path_for_each_action(endpoints: list[tuple[Any, ...]], **kwargs: Any) -> list[tuple[Any, ...]]:
    """Leave out duplicate paths: the bare collections (`…/list`, `…/create`) and the trailing slash."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints if not ALIASES.match(path)]


class ProblemSchema(AutoSchema):
    """Add every refusal that an operation can give, by status; no other refusals happen."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        if direction == "request":  # of a webhook, which others answer
            return responses
        return responses | {str(status.value): self._refusal(status).ref for status in sorted(self._refusals())}

    def _refusals(self) -> set[HTTPStatus]:
        """Derive the refusals from what the operation reads and requires, so that no list has to be kept."""
        # A stale token is refused wherever one is read, and actions that read none ignore others.
        found = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_ACCEPTABLE}
        found |= {HTTPStatus.SERVICE_UNAVAILABLE}
        if self.method not in SAFE_METHODS:
            found |= {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
            # Refusals that come only from this view's outside party.
            found |= getattr(self.view, "further_refusals", frozenset())
        if not all(isinstance(each, (AllowAny, IsAuthenticated)) for each in self.view.get_permissions()):
            found.add(HTTPStatus.FORBIDDEN)
        if "{" in self.path:
            found |= {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
        if self.method in WITH_BODY and self.get_request_serializer() is not None:
            found |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
        if any(getattr(each, "name", "") == "Idempotency-Key" for each in self.get_override_parameters()):
            found.add(HTTPStatus.UNPROCESSABLE_ENTITY)
        if is_limited(getattr(self.view, self.view.action)):  # type: ignore[attr-defined]  # all of ours are viewsets
            found.add(HTTPStatus.TOO_MANY_REQUESTS)
        return found

    def _refusal(self, status: HTTPStatus) -> ResolvedComponent:
        problem = self.resolve_serializer(ProblemSerializer, "response")
        body = {"description": status.phrase, "content": {CONTENT_TYPE: {"schema": problem.ref}}}
        component = ResolvedComponent(f"Refusal{status.value}", ResolvedComponent.RESPONSE, body, status)
        self.registry.register_on_missing(component)
        return component
