"""Back-office forms about one person: each change has a reason, and is passed to a service."""

from datetime import date
from typing import Any

from django import forms
from django.contrib.auth.forms import UserChangeForm

from accounts.back_office.forms import as_api_takes, password_field, reason_field
from accounts.models import User
from accounts.serializers.fields import AddressField, BirthDateField, CountryField, NameField, RegionField


class PersonForm(UserChangeForm):
    """A person's profile and rights, validated as in the API."""

    reason = reason_field(required=False)

    class Meta:
        model = User
        fields = [
            "email",
            "password",
            "display_name",
            "date_of_birth",
            "country",
            "region",
            "is_staff",
            "is_superuser",
            "groups",
        ]

    def clean_email(self) -> str:
        """Require an address that mail reaches."""
        return as_api_takes(AddressField(), self.cleaned_data["email"])

    def clean_display_name(self) -> str:
        """Require one line without a web address."""
        return as_api_takes(NameField(), self.cleaned_data["display_name"])

    def clean_country(self) -> str:
        """Require an existing country, or none while unknown."""
        country: str = self.cleaned_data["country"]
        return as_api_takes(CountryField(), country) if country else ""

    def clean_region(self) -> str:
        """Require the form of a region; `clean` checks that it belongs to the country."""
        return as_api_takes(RegionField(), self.cleaned_data["region"])

    def clean_date_of_birth(self) -> date | None:
        """Require a living person's date, or none while unknown."""
        born: date | None = self.cleaned_data["date_of_birth"]
        return as_api_takes(BirthDateField(), born) if born else None

    def clean(self) -> dict[str, Any]:
        """Require a reason if anything changes."""
        cleaned = super().clean() or self.cleaned_data
        if self.changed_facts() and not cleaned.get("reason", "").strip():
            self.add_error("reason", "Give a reason for this change.")
        region, country = cleaned.get("region"), cleaned.get("country")
        if (
            region
            and country is not None
            and not region.startswith(f"{country}-")
            and "country" not in self.changed_data
        ):
            self.add_error(
                "region", f"{region} is not a region of {country}." if country else "Enter the country of the region."
            )
        return cleaned

    def changed_facts(self) -> set[str]:
        """Return the names of the changed fields."""
        return set(self.changed_data) - {"reason"}


class NewPersonForm(forms.ModelForm):
    """A new account. It has no password: its owner sets one by a mailed link."""

    reason = reason_field()

    class Meta:
        model = User
        fields = ["email", "display_name"]

    def clean_email(self) -> str:
        """Require an address that mail reaches."""
        return as_api_takes(AddressField(), self.cleaned_data["email"])

    def clean_display_name(self) -> str:
        """Require one line without a web address."""
        return as_api_takes(NameField(), self.cleaned_data["display_name"])


class PersonPasswordForm(forms.Form):
    """A new password for somebody else, or none; the service decides which are refused."""

    password1 = password_field(label="New password", required=False)
    password2 = password_field(label="New password again", required=False)
    reason = reason_field()

    def takes_away(self) -> bool:
        """Whether the password is to be removed."""
        return "unset-password" in self.data

    def clean(self) -> dict[str, Any]:
        """Require the password twice the same, unless it is to be removed."""
        given = super().clean() or self.cleaned_data
        if not self.takes_away() and not self.errors:
            if not given["password1"]:
                self.add_error("password1", "Enter the new password.")
            elif given["password1"] != given["password2"]:
                self.add_error("password2", "The two passwords differ.")
        return given

    def new_password(self) -> str | None:
        """Return the new password; None to remove it."""
        return None if self.takes_away() else self.cleaned_data["password1"]
