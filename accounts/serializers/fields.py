"""Serializer fields that several serializers share."""

import re
from datetime import date
from typing import Any

from iso3166 import countries_by_alpha2
from rest_framework import serializers

from accounts.addresses import MAX_LENGTH, AddressRefused, canonical_address
from accounts.models.safeguards import REGION
from luxewin.characters import ODD, is_invisible
from luxewin.clock import database_now
from luxewin.currencies import is_currency

CODE_LENGTH, PASSWORD_LENGTH = 40, 128
NAME_LENGTH = 80
EARLIEST_BIRTH = date(1900, 1, 1)
CURRENCY = re.compile(r"[a-z]{3}")
# Text that a mail program turns into a link.
WEB_ADDRESS = re.compile(r"://|www\.", re.IGNORECASE)


class NameField(serializers.CharField):
    """A display name. It appears in mails to others too, so it must not contain a link."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=NAME_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Require one line without a web address."""
        name: str = super().to_internal_value(data)
        if WEB_ADDRESS.search(name) or ODD.search(name):
            raise serializers.ValidationError(
                "A name cannot contain a web address, a line break or a control character.", code="odd_name"
            )
        if name and is_invisible(name):
            raise serializers.ValidationError("Nothing of this name can be seen.", code="odd_name")
        return name


class CountryField(serializers.CharField):
    """An ISO 3166-1 alpha-2 code; empty while it is unknown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return upper case; refuse codes that name no country."""
        code = super().to_internal_value(data).upper()
        if code not in countries_by_alpha2:
            raise serializers.ValidationError(
                f"{code} is not the two-letter code of a country.", code="unknown_country"
            )
        return code


class RegionField(serializers.RegexField):
    """An ISO 3166-2 code, in upper case. Only its form is checked: there is no list of regions."""

    def __init__(self, **kwargs: Any) -> None:
        said = "Code (ISO 3166-2), for example US-WA. Needed where rules differ within the country."
        super().__init__(REGION, required=False, allow_blank=True, max_length=6, help_text=said, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return upper case."""
        return super().to_internal_value(data.upper() if isinstance(data, str) else data)


class BirthDateField(serializers.DateField):
    """The date of birth of a living person."""

    def to_internal_value(self, data: Any) -> date:
        """Refuse dates in the future or before EARLIEST_BIRTH."""
        born: date = super().to_internal_value(data)
        if not EARLIEST_BIRTH <= born <= database_now().date():
            raise serializers.ValidationError("Enter your real date of birth.", code="impossible")
        return born


class CurrencyField(serializers.CharField):
    """The ISO 4217 code of a currency in which cards can be charged, in lower case as Stripe writes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=3, max_length=3, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return lower case; refuse what is not in the table of `luxewin.currencies`."""
        code = super().to_internal_value(data).lower()
        if not is_currency(code):
            raise serializers.ValidationError(f"Cards cannot be charged in {code}.", code="unknown_currency")
        return code


class LimitCurrencyField(CurrencyField):
    """The code of a chargeable currency, or one in which the person already has a limit, so that they can remove it."""

    def to_internal_value(self, data: Any) -> str:
        """Return lower case."""
        code = data.lower() if isinstance(data, str) else ""
        if CURRENCY.fullmatch(code) and self.context["request"].user.spend_limits.filter(currency=code).exists():
            return code
        return super().to_internal_value(data)


class AddressField(serializers.CharField):
    """An e-mail address, in canonical form (`accounts.addresses`): answers may show it other than it was sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the canonical form; refuse an address that no mail reaches."""
        try:
            return canonical_address(super().to_internal_value(data))
        except AddressRefused as error:
            raise serializers.ValidationError(str(error), code="invalid") from error


class PasswordField(serializers.CharField):
    """A password, as typed."""

    def __init__(self, **kwargs: Any) -> None:
        style = {"input_type": "password"}
        super().__init__(max_length=PASSWORD_LENGTH, trim_whitespace=False, style=style, write_only=True, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Accept only text: DRF would make a password of the number 12345."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class CodeField(serializers.CharField):
    """A code of the second factor, as typed: spaces and hyphens do not matter."""

    def __init__(self, **kwargs: Any) -> None:
        said = "The six digits of the authenticator app, or a recovery code."
        super().__init__(max_length=CODE_LENGTH, write_only=True, help_text=said, **kwargs)
