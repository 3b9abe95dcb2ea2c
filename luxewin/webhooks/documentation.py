"""The `webhooks` section of the OpenAPI document; the settings name each of these."""

from drf_spectacular.utils import OpenApiResponse, OpenApiWebhook, extend_schema
from rest_framework import serializers

from luxewin.webhooks.events import TYPES, EventType


def _documented(name: EventType) -> OpenApiWebhook:
    data = TYPES[name]
    words = "".join(word.title() for word in name.split("."))
    body = type(
        f"{words}Event",
        (serializers.Serializer,),
        {
            "type": serializers.ChoiceField([(name.value, name.value)]),
            "timestamp": serializers.DateTimeField(help_text="When it happened."),
            "data": data(),
        },
    )
    about = " ".join((data.__doc__ or "").split())
    signed = (
        "Signed as Standard Webhooks has it: `webhook-id`, which is the same however often the event comes, "
        "`webhook-timestamp` and `webhook-signature`. Any answer but 2xx within 10 seconds is a failure; redirects "
        "are not followed. It is tried again for three days, and may come twice and in any order."
    )
    return OpenApiWebhook(
        name.value,
        extend_schema(
            summary=name.value,
            description=f"{about}\n\n{signed}",
            tags=["webhooks"],
            request=body,
            responses={"2XX": OpenApiResponse(description="Taken.")},
        ),
    )


PURCHASE_PAID = _documented(EventType.PURCHASE_PAID)
PURCHASE_REFUNDED = _documented(EventType.PURCHASE_REFUNDED)
RAFFLE_PUBLISHED = _documented(EventType.RAFFLE_PUBLISHED)
RAFFLE_CLOSED = _documented(EventType.RAFFLE_CLOSED)
RAFFLE_CANCELLED = _documented(EventType.RAFFLE_CANCELLED)
RAFFLE_DRAWN = _documented(EventType.RAFFLE_DRAWN)
WINNER_CLAIMED = _documented(EventType.WINNER_CLAIMED)
DISPUTE_OPENED = _documented(EventType.DISPUTE_OPENED)
