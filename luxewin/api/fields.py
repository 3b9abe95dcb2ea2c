"""Fields of the API that DRF does not have."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from luxewin.lines import validate_one_line


class WholeNumber(serializers.IntegerField):
    """An integer given as a JSON number: `"2"` and `2.0` are wrong types, not twos."""

    def to_internal_value(self, data: Any) -> int:
        """Refuses anything but a number without a fraction."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(serializers.CharField):
    """Text on one line: see `luxewin.lines`."""

    default_validators = [validate_one_line]


class Identifier(serializers.UUIDField):
    """A UUID given as text: the number 5 is no id."""

    def to_internal_value(self, data: Any) -> UUID:
        """Refuses anything but text that is a UUID."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
