"""Updates of dj-stripe's records to what Stripe has now, one object per task.

dj-stripe fetches what an object refers to inside its own transaction. So a worker must call these: no person waits for
them, and only dj-stripe's rows are locked meanwhile.
"""

import logging

import stripe
from djstripe.models import Charge, Dispute, PaymentIntent, Refund

from purchases.gateway.client import calling

log = logging.getLogger(__name__)


def mirror_intent(intent_id: str) -> None:
    """Have dj-stripe record the intent, its customer and its newest charge as Stripe has them now."""
    with calling():
        intent = stripe.PaymentIntent.retrieve(intent_id)
        PaymentIntent.sync_from_stripe_data(intent)
        if intent.latest_charge:
            # By itself dj-stripe fetches only what its tables refer to, and an intent's row refers to no charge.
            charge = intent.latest_charge
            Charge.sync_from_stripe_data(stripe.Charge.retrieve(charge if isinstance(charge, str) else charge.id))


def mirror_refund(refund_id: str) -> None:
    """Have dj-stripe record the refund as Stripe has it now.

    Stripe documents refunds without a charge, which dj-stripe's table cannot hold: for those there is only our own row.
    """
    with calling():
        refund = stripe.Refund.retrieve(refund_id)
        if refund.charge is None:
            log.warning("refund %s has no charge, dj-stripe cannot record it", refund_id)
        else:
            Refund.sync_from_stripe_data(refund)


def mirror_dispute(dispute_id: str) -> None:
    """Have dj-stripe record the dispute as Stripe has it now."""
    with calling():
        Dispute.sync_from_stripe_data(stripe.Dispute.retrieve(dispute_id))
