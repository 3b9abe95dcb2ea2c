"""Fields that forms of the back office share."""

from typing import Any

from django import forms

from accounts.addresses import MAX_LENGTH, AddressRefused, canonical_address


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
