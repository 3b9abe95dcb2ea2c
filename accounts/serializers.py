"""Shapes of what accounts take and give."""

import zoneinfo
from datetime import date
from typing import Any

from django.conf import settings
from django.utils import timezone
from iso3166 import countries_by_alpha2
from rest_framework import serializers

from accounts.models import Preferences, Session, User
from accounts.passwords import faults_of

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


class RegisterSerializer(serializers.Serializer):
    """A new account."""

    email = AddressField()
    password = PasswordField()
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

    def validate_password(self, value: str) -> str:
        """Against every validator, all faults at once, whatever else is wrong with the input."""
        given = {name: self.initial_data.get(name) for name in ("email", "display_name")}
        person = User(**{name: text[:EMAIL_LENGTH] for name, text in given.items() if isinstance(text, str)})
        if faults := faults_of(value, person):
            raise serializers.ValidationError(faults)
        return value


class RegisteredSerializer(serializers.Serializer):
    """What everybody hears after registering."""

    email = serializers.EmailField()
    detail = serializers.CharField()


class AddressSerializer(serializers.Serializer):
    """Where a mail is asked for."""

    email = AddressField()


class SaidSerializer(serializers.Serializer):
    """What is said to a person."""

    detail = serializers.CharField()


class ResetSerializer(serializers.Serializer):
    """A new password with the token of a mail."""

    token = serializers.CharField(max_length=200)
    password = PasswordField()


class ChangePasswordSerializer(serializers.Serializer):
    """A new password with the old one."""

    current_password = PasswordField()
    new_password = PasswordField()


class ChangeEmailSerializer(serializers.Serializer):
    """A new address, and the password again."""

    email = AddressField()
    password = PasswordField()


class EmailChangeSerializer(SaidSerializer):
    """How far a change of address has come."""

    changed = serializers.BooleanField(help_text="False while the other address has not said yes.")


class TokenSerializer(serializers.Serializer):
    """A token from a mail."""

    token = serializers.CharField(max_length=200)


class LoginSerializer(serializers.Serializer):
    """Credentials."""

    email = AddressField()
    password = PasswordField()
    mode = serializers.ChoiceField(
        ["bearer", "cookie"],
        default="bearer",
        help_text="`bearer` shows the tokens; `cookie` has the browser keep them, and needs `X-CSRFToken`.",
    )


class CsrfSerializer(serializers.Serializer):
    """For the header X-CSRFToken."""

    csrf_token = serializers.CharField()


class RefreshSerializer(serializers.Serializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=2000, required=False, help_text="Left out in cookie mode.")


class TokenPairSerializer(serializers.Serializer):
    """The next pair of tokens; in cookie mode they are not shown."""

    access = serializers.CharField(required=False, help_text="Send as `Authorization: Bearer …`; good for ten minutes.")
    refresh = serializers.CharField(required=False, help_text="Good once.")


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

    user = ProfileSerializer(required=False)


class SessionSerializer(serializers.ModelSerializer):
    """A device that is signed in."""

    device = serializers.CharField(help_text="For example `Firefox on Windows`; what the device said of itself.")
    place = serializers.CharField(help_text="The network it signed in from, for example `203.0.113.0/24`.")
    current = serializers.SerializerMethodField(help_text="The device that asks.")

    class Meta:
        model = Session
        fields = ["id", "device", "place", "created_at", "last_used_at", "current"]
        extra_kwargs = {"last_used_at": {"help_text": "When it last fetched tokens."}}

    def get_current(self, session: Session) -> bool:
        """By the session of the asking access token."""
        return session.pk == self.context["current"]


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
