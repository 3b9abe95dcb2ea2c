"""Serializers of the second factor."""

from rest_framework import serializers

from accounts.serializers.fields import CodeField, PasswordField
from luxewin.api.serializers import InputSerializer


class SecondFactorSerializer(serializers.Serializer):
    """The state of your second factor."""

    enrolled = serializers.BooleanField(help_text="Whether signing in needs a code.")
    recovery_codes_left = serializers.IntegerField()
    mandatory = serializers.BooleanField(
        help_text="Whether the person's role needs it, so that it cannot be switched off."
    )


class OfferSerializer(InputSerializer):
    """The password again; and a code of the current authenticator, if there is one."""

    password = PasswordField()
    code = CodeField(required=False)


class OfferedSerializer(serializers.Serializer):
    """A new secret in three forms; it takes effect once a code of it is confirmed, and is not shown again."""

    uri = serializers.CharField(
        source="config_url", help_text="`otpauth://totp/…`, a link that opens an app on a phone."
    )
    secret = serializers.CharField(help_text="To type into an app (base32).")
    qr_svg = serializers.CharField(help_text="To scan with an app (an SVG image).")


class CodeSerializer(InputSerializer):
    """A code."""

    code = CodeField()


class BothSerializer(InputSerializer):
    """The password again, and a code."""

    password = PasswordField()
    code = CodeField()


class RecoveryCodesSerializer(serializers.Serializer):
    """Codes for when the phone is lost; each works once. They are not shown again."""

    recovery_codes = serializers.ListField(child=serializers.CharField())
