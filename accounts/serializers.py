"""Shapes of what accounts take and give."""

import zoneinfo
from datetime import date
from typing import Any

from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils import timezone
from iso3166 import countries_by_alpha2
from rest_framework import serializers

from accounts.models import Preferences, User

EMAIL_LENGTH = 254


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


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


class RegisterSerializer(serializers.Serializer):
    """A new account."""

    email = serializers.EmailField(max_length=EMAIL_LENGTH)
    password = serializers.CharField(
        max_length=128, trim_whitespace=False, style={"input_type": "password"}, write_only=True
    )
    display_name = serializers.CharField(max_length=80)
    date_of_birth = serializers.DateField()
    country = CountryField()

    def validate_date_of_birth(self, value: date) -> date:
        """Old enough to buy."""
        if _age(value, timezone.now().date()) < settings.MINIMUM_AGE or value.year < 1900:
            raise serializers.ValidationError(
                f"You must be at least {settings.MINIMUM_AGE} years old.", code="too_young"
            )
        return value

    def validate_email(self, value: str) -> str:
        """In lower case, which for some letters is longer."""
        lower = value.lower()
        if len(lower) > EMAIL_LENGTH:
            raise serializers.ValidationError(f"At most {EMAIL_LENGTH} characters.", code="max_length")
        return lower

    def validate_password(self, value: str) -> str:
        """Against every validator, all faults at once, whatever else is wrong with the input."""
        email = self.initial_data.get("email")
        person = User(email=email[:EMAIL_LENGTH] if isinstance(email, str) else "")
        try:
            password_validation.validate_password(value, person)
        except DjangoValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)["non_field_errors"]) from error
        return value


class RegisteredSerializer(serializers.Serializer):
    """What everybody hears after registering."""

    email = serializers.EmailField()
    detail = serializers.CharField()


class TokenSerializer(serializers.Serializer):
    """A token from a mail."""

    token = serializers.CharField(max_length=200)


class LoginSerializer(serializers.Serializer):
    """Credentials."""

    email = serializers.EmailField(max_length=EMAIL_LENGTH)
    password = serializers.CharField(max_length=128, trim_whitespace=False, style={"input_type": "password"})


class RefreshSerializer(serializers.Serializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=2000)


class TokenPairSerializer(serializers.Serializer):
    """The next pair of tokens."""

    access = serializers.CharField(help_text="Send as `Authorization: Bearer …`; good for ten minutes.")
    refresh = serializers.CharField(help_text="Good once.")


class ProfileSerializer(serializers.ModelSerializer):
    """One's own account."""

    country = CountryField()
    email_verified = serializers.BooleanField(source="is_verified", read_only=True)
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ["id", "email", "email_verified", "display_name", "date_of_birth", "country", "roles", "joined_at"]
        read_only_fields = ["id", "email", "date_of_birth", "joined_at"]

    def get_roles(self, user: User) -> list[str]:
        """Names of the groups."""
        return sorted(group.name for group in user.groups.all())


class SignedInSerializer(TokenPairSerializer):
    """Tokens and the person they are for."""

    user = ProfileSerializer()


class PreferencesSerializer(serializers.ModelSerializer):
    """How one wants to be written to and named."""

    marketing_consent = serializers.BooleanField(required=False)

    class Meta:
        model = Preferences
        fields = ["language", "time_zone", "email_purchases", "email_draws", "marketing_consent", "winner_name"]

    def validate_time_zone(self, value: str) -> str:
        """An IANA name."""
        if value not in zoneinfo.available_timezones():
            raise serializers.ValidationError(f"{value} is not an IANA time zone.", code="unknown_time_zone")
        return value
