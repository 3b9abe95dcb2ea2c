"""Which events there are, and what each says: the one source for endpoints, payloads and the OpenAPI document.

They name people and things by ids only; who needs more asks the API or the back office for it.
"""

from enum import StrEnum

from rest_framework import serializers


class EventType(StrEnum):
    """What other systems can be told of."""

    PURCHASE_PAID = "purchase.paid"
    PURCHASE_REFUNDED = "purchase.refunded"
    RAFFLE_PUBLISHED = "raffle.published"
    RAFFLE_CLOSED = "raffle.closed"
    RAFFLE_CANCELLED = "raffle.cancelled"
    RAFFLE_DRAWN = "raffle.drawn"
    WINNER_CLAIMED = "winner.claimed"
    DISPUTE_OPENED = "dispute.opened"


class PurchasePaid(serializers.Serializer):
    """Tickets were issued for a payment."""

    purchase = serializers.UUIDField()
    raffle = serializers.UUIDField()
    buyer = serializers.UUIDField()
    quantity = serializers.IntegerField()
    first_ticket = serializers.IntegerField()
    last_ticket = serializers.IntegerField()
    amount = serializers.IntegerField(help_text="In the currency's minor unit.")
    currency = serializers.CharField(help_text="ISO 4217, in lower case.")


class PurchaseRefunded(serializers.Serializer):
    """Money went back to a buyer, the whole or a part. Refunds made by hand at Stripe are not among these events."""

    purchase = serializers.UUIDField()
    raffle = serializers.UUIDField()
    buyer = serializers.UUIDField()
    refund = serializers.UUIDField()
    amount = serializers.IntegerField(help_text="Of this refund, in the currency's minor unit.")
    currency = serializers.CharField(help_text="ISO 4217, in lower case.")


class RaffleChanged(serializers.Serializer):
    """A raffle was published, its sale ended, or its winners are final."""

    raffle = serializers.UUIDField()
    slug = serializers.CharField()


class RaffleCancelled(RaffleChanged):
    """A raffle was cancelled, or its draw is void: everyone is refunded."""

    reason = serializers.CharField(allow_blank=True)


class WinnerClaimed(serializers.Serializer):
    """A prize was handed over."""

    raffle = serializers.UUIDField()
    position = serializers.IntegerField(help_text="Of the pick in the draw.")
    ticket = serializers.IntegerField()
    purchase = serializers.UUIDField()
    prize = serializers.CharField()


class DisputeOpened(serializers.Serializer):
    """A buyer's bank asks for the money back."""

    dispute = serializers.CharField(help_text="Its id at Stripe.")
    purchase = serializers.UUIDField()
    raffle = serializers.UUIDField()
    buyer = serializers.UUIDField()
    amount = serializers.IntegerField(help_text="In the currency's minor unit.")
    currency = serializers.CharField(help_text="ISO 4217, in lower case.")
    reason = serializers.CharField()


#: What `data` of each type of event holds.
TYPES: dict[EventType, type[serializers.Serializer]] = {
    EventType.PURCHASE_PAID: PurchasePaid,
    EventType.PURCHASE_REFUNDED: PurchaseRefunded,
    EventType.RAFFLE_PUBLISHED: RaffleChanged,
    EventType.RAFFLE_CLOSED: RaffleChanged,
    EventType.RAFFLE_CANCELLED: RaffleCancelled,
    EventType.RAFFLE_DRAWN: RaffleChanged,
    EventType.WINNER_CLAIMED: WinnerClaimed,
    EventType.DISPUTE_OPENED: DisputeOpened,
}
