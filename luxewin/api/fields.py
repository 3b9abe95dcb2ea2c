"""Serializer fields that DRF does not have."""

from datetime import datetime
from typing import Any
from uuid import UUID

from rest_framework import serializers

from luxewin.lines import validate_one_line


class WholeNumber(serializers.IntegerField):
    """An integer given as a JSON number: `"2"` and `2.0` are refused as wrong types."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse anything but a number without a fraction."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(serializers.CharField):
    """Text on one line, given as a JSON string: see `luxewin.lines`."""

    default_validators = [validate_one_line]

    def to_internal_value(self, data: Any) -> str:
        """Refuse a number."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Digest(serializers.RegexField):
    """A SHA-256 as 64 lower-case hexadecimal digits."""

    default_error_messages = {"invalid": "Send 64 lower-case hexadecimal digits."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[0-9a-f]{64}\Z", trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Refuse a JSON number of 64 digits."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A time with its offset from UTC, without which it would be ambiguous."""

    default_error_messages = {"no_offset": "Give the offset from UTC: 2026-12-01T09:00:00Z, or …+01:00."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"help_text": "With its offset from UTC."} | kwargs))

    def enforce_timezone(self, value: datetime) -> datetime:
        """Return it in UTC; refuse a time without an offset."""
        if value.utcoffset() is None:
            self.fail("no_offset")
        return super().enforce_timezone(value)


class Identifier(serializers.UUIDField):
    """A UUID given as text: the number 5 is no id."""

    def to_internal_value(self, data: Any) -> UUID:
        """Refuse anything but text that is a UUID."""
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
