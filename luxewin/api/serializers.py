"""Serializers of request bodies: a field that they do not have is a fault."""

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

NO_FIELD = "There is no such field."
READ_ONLY = "This field is only shown. It cannot be set."
#: Of more, the first are named: so the answer is not larger than the request.
MOST_NAMED = 100


def named(fields: Iterable[str], detail: str) -> list[dict[str, str]]:
    """Return a fault `unknown` for each of these fields or parameters, of MOST_NAMED at most."""
    return [{"field": name, "code": "unknown", "detail": detail} for name in sorted(fields)[:MOST_NAMED]]


class StrictFields:
    """Refuse unknown and read-only fields, together with all other faults. For input serializers."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields; raise ValidationError that names every fault."""
        if not isinstance(data, dict):
            return super().to_internal_value(data)  # type: ignore[misc]  # of the serializer that this is mixed into
        faults = self._surplus(data)
        try:
            checked = super().to_internal_value(data)  # type: ignore[misc]
        except serializers.ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            raise serializers.ValidationError(faults | error.detail) from error
        if faults:
            raise serializers.ValidationError(faults)
        return checked

    def _surplus(self, data: dict[str, Any]) -> dict[str, Any]:
        fields: dict[str, serializers.Field] = self.fields  # type: ignore[attr-defined]
        taken = {name for name, field in fields.items() if not field.read_only}
        return {
            name: [serializers.ErrorDetail(*((READ_ONLY, "read_only") if name in fields else (NO_FIELD, "unknown")))]
            for name in sorted(data.keys() - taken)[:MOST_NAMED]
        }


class InputSerializer(StrictFields, serializers.Serializer):
    """A request body, or a part of one."""


class InputModelSerializer(StrictFields, serializers.ModelSerializer):
    """A request body that becomes a row."""
