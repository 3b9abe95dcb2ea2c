"""Refusals in Stripe's form."""

from typing import Any

from aiohttp import web
from localstripe.errors import UserError


class StripeError(UserError):
    """`{"error": {type, code, message, …}}` with the HTTP status that Stripe gives it."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", **facts: Any) -> None:
        super().__init__(status, message, {name: value for name, value in facts.items() if value is not None})
        self.body["error"]["type"] = kind


def unexpected_state(message: str, intent: dict[str, Any]) -> StripeError:
    return StripeError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)


def missing(kind: str, identifier: str) -> StripeError:
    """Return the error for a missing object that the request is about."""
    return StripeError(404, f"No such {kind}: '{identifier}'", code="resource_missing", param="id")


def missing_reference(kind: str, identifier: str, param: str) -> StripeError:
    """Return the error for a missing object that a parameter names."""
    return StripeError(400, f"No such {kind}: '{identifier}'", code="resource_missing", param=param)


def unknown_parameter(name: str) -> StripeError:
    return StripeError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def refusal(error: UserError) -> web.Response:
    """Turn localstripe's refusal into Stripe's answer."""
    if error.code == web.HTTPNotFound.status_code:
        error.body["error"].setdefault("code", "resource_missing")
    if error.code == web.HTTPPaymentRequired.status_code:
        error.body["error"]["type"] = "card_error"
    return error.to_response()
