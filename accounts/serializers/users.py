"""Shapes of one's own account."""

import zoneinfo

from rest_framework import serializers

from accounts.models import Preferences, User
from accounts.serializers.fields import AddressField, CountryField, PasswordField


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


class ChangePasswordSerializer(serializers.Serializer):
    """A new password with the old one."""

    current_password = PasswordField()
    new_password = PasswordField()


class ChangeEmailSerializer(serializers.Serializer):
    """A new address, and the password again."""

    email = AddressField()
    password = PasswordField()
