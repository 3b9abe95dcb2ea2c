"""Expansion of ids into objects, as a request asks for it."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

from typing import Any

from localstripe.resources import StripeObject

from dev.services.stripe_standin.errors import StripeError


def expanded(shown: dict[str, Any], paths: list[str] | None) -> dict[str, Any]:
    """Return `shown` with the objects that each path names. Raises StripeError for an unknown field."""
    for path in paths or []:
        name, _, rest = path.partition(".")
        if name not in shown:
            raise _refused(path)
        if isinstance(identifier := shown[name], str):
            kind = StripeObject._get_class_for_id(identifier)
            if kind is None:
                raise _refused(path)
            shown[name] = kind._api_retrieve(identifier)._export([rest] if rest else None)
    return shown


def _refused(path: str) -> StripeError:
    return StripeError(400, f"This property cannot be expanded ({path}).", code="parameter_invalid")
