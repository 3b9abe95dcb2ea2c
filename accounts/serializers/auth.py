"""Serializers of registration, sign-in and sign-out."""

from datetime import date
from typing import Any

from django.conf import settings
from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers

from accounts.addresses import MAX_LENGTH
from accounts.eligibility import age_of
from accounts.models import Session, User
from accounts.passwords import faults_of
from accounts.serializers.fields import (
    AddressField,
    CodeField,
    CountryField,
    NameField,
    PasswordField,
    RegionField,
)
from accounts.serializers.users import ProfileSerializer
from accounts.services.terms import terms_in_force
from luxewin.api.serializers import InputSerializer


class RegisterSerializer(InputSerializer):
    """A new account."""

    email = AddressField()
    password = PasswordField()
    display_name = NameField()
    date_of_birth = serializers.DateField()
    country = CountryField()
    region = RegionField()
    language = serializers.ChoiceField(
        choices=settings.LANGUAGES,
        required=False,
        help_text="Language of e-mails. By default that of `Accept-Language`.",
    )
    terms_version = serializers.CharField(
        max_length=40,
        required=False,
        help_text="Version of the terms in force (`auth/terms`). Sending it accepts them.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require a region of the country."""
        if attrs.get("region") and not attrs["region"].startswith(f"{attrs['country']}-"):
            said = f"{attrs['region']} is not a region of {attrs['country']}."
            raise serializers.ValidationError({"region": [serializers.ErrorDetail(said, "wrong_country")]})
        return attrs

    def validate_terms_version(self, value: str) -> str:
        """Accept only the version in force."""
        terms = terms_in_force()
        if terms is None or terms.version != value:
            raise serializers.ValidationError(f"{value} are not the terms in force.", code="not_in_force")
        return value

    def validate_date_of_birth(self, value: date) -> date:
        """Require the age to buy, by the latest calendar of the country."""
        country = self.initial_data.get("country")
        place = country.upper() if isinstance(country, str) else ""
        if value.year < 1900 or age_of(value, place) < settings.MINIMUM_AGE:
            raise serializers.ValidationError(
                f"You must be at least {settings.MINIMUM_AGE} years old.", code="too_young"
            )
        return value

    def validate_password(self, value: str) -> str:
        """Run every validator and report all faults at once, whatever else is wrong with the input."""
        given = {name: self.initial_data.get(name) for name in ("email", "display_name")}
        person = User(**{name: text[:MAX_LENGTH] for name, text in given.items() if isinstance(text, str)})
        if faults := faults_of(value, person):
            raise serializers.ValidationError(faults)
        return value


class RegisteredSerializer(serializers.Serializer):
    """The answer to every registration."""

    email = serializers.EmailField()
    detail = serializers.CharField()


class AddressSerializer(InputSerializer):
    """The address to send a mail to."""

    email = AddressField()


class SaidSerializer(serializers.Serializer):
    """A message to a person."""

    detail = serializers.CharField()


class ResetSerializer(InputSerializer):
    """A new password with the token of a mail."""

    token = serializers.CharField(max_length=200)
    password = PasswordField()


class EmailChangeSerializer(SaidSerializer):
    """The progress of a change of address."""

    changed = serializers.BooleanField(help_text="False until the link to the other address is opened too.")


class TokenSerializer(InputSerializer):
    """A token from a mail."""

    token = serializers.CharField(max_length=200)


class VerifyEmailSerializer(TokenSerializer):
    """A token from a verification mail, and the password: the one chosen at registration, or a new one."""

    password = PasswordField(
        required=False, help_text="The password of the registration, to keep what was entered. Or send `new_password`."
    )
    new_password = PasswordField(
        required=False,
        help_text="For people who did not register themselves, or forgot the password. What was entered is deleted: "
        "enter name, date of birth and country again (`users/profile`).",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require one of the two."""
        if ("password" in attrs) == ("new_password" in attrs):
            said = "Send either the password that you registered with or a new_password."
            code = "one_of" if "password" in attrs else "required"
            raise serializers.ValidationError({"password": [serializers.ErrorDetail(said, code)]})
        return attrs


class SignInSerializer(InputSerializer):
    """How the session's tokens are delivered."""

    mode = serializers.ChoiceField(
        ["bearer", "cookie"],
        default="bearer",
        help_text="`bearer` returns the tokens. `cookie` keeps them in the browser and needs `X-CSRFToken`.",
    )


class LoginSerializer(SignInSerializer):
    """Credentials."""

    email = AddressField()
    password = PasswordField()
    code = CodeField(required=False)


class SecondStepSerializer(SignInSerializer):
    """The code that a sign-in with a second factor still needs."""

    challenge = serializers.CharField(
        max_length=500, help_text="The `challenge` of the answer `second_factor_required` (401)."
    )
    code = CodeField()


class SupabaseSerializer(SignInSerializer):
    """A Supabase access token."""

    access_token = serializers.CharField(
        max_length=8192, help_text="`session.access_token` of supabase-js, not its refresh token."
    )


class CsrfSerializer(serializers.Serializer):
    """The token for the header X-CSRFToken."""

    csrf_token = serializers.CharField()


class RefreshSerializer(InputSerializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=2000, required=False, help_text="Not needed in cookie mode.")


class CookieTokensSerializer(serializers.Serializer):
    """In cookie mode the tokens are in cookies, and the answer is empty."""

    is_closed = True


class TokensSerializer(serializers.Serializer):
    """The next pair of tokens."""

    access = serializers.CharField(help_text="Send as `Authorization: Bearer …`. Works for ten minutes.")
    refresh = serializers.CharField(help_text="Exchange it once for the next pair (`auth/refresh`).")


class CookieSignedInSerializer(serializers.Serializer):
    """In cookie mode the tokens are in cookies; the person they are for."""

    is_closed = True
    user = ProfileSerializer()


class SignedInSerializer(TokensSerializer):
    """Tokens and the person they are for."""

    user = ProfileSerializer()


def _by_mode(name: str, *serializers_by_mode: type[serializers.Serializer]) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(name, list(serializers_by_mode), resource_type_field_name=None)


# For the API's document: what answers have in either mode.
SIGNED_IN = _by_mode("SignedInByMode", SignedInSerializer, CookieSignedInSerializer)
TOKENS = _by_mode("TokensByMode", TokensSerializer, CookieTokensSerializer)


class ConfirmSerializer(InputSerializer):
    """The password again."""

    password = PasswordField()


class SessionSerializer(serializers.ModelSerializer):
    """A device that is signed in."""

    device = serializers.CharField(help_text="What the device calls itself, for example `Firefox on Windows`.")
    place = serializers.CharField(help_text="The network it signed in from, for example `203.0.113.0/24`.")
    current = serializers.SerializerMethodField(help_text="True for the session of this request.")

    class Meta:
        model = Session
        fields = ["id", "device", "place", "created_at", "last_used_at", "second_factor", "current"]
        extra_kwargs = {"last_used_at": {"help_text": "When the device last fetched tokens."}}

    def get_current(self, session: Session) -> bool:
        """Whether the access token of this request belongs to it."""
        return session.pk == self.context["current"]
