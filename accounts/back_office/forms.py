"""What the forms of the back office share with the API: its fields, its limits, and what its services refuse."""

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

    # `canonical_address` is what looks at it.
    default_validators = []

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, **kwargs)

    def clean(self, value: Any) -> str:
        """In canonical form; raises ValidationError."""
        text: str = super().clean(value)
        try:
            return canonical_address(text) if text else text
        except AddressRefused as error:
            raise forms.ValidationError(str(error), code="invalid") from error


class Line(forms.CharField):
    """Text on one line: see `luxewin.lines`."""

    default_validators = [validate_one_line]


def reason_field(**options: Any) -> Line:
    """Why staff do it."""
    widget = forms.TextInput(attrs={"class": "vLargeTextField"})
    return Line(max_length=200, widget=widget, help_text=REASON, **options)


def password_field(*, autocomplete: str = "new-password", **options: Any) -> forms.CharField:
    """A password as the API takes it: as typed, and not so long that hashing or looking at it costs time."""
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(strip=False, max_length=PASSWORD_LENGTH, widget=widget, **options)


def as_api_takes(field: serializers.Field, value: Any) -> Any:
    """Check a value with a field of the API, and return it in the form that is stored; raises forms.ValidationError."""
    try:
        return field.run_validation(value)
    except serializers.ValidationError as refusal:
        raise forms.ValidationError([str(fault) for fault in refusal.detail]) from refusal


def add_problem(form: forms.BaseForm, problem: Problem, **names: str) -> None:
    """Put a service's refusal beside the fields it is about; `names` says what they are called in the form."""
    if not isinstance(problem, InvalidInput):
        form.add_error(None, problem.detail)
        return
    for fault in problem.data["errors"]:
        name = names.get(fault["field"], fault["field"])
        form.add_error(name if name in form.fields else None, fault["detail"])
