"""Stripe events that have no effect here."""

import json
from typing import Any

from purchases import gateway
from purchases.models import SetAsideEvent


def set_event_aside(event: dict[str, Any]) -> None:
    """Keep a signed event, once, without what names a payer. Cost: one statement."""
    kept = SetAsideEvent(
        event_id=event["id"][:255],
        type=event["type"][:250],
        account=str(event.get("account") or "")[:255],
        content=json.dumps(gateway.without_payers(event)),
    )
    SetAsideEvent.objects.bulk_create([kept], ignore_conflicts=True)
