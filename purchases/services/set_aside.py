"""Stripe events that have no effect here."""

import json
from typing import Any

from purchases import gateway
from purchases.models import SetAsideEvent


def set_event_aside(event: dict[str, Any]) -> None:
    """Keep a signed event, once, without what names a payer. Cost: one statement."""
    said = gateway.storable_json(event)
    kept = SetAsideEvent(
        event_id=said["id"][:255],
        type=said["type"][:250],
        account=str(said.get("account") or "")[:255],
        content=json.dumps(gateway.without_payers(said)),
    )
    SetAsideEvent.objects.bulk_create([kept], ignore_conflicts=True)
