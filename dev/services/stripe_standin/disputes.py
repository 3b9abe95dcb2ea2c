"""The stand-in's disputes, which test evidence wins or loses as at Stripe."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

import time
from typing import Any

from localstripe.resources import StripeObject, store, try_convert_to_bool

from dev.services.stripe_standin.balance import Movement
from dev.services.stripe_standin.errors import StripeError, missing, unknown_parameter
from dev.services.stripe_standin.events import tell
from dev.services.stripe_standin.expanding import expanded
from dev.services.stripe_standin.lists import Page, page, shelves

FEE = 1500
DAYS_TO_ANSWER = 7
OPEN = ("needs_response", "under_review")
OUTCOMES = {"winning_evidence": "won", "losing_evidence": "lost"}
EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


class Dispute(StripeObject):
    """A charge that its cardholder contests: the money is gone until the dispute is won."""

    object = "dispute"
    _id_prefix = "du_"

    def __init__(self, charge: Any, reason: str, amount: int, currency: str) -> None:
        super().__init__()
        self.amount = amount
        self.balance_transactions: list[dict[str, Any]] = []
        self.charge = charge.id
        self.currency = currency
        self.enhanced_eligibility_types: list[str] = []
        self.evidence: dict[str, Any] = {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}}
        self.is_charge_refundable = False
        self.metadata: dict[str, str] = {}
        self.network_reason_code = "10.4" if reason == "fraudulent" else "13.1"
        self.payment_intent = charge.payment_intent
        self.reason = reason
        self.status = "needs_response"
        self._due_by = self.created + DAYS_TO_ANSWER * 24 * 3600
        self._submissions = 0

    def _withdraw(self) -> None:
        """Take the money back and emit events, once the charge has its dispute."""
        self._change_balance(-self.amount, FEE)
        tell("charge.dispute.created", self)
        tell("charge.dispute.funds_withdrawn", self)

    def _change_balance(self, amount: int, fee: int) -> None:
        change = Movement(amount, self.currency, "adjustment", self.id, fee=fee, category="dispute")
        self.balance_transactions = [*self.balance_transactions, change._export()]

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        eligible: dict[str, Any] = {"case_type": "chargeback", "network_reason_code": self.network_reason_code}
        shown |= {
            "object": self.object,
            "evidence": dict(self.evidence),
            "evidence_details": {
                "due_by": self._due_by,
                "enhanced_eligibility": {},
                "has_evidence": any(self.evidence[name] for name in EVIDENCE),
                "past_due": time.time() > self._due_by,
                "submission_count": self._submissions,
            },
            "metadata": dict(self.metadata),
            "payment_method_details": {"type": "card", "card": {"brand": "visa", **eligible}},
        }
        return expanded(shown, expand)

    def _update(
        self,
        evidence: dict[str, Any] | None = None,
        submit: Any = True,
        metadata: dict[str, str] | None = None,
        **unknown: Any,
    ) -> None:
        evidence = evidence or {}
        if unknown := {**unknown, **{name: 0 for name in evidence if name not in EVIDENCE}}:
            raise unknown_parameter(next(iter(unknown)))
        self._demand_open()
        before = self.status
        self.evidence = self.evidence | evidence
        self.metadata = self.metadata | (metadata or {})
        if evidence and try_convert_to_bool(submit):
            self._submissions += 1
            self.status = "under_review"
        tell("charge.dispute.updated", self, status=before)
        outcome = OUTCOMES.get(self.evidence["uncategorized_text"] or "")
        if outcome and self.status == "under_review":
            self._close(outcome)

    def _demand_open(self) -> None:
        if self.status not in OPEN:
            raise StripeError(400, f"This dispute is already closed: it has a status of {self.status}.")

    def _close(self, status: str) -> None:
        before, self.status = self.status, status
        if status == "won":
            self._change_balance(self.amount, -FEE)
        tell("charge.dispute.closed", self, status=before)
        if status == "won":
            tell("charge.dispute.funds_reinstated", self)

    def _decide(self, status: str) -> None:
        """Take another status, as the bank says: an inquiry that becomes a dispute, an end that is reversed."""
        if status not in (*OPEN, *OUTCOMES.values(), "warning_needs_response", "warning_closed"):
            raise StripeError(400, f"No status of a dispute: {status}.")
        if status not in (*OPEN, "warning_needs_response"):
            self._close(status)
            return
        before, self.status = self.status, status
        if before == "won":
            self._change_balance(-self.amount, FEE)
        tell("charge.dispute.updated", self, status=before)

    @classmethod
    def _api_close(cls, id: str, **unknown: Any) -> "Dispute":  # noqa: A002 (localstripe's name)
        if unknown:
            raise unknown_parameter(next(iter(unknown)))
        dispute = cls._api_retrieve(id)
        dispute._demand_open()
        dispute._close("lost")
        return dispute

    @classmethod
    def _api_retrieve(cls, id: str) -> "Dispute":  # noqa: A002 (localstripe's name)
        if not isinstance(found := store.get(f"dispute:{id}"), cls):
            raise missing("dispute", str(id))
        return found

    @classmethod
    def _api_list_all(
        cls, url: str, charge: str | None = None, payment_intent: str | None = None, **paging: Any
    ) -> Page:
        def matches(dispute: Any) -> bool:
            return charge in (None, dispute.charge) and payment_intent in (None, dispute.payment_intent)

        return page(shelves["dispute"], url, matches, **paging)
