"""What back-office forms share with the API: fields, limits, and refusals of services."""

from typing import Any

from django import forms
from rest_framework import serializers

from accounts.addresses import MAX_LENGTH, AddressRefused, canonical_address
from accounts.serializers.fields import PASSWORD_LENGTH
from luxewin.api.problems import InvalidInput, Problem
from luxewin.lines import validate_one_line

KEPT = "The audit log keeps this permanently: do not name anyone."
REASON = f"How the person asked, and how you confirmed their identity. They may read it. {KEPT}"


class AddressField(forms.EmailField):
    """An e-mail address, in canonical form."""

    # `canonical_address` validates it.
    default_validators = []

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, **kwargs)

    def clean(self, value: Any) -> str:
        """Return the canonical form; raise ValidationError."""
        text: str = super().clean(value)
        try:
            return canonical_address(text) if text else text
        except AddressRefused as error:
            raise forms.ValidationError(str(error), code="invalid") from error


class Line(forms.CharField):
    """Text on one line: see `luxewin.lines`."""

    default_validators = [validate_one_line]


def reason_field(**options: Any) -> Line:
    """Return the field for the reason of staff."""
    widget = forms.TextInput(attrs={"class": "vLargeTextField"})
    return Line(max_length=200, widget=widget, help_text=REASON, **options)


def password_field(*, autocomplete: str = "new-password", **options: Any) -> forms.CharField:
    """Return a password field as in the API: as typed, and limited in length to bound the time of hashing."""
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(strip=False, max_length=PASSWORD_LENGTH, widget=widget, **options)


def as_api_takes(field: serializers.Field, value: Any) -> Any:
    """Validate a value with an API field, and return it as stored; raise forms.ValidationError."""
    try:
        return field.run_validation(value)
    except serializers.ValidationError as refusal:
        raise forms.ValidationError([str(fault) for fault in refusal.detail]) from refusal


def add_problem(form: forms.BaseForm, problem: Problem, **names: str) -> None:
    """Add a service's refusal to the form's fields; `names` maps the service's field names to the form's."""
    if not isinstance(problem, InvalidInput):
        form.add_error(None, problem.detail)
        return
    for fault in problem.data["errors"]:
        name = names.get(fault["field"], fault["field"])
        form.add_error(name if name in form.fields else None, fault["detail"])
