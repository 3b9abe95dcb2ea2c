"""The stand-in's payment intents, with Stripe's states and refusals."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

import time
from typing import Any

from localstripe.resources import PaymentIntent, PaymentMethod, store, try_convert_to_bool, try_convert_to_int

from dev.services.stripe_standin.charges import Payment
from dev.services.stripe_standin.customers import Buyer
from dev.services.stripe_standin.errors import StripeError, missing, unexpected_state, unknown_parameter
from dev.services.stripe_standin.events import tell
from dev.services.stripe_standin.expanding import expanded
from dev.services.stripe_standin.later import later
from dev.services.stripe_standin.lists import Page, page, shelves
from dev.services.stripe_standin.methods import DISPUTED
from luxewin.currencies import CURRENCIES

TEXTS = ("description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix")
MAX_AMOUNT = 99_999_999
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
# Fields that clients send with a confirmation and that have no effect here.
CONFIRM_IGNORES = {"return_url", "off_session", "use_stripe_sdk", "mandate_data", "error_on_requires_action", "expand"}
DELAYED = "sepa_debit"
# Documented fields that the product does not use; Stripe shows them all.
UNUSED = (
    "application",
    "application_fee_amount",
    "customer_account",
    "excluded_payment_method_types",
    "on_behalf_of",
    "payment_method_configuration_details",
    "processing",
    "review",
    "source",
    "transfer_data",
    "transfer_group",
)
SHOWN_TO_CLIENTS = (  # noqa: SIM905 (23 lines otherwise)
    "id object amount automatic_payment_methods canceled_at cancellation_reason capture_method client_secret "
    "confirmation_method created currency description last_payment_error livemode next_action payment_method "
    "payment_method_types processing receipt_email setup_future_usage shipping status"
).split()


class Intent(PaymentIntent):
    """A payment intent, confirmed as Stripe's clients do it."""

    currency: str
    payment_method: str | None
    _due: float | None = None  # when a debit's outcome comes

    def __init__(self, **data: Any) -> None:
        texts = {name: data.pop(name, None) for name in TEXTS}
        shipping, automatic = data.pop("shipping", None), data.pop("automatic_payment_methods", None)
        for name in ("return_url", "confirmation_method"):
            data.pop(name, None)
        if unknown := set(data) - {
            "amount",
            "currency",
            "customer",
            "payment_method",
            "metadata",
            "payment_method_types",
            "capture_method",
            "payment_method_options",
        }:
            raise unknown_parameter(unknown.pop())
        if data.get("payment_method"):
            data["payment_method"] = PaymentMethod._api_retrieve(data["payment_method"]).id
        if data.get("customer"):
            data["customer"] = Buyer._named(data["customer"])
        _demand_chargeable(try_convert_to_int(data.get("amount")), data.get("currency"))
        super().__init__(**data)
        for name, value in texts.items():
            setattr(self, name, value)
        self.currency = self.currency.lower()
        self.shipping = shipping
        enabled = bool(automatic) and try_convert_to_bool(automatic.get("enabled"))
        self.automatic_payment_methods = {"enabled": True, "allow_redirects": "always"} if enabled else None
        usual = ["card", DELAYED] if enabled and self.currency == "eur" else ["card"]
        self.payment_method_types = data.get("payment_method_types") or usual
        self.confirmation_method = "automatic"
        self.canceled_at: int | None = None
        self.cancellation_reason: str | None = None
        self.payment_method_options = data.get("payment_method_options") or {}
        self._declined_method: dict[str, Any] | None = None
        tell("payment_intent.created", self)

    @property
    def amount_received(self) -> int:
        charge = self.latest_charge
        return charge.amount if charge and charge.paid and charge.captured else 0

    @property
    def status(self) -> str:
        # A declined method is removed from the intent; the next one waits for its own charge.
        if self.latest_charge and self.latest_charge.status == "failed" and self.payment_method:
            return "canceled" if self._canceled else "requires_action" if self.next_action else "requires_confirmation"
        return super().status

    @property
    def last_payment_error(self) -> dict[str, Any] | None:
        if self._authentication_failed:
            return super().last_payment_error | {"type": "invalid_request_error"}
        charge = self.latest_charge
        if charge and charge.status == "failed":
            return _decline(charge) | {"type": "card_error", "payment_method": self._declined_method}
        return None

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        """Show the intent as Stripe does: other objects by their ids unless expanded."""
        shown = dict.fromkeys(UNUSED)
        shown |= {name: value for name, value in vars(self).items() if not name.startswith("_") and name != "invoice"}
        for name in ("object", "status", "amount_received", "last_payment_error"):
            shown[name] = getattr(self, name)
        shown["amount_capturable"] = self.amount if self.status == "requires_capture" else 0
        shown["amount_details"] = {"tip": {}}
        shown["latest_charge"] = self.latest_charge.id if self.latest_charge else None
        shown["metadata"] = dict(self.metadata)
        return expanded(shown, expand)

    def _for_client(self) -> dict[str, Any]:
        """Show what the publishable key may see."""
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
        _demand_chargeable(changes.get("amount", self.amount), changes.get("currency", self.currency))
        if changes.get("customer"):
            changes["customer"] = Buyer._named(changes["customer"])
        if "payment_method" in changes:
            changes["payment_method"] = PaymentMethod._api_retrieve(changes["payment_method"]).id
        super()._update(**changes)

    @classmethod
    def _api_retrieve(cls, id: str) -> "Intent":  # noqa: A002 (localstripe's name)
        if not isinstance(found := store.get(f"payment_intent:{id}"), cls):
            raise missing("payment_intent", id)
        return found

    @classmethod
    def _api_list_all(cls, url: str, customer: str | None = None, **paging: Any) -> Page:
        """List intents, newest first; only those of `customer`, if given."""
        return page(shelves["payment_intent"], url, lambda intent: customer in (None, intent.customer), **paging)

    @classmethod
    def _api_confirm(
        cls,
        id: str,  # noqa: A002 (localstripe's name)
        payment_method: str | None = None,
        payment_method_data: dict[str, Any] | None = None,
        **others: Any,
    ) -> "Intent":
        intent = cls._api_retrieve(id)
        others.pop("client_secret", None)  # the middleware has checked it with the key
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
        if intent.status != "requires_action":  # otherwise the person still has to authenticate
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

    @classmethod
    def _api_authenticate(cls, id: str, **data: Any) -> "Intent":  # noqa: A002 (localstripe's name)
        """Take the person's answer to their bank, as localstripe's own page sends it."""
        intent = super()._api_authenticate(id, **data)
        if intent._authentication_failed:
            tell("payment_intent.payment_failed", intent)
        return intent

    def _confirm(self, on_failure_now: Any) -> None:
        method = PaymentMethod._api_retrieve(self.payment_method)
        if method.type not in self.payment_method_types:
            self.payment_method = None
            message = f"The PaymentMethod provided ({method.type}) is not allowed for this PaymentIntent."
            raise StripeError(400, message, code="payment_intent_incompatible_payment_method", param="payment_method")
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
            description=self.description,
            capture=self.capture_method != "manual",
        )
        charge.payment_intent = self.id
        self.latest_charge = charge
        if charge._is_async_payment_method():
            tell("charge.pending", charge)
            tell("payment_intent.processing", self)
            later.put_off(self)
        else:
            charge._initialize_charge(self._on_success, on_failure_now)

    def _finish(self) -> None:
        """Apply the bank's decision on a debit that is being processed."""
        if self.latest_charge._authorized:
            self.latest_charge._trigger_payment(self._on_success)
        else:
            self.latest_charge._set_auth_failure()
            self._take_off_method()

    def _on_success(self) -> None:
        tell("charge.succeeded", self.latest_charge)
        super()._on_success()
        if self.latest_charge._number() in DISPUTED:
            later.put_off(self.latest_charge)

    def _report_failure(self) -> None:
        """Remove the declined method from the intent, emit an event, and answer 402."""
        self._take_off_method()
        facts = _decline(self.latest_charge)
        message = facts.pop("message")
        raise StripeError(402, message, kind="card_error", **facts, payment_intent=self._export())

    def _take_off_method(self) -> None:
        self._declined_method = PaymentMethod._api_retrieve(self.latest_charge.payment_method)._export()
        self.payment_method = None
        tell("charge.failed", self.latest_charge)
        tell("payment_intent.payment_failed", self)


def _demand_chargeable(amount: Any, currency: Any) -> None:
    """Refuse amounts that Stripe refuses; localstripe refuses what is no amount or currency at all."""
    if not isinstance(currency, str) or not isinstance(amount, int) or amount <= 0:
        return
    known = CURRENCIES.get(currency.lower())
    if known is None:
        supported = ", ".join(sorted(CURRENCIES))
        message = f"Invalid currency: {currency.lower()}. Stripe currently supports these currencies: {supported}"
        raise StripeError(400, message, param="currency")
    if amount > MAX_AMOUNT:
        message = f"Amount must be no more than {MAX_AMOUNT} in {known.code}."
        raise StripeError(400, message, code="amount_too_large", param="amount")
    if amount < known.minimum:
        message = f"Amount must be at least {known.minimum} in {known.code}."
        raise StripeError(400, message, code="amount_too_small", param="amount")
    if amount % known.multiple:
        message = f"Invalid amount: {known.code} amounts must be evenly divisible by {known.multiple}."
        raise StripeError(400, message, code="parameter_invalid_integer", param="amount")


def _decline(charge: Payment) -> dict[str, Any]:
    """Return the intent's last error; a debit has no decline code."""
    facts = {"charge": charge.id, "code": charge.failure_code, "message": charge.failure_message}
    return facts | ({"decline_code": charge._decline_code} if charge._decline_code else {})
