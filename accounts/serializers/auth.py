"""Shapes of signing up, in and out."""

from datetime import date

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers

from accounts.models import Session, User
from accounts.passwords import faults_of
from accounts.serializers.fields import EMAIL_LENGTH, AddressField, CountryField, PasswordField
from accounts.serializers.users import ProfileSerializer


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


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
