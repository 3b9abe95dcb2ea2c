"""Fields that several shapes share."""

from typing import Any

from iso3166 import countries_by_alpha2
from rest_framework import serializers

EMAIL_LENGTH = 254


class CountryField(serializers.CharField):
    """An ISO 3166-1 alpha-2 code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=2, max_length=2, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Upper case; refuses codes that name no country."""
        code = super().to_internal_value(data).upper()
        if code not in countries_by_alpha2:
            raise serializers.ValidationError(f"{code} is not an ISO 3166-1 alpha-2 code.", code="unknown_country")
        return code


class AddressField(serializers.EmailField):
    """An e-mail address, in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=EMAIL_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """In lower case, which for some letters is longer."""
        lower = super().to_internal_value(data).lower()
        if len(lower) > EMAIL_LENGTH:
            raise serializers.ValidationError(f"At most {EMAIL_LENGTH} characters.", code="max_length")
        return lower


class PasswordField(serializers.CharField):
    """A password, as typed."""

    def __init__(self, **kwargs: Any) -> None:
        style = {"input_type": "password"}
        super().__init__(max_length=128, trim_whitespace=False, style=style, write_only=True, **kwargs)
