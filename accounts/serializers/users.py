"""Serializers of your own account."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Preferences, User
from accounts.notification_types import ALWAYS, CHANNELS, OPTIONAL, TITLES, all_switches
from accounts.serializers.fields import (
    AddressField,
    BirthDateField,
    CountryField,
    NameField,
    PasswordField,
    RegionField,
)
from accounts.serializers.safeguards import SafeguardsSerializer, safeguards_of
from luxewin.api.serializers import InputModelSerializer, InputSerializer


class ProfileSerializer(InputModelSerializer):
    """Your own account."""

    display_name = NameField()
    country = CountryField()
    region = RegionField()
    date_of_birth = BirthDateField(
        required=False, allow_null=True, help_text="Can be set once. Support can correct it."
    )
    email_verified = serializers.BooleanField(source="has_verified_email", read_only=True)
    roles = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "email_verified",
            "display_name",
            "date_of_birth",
            "country",
            "region",
            "roles",
            "joined_at",
        ]
        read_only_fields = ["id", "email", "joined_at"]

    def get_roles(self, user: User) -> list[str]:
        """Return the names of the groups."""
        return sorted(group.name for group in user.groups.all())


class OwnProfileSerializer(ProfileSerializer):
    """Your own account, with the reasons why you cannot buy."""

    safeguards = serializers.SerializerMethodField()

    class Meta(ProfileSerializer.Meta):
        fields = [*ProfileSerializer.Meta.fields, "safeguards"]

    @extend_schema_field(SafeguardsSerializer)
    def get_safeguards(self, user: User) -> dict[str, Any]:
        """Return the same as `users/safeguards`."""
        return safeguards_of(user.pk)


class ChannelsSerializer(InputSerializer):
    """An event's channels."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """Return one field per channel."""
        return {channel: serializers.BooleanField(required=False) for channel in CHANNELS}


class AlwaysSerializer(ChannelsSerializer):
    """Messages that cannot be switched off."""

    def validate(self, attrs: dict[str, bool]) -> dict[str, bool]:
        """Refuse to switch off any channel; name each one."""
        off = [channel for channel, is_on in attrs.items() if not is_on]
        if off:
            fault = serializers.ErrorDetail(
                "E-mails about your account, payments and prizes cannot be switched off.", "always_on"
            )
            raise serializers.ValidationError({channel: [fault] for channel in off})
        return attrs


class NotificationsSerializer(InputSerializer):
    """The events you are notified of, by channel."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """Return one field per event."""
        events: dict[str, serializers.Field] = {
            name: ChannelsSerializer(required=False, help_text=TITLES[name]) for name in OPTIONAL
        }
        return events | {ALWAYS: AlwaysSerializer(required=False, help_text=TITLES[ALWAYS])}


class PreferencesSerializer(InputModelSerializer):
    """How you want to be written to and named."""

    marketing_consent = serializers.BooleanField(required=False)
    notifications = NotificationsSerializer(required=False)

    class Meta:
        model = Preferences
        fields = [
            "language",
            "time_zone",
            "quiet_from",
            "quiet_until",
            "digest",
            "winner_name",
            "marketing_consent",
            "marketing_consent_at",
            "notifications",
        ]
        read_only_fields = ["marketing_consent_at"]
        extra_kwargs = {
            "quiet_from": {
                "help_text": "In your time zone. From then until quiet_until, results of draws that you did not win "
                "and news of raffles are not sent; your inbox has them at once."
            },
            "quiet_until": {"help_text": "May be on the next day. Null, as quiet_from: no quiet hours."},
            "digest": {
                "help_text": "What quiet hours put off comes by one mail a day for each event, when they end, or at "
                "9:00 in your time zone; your inbox has it at once."
            },
            "winner_name": {
                "help_text": "How the person is named as a winner. A change also applies to earlier draws."
            },
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require both ends of the quiet hours, and that they differ."""
        known = self.instance or Preferences()
        begins, ends = (attrs.get(name, getattr(known, name)) for name in ("quiet_from", "quiet_until"))
        if (begins is None) != (ends is None):
            missing = "quiet_from" if begins is None else "quiet_until"
            fault = serializers.ErrorDetail("Quiet hours have both a beginning and an end.", "required")
            raise serializers.ValidationError({missing: [fault]})
        if begins is not None and begins == ends:
            fault = serializers.ErrorDetail("Quiet hours end at another time than they begin.", "invalid")
            raise serializers.ValidationError({"quiet_until": [fault]})
        return attrs

    def to_representation(self, instance: Preferences) -> dict[str, Any]:
        """Add every switch there is."""
        instance.notifications = all_switches(instance.switched_off)  # type: ignore[attr-defined]
        return super().to_representation(instance)


class ChangePasswordSerializer(InputSerializer):
    """A new password with the old one."""

    current_password = PasswordField()
    new_password = PasswordField()


class ChangeEmailSerializer(InputSerializer):
    """A new address, and the password again."""

    email = AddressField()
    password = PasswordField()
