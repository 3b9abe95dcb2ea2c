"""The stand-in's refunds, which some test cards make wait or fail."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

from typing import Any

from localstripe.resources import Refund, StripeObject, try_convert_to_int

from dev.services.stripe_standin.balance import Movement
from dev.services.stripe_standin.charges import Payment
from dev.services.stripe_standin.disputes import OPEN
from dev.services.stripe_standin.errors import StripeError, missing_reference, unknown_parameter
from dev.services.stripe_standin.events import tell
from dev.services.stripe_standin.expanding import expanded
from dev.services.stripe_standin.intents import Intent
from dev.services.stripe_standin.later import later
from dev.services.stripe_standin.lists import Page, Shelf, page, shelves
from dev.services.stripe_standin.methods import REFUNDS_FAIL, REFUNDS_LATER

REASONS = (None, "duplicate", "fraudulent", "requested_by_customer")
# Shown only if set, as at Stripe.
OCCASIONAL = ("pending_reason", "failure_reason", "failure_balance_transaction")


class Repayment(Refund):
    """A refund that cannot exceed its charge and that emits events."""

    _due: float | None = None
    pending_reason: str | None = None
    failure_reason: str | None = None
    failure_balance_transaction: str | None = None

    def __init__(
        self,
        charge: str | None = None,
        payment_intent: str | None = None,
        amount: Any = None,
        reason: str | None = None,
        metadata: dict[str, str] | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise unknown_parameter(next(iter(unknown)))
        if reason not in REASONS:
            raise StripeError(400, f"Invalid reason: {reason}", param="reason")
        payment = _charge_of(charge, payment_intent)
        amount = _allowed(payment, amount)
        StripeObject.__init__(self)  # localstripe's own knows no refund that waits
        self.amount = amount
        self.charge = payment.id
        self.currency = payment.currency
        self.metadata = metadata or {}
        self.payment_intent = payment.payment_intent
        self.reason = reason
        self.balance_transaction = Movement(-amount, self.currency, "refund", self.id).id
        number = payment._number()
        self.status = "pending" if number == REFUNDS_LATER else "succeeded"
        self.pending_reason = "processing" if number == REFUNDS_LATER else None
        payment._refunds = [self, *payment._refunds]
        tell("refund.created", self)
        tell("charge.refunded", payment)
        if number in (REFUNDS_LATER, REFUNDS_FAIL):
            later.put_off(self)

    def _finish(self) -> None:
        """Let a pending refund succeed; let one that seemed to succeed fail, and return its money to the charge."""
        before = {name: getattr(self, name) for name in ("status", *OCCASIONAL)}
        failed = self.status != "pending"
        self.status, self.pending_reason = "failed" if failed else "succeeded", None
        if failed:
            self.failure_reason = "expired_or_canceled_card"
            back = Movement(self.amount, self.currency, "refund_failure", self.id)
            self.failure_balance_transaction = back.id
        changed = {name: value for name, value in before.items() if value != getattr(self, name)}
        tell("refund.updated", self, **changed)
        tell("charge.refund.updated", self, **changed)
        if failed:
            tell("refund.failed", self)

    def _update(self, **changes: Any) -> None:
        if unknown := set(changes) - {"metadata"}:
            raise unknown_parameter(unknown.pop())
        before = dict(self.metadata)
        super()._update(**changes)
        tell("refund.updated", self, metadata=before)

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        for name in OCCASIONAL:
            if shown.get(name) is None:
                shown.pop(name, None)
        reference = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
        shown |= {
            "object": self.object,
            "destination_details": {"card": reference, "type": "card"},
            "metadata": dict(self.metadata),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "transfer_reversal": None,
        }
        del shown["livemode"]  # Stripe's refunds do not have it
        return expanded(shown, expand)

    @classmethod
    def _api_list_all(
        cls, url: str, charge: str | None = None, payment_intent: str | None = None, **paging: Any
    ) -> Page:
        """List refunds, newest first; only those of `charge` or `payment_intent`, if given."""
        shelf = shelves["refund"]
        if payment_intent:
            payment = Intent._api_retrieve(payment_intent).latest_charge
            shelf = Shelf(reversed(payment._refunds) if payment else ())
        elif charge:
            shelf = Shelf(reversed(Payment._api_retrieve(charge)._refunds))
        return page(shelf, url, **paging)


def _charge_of(charge: str | None, payment_intent: str | None) -> Payment:
    if payment_intent is not None:
        try:
            intent = Intent._api_retrieve(payment_intent)
        except StripeError as error:
            raise missing_reference("payment_intent", payment_intent, "payment_intent") from error
        if intent.status != "succeeded":
            message = f"This PaymentIntent ({intent.id}) does not have a successful charge to refund."
            raise StripeError(400, message, code="payment_intent_unexpected_state")
        return intent.latest_charge
    try:
        return Payment._api_retrieve(str(charge))
    except StripeError as error:
        raise missing_reference("charge", str(charge), "charge") from error


def _allowed(payment: Payment, amount: Any) -> int:
    """Return the amount to refund. Raises StripeError if Stripe refuses it."""
    dispute = payment._dispute
    lost = dispute.amount if dispute and dispute.status == "lost" else 0
    left = payment.amount - payment.amount_refunded - lost
    amount = try_convert_to_int(amount) if amount is not None else left
    if dispute and (dispute.status in OPEN or (lost and left <= 0)):
        message = f"Charge {payment.id} has been charged back; cannot issue a refund."
        raise StripeError(400, message, code="charge_disputed")
    if not payment.paid:
        raise StripeError(400, f"Charge {payment.id} was not paid; it cannot be refunded.", param="charge")
    if left <= 0:
        raise StripeError(400, f"Charge {payment.id} has already been refunded.", code="charge_already_refunded")
    if not isinstance(amount, int) or amount <= 0:
        raise StripeError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise StripeError(400, message, param="amount")
    return amount
