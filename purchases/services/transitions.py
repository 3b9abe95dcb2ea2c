"""Status changes of payments and refunds, each with its audit row."""

from typing import Any

from luxewin.audit.services import Actor, record
from purchases.models import Payment, Refund


def move_payment(payment: Payment, status: Payment.Status, **changes: Any) -> None:
    """Move a locked payment to `status`, together with its other changes. Cost: two statements."""
    before = payment.status
    for name, value in (changes | {"status": status}).items():
        setattr(payment, name, value)
    payment.save(update_fields=[*changes, "status", "updated_at"])
    record_payment(payment, before=before)


def record_payment(payment: Payment, *, before: str | None) -> None:
    """Audit a payment's new status, in the transaction that changed it."""
    known = {"status": before} if before else {}
    record(f"payment.{payment.status}", payment, before=known, after=payment_facts(payment))


def payment_facts(payment: Payment) -> dict[str, object]:
    """Return what the audit keeps of a payment."""
    return {"status": payment.status, "purchase": str(payment.purchase_id), "intent": payment.intent_id}


def record_refund(refund: Refund, *, before: str | None, actor: Actor | None = None) -> None:
    """Audit a refund's new status, in the transaction that changed it."""
    known = {"status": before} if before else {}
    record(f"refund.{refund.status}", refund, actor=actor, before=known, after=refund_facts(refund))


def request_again(refund: Refund, *, actor: Actor | None = None) -> None:
    """Request a locked refund again that Stripe is not processing, in the caller's transaction."""
    before = {"status": refund.status, "attempt": refund.attempt}
    refund.status, refund.stripe_id, refund.error = Refund.Status.REQUESTED, None, ""
    refund.attempt, refund.claimed_until = refund.attempt + 1, None
    refund.save(update_fields=["status", "stripe_id", "error", "attempt", "claimed_until", "updated_at"])
    record("refund.retried", refund, actor=actor, before=before, after=refund_facts(refund))


def refund_facts(refund: Refund) -> dict[str, object]:
    """Return what the audit keeps of a refund."""
    facts = {"status": refund.status, "payment": str(refund.payment_id), "amount": refund.amount}
    return facts | {"attempt": refund.attempt, "stripe_id": refund.stripe_id}
