"""What drf-spectacular cannot see by itself: one path for each action, and the problem documents."""

import re
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from luxewin.api.problems import CONTENT_TYPE

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
    code = serializers.CharField(help_text="Stable, for programs.")
    request_id = serializers.CharField()
    errors = FaultSerializer(  # type: ignore[assignment]  # RFC 9457's example names it so
        many=True, required=False, help_text="Invalid input: every fault."
    )


def one_path_for_each_action(endpoints: list[tuple[Any, ...]], **kwargs: Any) -> list[tuple[Any, ...]]:
    """Leaves out what answers the same: the bare collections (`…/list`, `…/create`) and the trailing slash."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints if not ALIASES.match(path)]


class ProblemSchema(AutoSchema):
    """Adds the problem document as the default answer of every operation."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        responses = super()._get_response_bodies(direction)
        problem = self.resolve_serializer(ProblemSerializer, "response")
        responses["default"] = {
            "description": "Any refusal, as problem details.",
            "content": {CONTENT_TYPE: {"schema": problem.ref}},
        }
        return responses
