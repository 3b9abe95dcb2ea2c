"""Parts room: the stand-in's payment intents, charges and refunds, with Stripe's states and refusals."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

import time
from typing import Any

from localstripe.resources import (
    Charge,
    List,
    PaymentIntent,
    PaymentMethod,
    Refund,
    StripeObject,
    store,
    try_convert_to_bool,
    try_convert_to_int,
)

from luxewin.parts.stripe_standin.errors import StripeError, missing, unexpected_state, unknown_parameter
from luxewin.parts.stripe_standin.events import tell

DECLINED = ("card_declined", "generic_decline")
# Stripe's test cards that are declined when they are charged, with Stripe's (code, decline code).
DECLINED_CARDS = {
    "4000000000000002": DECLINED,
    "4000000000000341": DECLINED,
    "4000000000009995": ("card_declined", "insufficient_funds"),
    "4000000000009987": ("card_declined", "lost_card"),
    "4000000000009979": ("card_declined", "stolen_card"),
    "4000000000000069": ("expired_card", "expired_card"),
    "4000000000000127": ("incorrect_cvc", "incorrect_cvc"),
    "4000000000000119": ("processing_error", "processing_error"),
}
DECLINE_MESSAGES = {
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
}
TEXTS = ("description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix")
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
# What clients send with a confirmation and what makes no difference here.
CONFIRM_IGNORES = {"return_url", "off_session", "use_stripe_sdk", "mandate_data", "error_on_requires_action", "expand"}
SHOWN_TO_CLIENTS = (  # noqa: SIM905 (23 lines otherwise)
    "id object amount automatic_payment_methods canceled_at cancellation_reason capture_method client_secret "
    "confirmation_method created currency description last_payment_error livemode next_action payment_method "
    "payment_method_types receipt_email setup_future_usage shipping status"
).split()


class Payment(Charge):
    """A charge of an intent, in Stripe's present shape."""

    _authorized: bool
    payment_method: str

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        self._refunds: list[Repayment] = []
        self._decline_code: str | None = None
        self._authorized = self._authorized and self._number() not in DECLINED_CARDS

    def _number(self) -> str:
        return getattr(PaymentMethod._api_retrieve(self.payment_method), "_card_number", "")

    def _set_auth_failure(self) -> None:
        self.status = "failed"
        self.failure_code, self._decline_code = DECLINED_CARDS.get(self._number(), DECLINED)
        self.failure_message = DECLINE_MESSAGES[self.failure_code]

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        expand = list(expand or [])
        method = PaymentMethod._api_retrieve(self.payment_method)
        shown = super()._export([path for path in expand if path != "refunds"])
        if "refunds" not in expand:
            del shown["refunds"]
        return shown | {
            "amount_captured": self.amount if self.captured and self.paid else 0,
            "billing_details": method.billing_details,
            "disputed": False,
            "outcome": {"type": "authorized" if self.paid else "issuer_declined", "risk_level": "normal"},
            "payment_method_details": {"type": "card", "card": getattr(method, "card", {})},
            "receipt_url": None,
        }

    @property
    def refunds(self) -> List:
        found = List(f"/v1/charges/{self.id}/refunds")
        found._list = list(self._refunds)
        return found


class Intent(PaymentIntent):
    """A payment intent that is confirmed as Stripe's clients do it."""

    currency: str
    payment_method: str | None

    def __init__(self, **data: Any) -> None:
        texts = {name: data.pop(name, None) for name in TEXTS}
        shipping, automatic = data.pop("shipping", None), data.pop("automatic_payment_methods", None)
        for name in ("return_url", "confirmation_method"):
            data.pop(name, None)
        if unknown := set(data) - {
            *("amount", "currency", "customer", "payment_method", "metadata", "payment_method_types"),
            *("capture_method", "payment_method_options"),
        }:
            raise unknown_parameter(unknown.pop())
        if data.get("payment_method"):
            data["payment_method"] = PaymentMethod._api_retrieve(data["payment_method"]).id
        super().__init__(**data)
        for name, value in texts.items():
            setattr(self, name, value)
        self.currency = self.currency.lower()
        self.shipping = shipping
        enabled = bool(automatic) and try_convert_to_bool(automatic.get("enabled"))
        self.automatic_payment_methods = {"enabled": True, "allow_redirects": "always"} if enabled else None
        self.payment_method_types = data.get("payment_method_types") or ["card"]
        self.confirmation_method = "automatic"
        self.canceled_at: int | None = None
        self.cancellation_reason: str | None = None
        self._declined_method: dict[str, Any] | None = None
        tell("payment_intent.created", self)

    @property
    def amount_received(self) -> int:
        charge = self.latest_charge
        return charge.amount if charge and charge.paid and charge.captured else 0

    @property
    def status(self) -> str:
        # A declined method is taken off the intent; the one attached next waits for its own charge.
        if self.latest_charge and self.latest_charge.status == "failed" and self.payment_method:
            return "canceled" if self._canceled else "requires_action" if self.next_action else "requires_confirmation"
        return super().status

    @property
    def last_payment_error(self) -> dict[str, Any] | None:
        charge = self.latest_charge
        if charge and charge.status == "failed":
            return _decline(charge) | {"type": "card_error", "payment_method": self._declined_method}
        return super().last_payment_error

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        """As Stripe shows it: other objects by their ids unless they are expanded."""
        expand = list(expand or [])
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        for name in ("object", "status", "amount_received", "last_payment_error"):
            shown[name] = getattr(self, name)
        shown["metadata"] = dict(self.metadata)
        shown["amount_capturable"] = self.amount if self.status == "requires_capture" else 0
        shown["latest_charge"] = self.latest_charge.id if self.latest_charge else None
        shown["processing"] = None
        for path in expand:
            _expand(shown, path)
        return shown

    def _for_client(self) -> dict[str, Any]:
        """What the publishable key may see."""
        shown = self._export()
        return {name: shown[name] for name in SHOWN_TO_CLIENTS}

    def _update(self, **changes: Any) -> None:
        if self.status not in CONFIRMABLE and set(changes) - {"metadata", "description", "receipt_email"}:
            message = f"This PaymentIntent could not be updated because it has a status of {self.status}."
            raise unexpected_state(message, self._export())
        if unknown := set(changes) - {
            "amount",
            "currency",
            "customer",
            "payment_method",
            "metadata",
            "shipping",
            *TEXTS,
        }:
            raise unknown_parameter(unknown.pop())
        if "amount" in changes:
            changes["amount"] = try_convert_to_int(changes["amount"])
            if not isinstance(changes["amount"], int) or changes["amount"] <= 0:
                raise StripeError(400, "Invalid integer: amount", code="parameter_invalid_integer", param="amount")
        if "payment_method" in changes:
            changes["payment_method"] = PaymentMethod._api_retrieve(changes["payment_method"]).id
        super()._update(**changes)

    @classmethod
    def _api_retrieve(cls, id: str) -> "Intent":  # noqa: A002 (localstripe's name)
        if not isinstance(found := store.get(f"payment_intent:{id}"), cls):
            raise missing("payment_intent", id)
        return found

    @classmethod
    def _api_list_all(
        cls, url: str, customer: str | None = None, limit: Any = None, starting_after: str | None = None
    ) -> List:
        """Newest first, of one customer where one is named."""
        found = List(url, limit=limit, starting_after=starting_after)
        intents = [value for value in store.values() if isinstance(value, cls)]
        found._list = [each for each in reversed(intents) if customer is None or each.customer == customer]
        return found

    @classmethod
    def _api_confirm(
        cls,
        id: str,  # noqa: A002 (localstripe's name)
        payment_method: str | None = None,
        payment_method_data: dict[str, Any] | None = None,
        **others: Any,
    ) -> "Intent":
        intent = cls._api_retrieve(id)
        others.pop("client_secret", None)  # checked at the door, where the key is
        texts = {name: others.pop(name) for name in TEXTS if name in others}
        if unknown := set(others) - CONFIRM_IGNORES:
            raise unknown_parameter(unknown.pop())
        if intent.status not in CONFIRMABLE:
            state = "it has already succeeded after being previously confirmed"
            state = state if intent.status == "succeeded" else f"it has a status of {intent.status}"
            raise unexpected_state(f"You cannot confirm this PaymentIntent because {state}.", intent._export())
        for name, value in texts.items():
            setattr(intent, name, value)
        if payment_method_data:
            payment_method = PaymentMethod(**payment_method_data).id
        if payment_method:
            intent.payment_method, intent.next_action = PaymentMethod._api_retrieve(payment_method).id, None
        if not intent.payment_method:
            message = "You cannot confirm this PaymentIntent because it's missing a payment method."
            raise unexpected_state(message, intent._export())
        if intent.status != "requires_action":  # else the person has yet to authenticate
            intent._confirm(intent._report_failure)
        return intent

    @classmethod
    def _api_cancel(
        cls,
        id: str,  # noqa: A002 (localstripe's name)
        cancellation_reason: str | None = None,
        **unknown: Any,
    ) -> "Intent":
        if unknown:
            raise unknown_parameter(next(iter(unknown)))
        intent = cls._api_retrieve(id)
        if intent.status not in CANCELABLE:
            message = f"You cannot cancel this PaymentIntent because it has a status of {intent.status}."
            raise unexpected_state(message, intent._export())
        intent._canceled = True
        intent.next_action = None
        intent.canceled_at, intent.cancellation_reason = int(time.time()), cancellation_reason
        tell("payment_intent.canceled", intent)
        return intent

    def _confirm(self, on_failure_now: Any) -> None:
        method = PaymentMethod._api_retrieve(self.payment_method)
        if method._requires_authentication():
            super()._confirm(on_failure_now)
            tell("payment_intent.requires_action", self)
        else:
            self._authentication_failed = False
            self._create_charge(on_failure_now)

    def _create_charge(self, on_failure_now: Any) -> None:
        charge = Payment(
            amount=self.amount,
            currency=self.currency,
            customer=self.customer,
            source=self.payment_method,
            metadata=dict(self.metadata),
            capture=self.capture_method != "manual",
        )
        charge.payment_intent = self.id
        self.latest_charge = charge
        charge._initialize_charge(self._on_success, on_failure_now, self._report_async_failure)

    def _on_success(self) -> None:
        tell("charge.succeeded", self.latest_charge)
        super()._on_success()

    def _report_failure(self) -> None:
        """Take the declined method off the intent, tell, and answer 402."""
        charge = self.latest_charge
        self._declined_method = PaymentMethod._api_retrieve(charge.payment_method)._export()
        self.payment_method = None
        tell("charge.failed", charge)
        tell("payment_intent.payment_failed", self)
        facts = _decline(charge)
        message = facts.pop("message")
        raise StripeError(402, message, kind="card_error", **facts, payment_intent=self._export())


class Repayment(Refund):
    """A refund that cannot exceed its charge, and that is told about."""

    payment_intent: str | None

    def __init__(
        self, charge: str | None = None, payment_intent: str | None = None, amount: Any = None, **data: Any
    ) -> None:
        reason = data.pop("reason", None)
        payment = _charge_of(charge, payment_intent)
        left = payment.amount - payment.amount_refunded
        amount = try_convert_to_int(amount) if amount is not None else left
        if left <= 0:
            raise StripeError(400, f"Charge {payment.id} has already been refunded.", code="charge_already_refunded")
        if isinstance(amount, int) and amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise StripeError(400, message, param="amount")
        super().__init__(charge=payment.id, amount=amount, **data)
        self.payment_intent = payment.payment_intent
        self.reason = reason
        self.failure_reason = None
        payment._refunds.insert(0, self)
        tell("refund.created", self)
        tell("charge.refunded", payment)

    @classmethod
    def _api_list_all(
        cls,
        url: str,
        charge: str | None = None,
        payment_intent: str | None = None,
        limit: Any = None,
        starting_after: str | None = None,
    ) -> List:
        """Newest first, of one charge or one intent where one is named."""
        found = List(url, limit=limit, starting_after=starting_after)
        if payment_intent:
            payment = Intent._api_retrieve(payment_intent).latest_charge
            found._list = list(payment._refunds) if payment else []
        elif charge:
            found._list = list(_charge_of(charge, None)._refunds)
        else:
            found._list = [value for value in reversed(store.values()) if isinstance(value, cls)]
        return found


def _charge_of(charge: str | None, payment_intent: str | None) -> Payment:
    if payment_intent is not None:
        intent = Intent._api_retrieve(payment_intent)
        if intent.status != "succeeded":
            message = f"This PaymentIntent ({intent.id}) does not have a successful charge to refund."
            raise StripeError(400, message, code="payment_intent_unexpected_state")
        return intent.latest_charge
    if not isinstance(found := store.get(f"charge:{charge}"), Payment):
        raise missing("charge", str(charge))
    return found


def _decline(charge: Payment) -> dict[str, Any]:
    return {
        "charge": charge.id,
        "code": charge.failure_code,
        "decline_code": charge._decline_code,
        "message": charge.failure_message,
    }


def _expand(shown: dict[str, Any], path: str) -> None:
    """Put the object in the place of its id. Raises StripeError for a field that is none."""
    name, _, rest = path.partition(".")
    if name not in shown:
        message = f"This property cannot be expanded ({path})."
        raise StripeError(400, message, code="parameter_invalid")
    if isinstance(identifier := shown[name], str):
        kind = StripeObject._get_class_for_id(identifier)
        if kind is None:
            message = f"This property cannot be expanded ({path})."
            raise StripeError(400, message, code="parameter_invalid")
        shown[name] = kind._api_retrieve(identifier)._export([rest] if rest else None)
