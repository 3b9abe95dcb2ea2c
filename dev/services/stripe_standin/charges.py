"""The stand-in's charges."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

from collections.abc import Callable
from typing import Any

from localstripe.resources import Charge, PaymentMethod, store

from dev.services.stripe_standin import methods
from dev.services.stripe_standin.balance import Movement
from dev.services.stripe_standin.disputes import Dispute
from dev.services.stripe_standin.errors import StripeError, missing
from dev.services.stripe_standin.expanding import expanded
from dev.services.stripe_standin.lists import Page, page, shelves

# Documented fields that the product does not use; Stripe shows them all.
UNUSED = (
    "application",
    "application_fee",
    "application_fee_amount",
    "failure_balance_transaction",
    "on_behalf_of",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "review",
    "shipping",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
)
SHOWN = (
    "id",
    "object",
    "amount",
    "amount_refunded",
    "balance_transaction",
    "captured",
    "created",
    "currency",
    "customer",
    "description",
    "failure_code",
    "failure_message",
    "livemode",
    "paid",
    "payment_intent",
    "payment_method",
    "refunded",
    "status",
)


class Payment(Charge):
    """A charge of an intent, in Stripe's current shape."""

    _authorized: bool
    _due: float | None = None  # when it will be disputed
    _dispute: Dispute | None = None
    _decline_code: str | None = None
    payment_method: str

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        self._refunds: list[Any] = []  # newest first
        self._authorized = self._authorized and self._number() not in methods.DECLINES

    def _number(self) -> str:
        return methods.number_of(PaymentMethod._api_retrieve(self.payment_method))

    def _set_auth_failure(self) -> None:
        self.status = "failed"
        self.failure_code, self._decline_code = methods.DECLINES.get(self._number(), methods.DECLINED)
        self.failure_message = methods.MESSAGES[self.failure_code]

    def _trigger_payment(self, on_success: Callable[[], None] | None = None) -> None:
        """Take the money now; delays happen in the intent."""
        self.balance_transaction = Movement(self.amount, self.currency, "charge", self.id).id
        self.status = "succeeded"
        if on_success:
            on_success()

    def _finish(self) -> None:
        """Open the dispute of a cardholder who denies the charge."""
        self._be_disputed()

    def _be_disputed(
        self, reason: str = "fraudulent", amount: int | None = None, currency: str | None = None
    ) -> Dispute:
        """Dispute the charge. Raises StripeError if it is disputed already or was never paid."""
        if self._dispute or not self.paid:
            raise StripeError(400, f"Charge {self.id} cannot be disputed.")
        self._due = None
        amount = self.amount - self.amount_refunded if amount is None else amount
        self._dispute = Dispute(self, reason, amount, currency or self.currency)
        self._dispute._withdraw()
        return self._dispute

    @property
    def amount_refunded(self) -> int:
        return sum(refund.amount for refund in self._refunds if refund.status not in ("failed", "canceled"))

    @property
    def refunds(self) -> Any:
        return [refund._export() for refund in self._refunds]

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        method = PaymentMethod._api_retrieve(self.payment_method)
        shown = dict.fromkeys(UNUSED) | {name: getattr(self, name) for name in SHOWN}
        shown |= {
            "amount_captured": self.amount if self.captured and self.paid else 0,
            "billing_details": methods.billing_details(method),
            "calculated_statement_descriptor": "LUXEWIN",
            "dispute": self._dispute.id if self._dispute else None,  # Stripe's older versions; dj-stripe reads it
            "disputed": self._dispute is not None,
            "fraud_details": {},
            "metadata": dict(self.metadata),
            "outcome": self._outcome(),
            "payment_method_details": methods.details(method),
            "radar_options": {},
        }
        if "refunds" in (expand := list(expand or [])):
            expand.remove("refunds")
            url = f"/v1/charges/{self.id}/refunds"
            shown["refunds"] = {"object": "list", "url": url, "has_more": False, "data": self.refunds}
        return expanded(shown, expand)

    def _outcome(self) -> dict[str, Any] | None:
        if self.status == "pending":
            return None
        outcome = dict.fromkeys(("advice_code", "network_advice_code", "network_decline_code", "reason"))
        if self.paid:
            facts = {"network_status": "approved_by_network", "seller_message": "Payment complete."}
            return outcome | facts | {"risk_level": "normal", "type": "authorized"}
        facts = {"network_status": "declined_by_network", "reason": self._decline_code or self.failure_code}
        return outcome | facts | {"seller_message": "Declined.", "risk_level": "normal", "type": "issuer_declined"}

    @classmethod
    def _api_retrieve(cls, id: str) -> "Payment":  # noqa: A002 (localstripe's name)
        if not isinstance(found := store.get(f"charge:{id}"), cls):
            raise missing("charge", str(id))
        return found

    @classmethod
    def _api_list_all(
        cls, url: str, customer: str | None = None, payment_intent: str | None = None, **paging: Any
    ) -> Page:
        def matches(charge: Any) -> bool:
            return customer in (None, charge.customer) and payment_intent in (None, charge.payment_intent)

        return page(shelves["charge"], url, matches, **paging)
