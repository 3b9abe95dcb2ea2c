"""Fields of the API that DRF does not have."""

from typing import Any

from rest_framework import serializers


class WholeNumber(serializers.IntegerField):
    """An integer given as a JSON number: `"2"` and `2.0` are wrong types, not twos."""

    def to_internal_value(self, data: Any) -> int:
        """Refuses anything but a number without a fraction."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)
