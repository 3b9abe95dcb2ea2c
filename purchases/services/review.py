"""Reviews: how finance refunds money that did not match its purchase."""

from uuid import UUID

from luxewin.audit.services import Actor
from purchases import gateway
from purchases.errors import NotRefundable
from purchases.models import Payment, Purchase, Refund
from purchases.services.locking import atomic_with_lock_timeout
from purchases.services.refunds import open_refund
from purchases.services.settlement import mismatches


def resolve_review(purchase_id: UUID, *, reason: str, actor: Actor | None = None) -> list[Refund]:
    """Refund money that does not match its purchase: as much as Stripe received.

    A purchase in review leaves it and is refunded; one that was paid by other money keeps its tickets. Raises
    NotRefundable if there is no such money, ProviderUnavailable if Stripe does not say how much it received.
    """
    unreturned = Payment.objects.filter(purchase=purchase_id, status=Payment.Status.SUCCEEDED, refund=None)
    received = {each.pk: gateway.retrieve_intent(str(each.intent_id)) for each in unreturned}
    with atomic_with_lock_timeout():
        purchase = (
            Purchase.objects.select_for_update(no_key=True, of=("self",)).select_related("buyer").get(pk=purchase_id)
        )
        in_review = purchase.status == Purchase.Status.REVIEW
        kept = [each for each in unreturned.all() if each.pk in received]
        wrong = [each for each in kept if in_review or mismatches(purchase, each, received[each.pk])]
        # A paid purchase keeps its tickets, so some of its money must stay: sending all back would be a refund.
        if not wrong or (purchase.status == Purchase.Status.PAID and len(wrong) == len(kept)):
            raise NotRefundable(f"There is no money to refund from a review. This purchase is {purchase.status}.")
        return [
            open_refund(
                purchase,
                each,
                reason=reason,
                actor=actor,
                leaves=in_review,
                amount=received[each.pk].amount_received,
            )
            for each in wrong
        ]
