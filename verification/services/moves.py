"""How a draw moves from one state to the next, once, and notes why it does not."""

import logging
from datetime import datetime

from django.utils import timezone

from luxewin.audit.services import record
from verification.alerts import alert_staff
from verification.errors import StepStuck
from verification.models import Draw

log = logging.getLogger(__name__)


def wait(draw: Draw, until: datetime, reason: str) -> None:
    """Notes why the draw stays where it is, and when to try again."""
    # Another worker may have moved it on meanwhile: then the reason is not true any more.
    rows = Draw.objects.filter(pk=draw.pk, state=draw.state)
    rows.update(due_at=until, trouble=reason[:300], claimed_until=None)


def stop(draw: Draw, stuck: StepStuck) -> None:
    """Notes why the draw stays where it is, and tells staff, once in each of its states."""
    log.error("draw %s stays %s: %s", draw.sequence, draw.state, stuck.reason)
    wait(draw, stuck.until, stuck.reason)
    facts = {"raffle": draw.raffle.title, "sequence": draw.sequence, "state": draw.state, "reason": stuck.reason}
    alert_staff("draw_stuck", about=f"{draw.pk}:{draw.state}", **facts)


def reach(draw: Draw, state: Draw.State, **facts: object) -> bool:
    """Moves the draw on in the caller's transaction; False if another worker did it before."""
    fresh = Draw.objects.select_for_update(no_key=True, of=("self",)).get(pk=draw.pk)
    if fresh.state != draw.state:
        return False
    values = {"state": state, "trouble": "", "claimed_until": None, "due_at": timezone.now()} | facts
    Draw.objects.filter(pk=draw.pk).update(**values)
    after = {name: str(value) for name, value in ({"state": state} | facts).items()}
    record(f"draw.{state}", draw, before={"state": draw.state}, after=after)
    return True
