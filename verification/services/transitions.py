"""Transitions of a draw from one state to the next, once, and notes of why it waits."""

import logging
from datetime import datetime
from typing import Any

from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from accounts.alerts import alert_staff
from luxewin.audit.services import Actor, record
from verification.errors import Contradiction, StepStuck
from verification.models import Draw

log = logging.getLogger(__name__)
# What a step reads before it asks the chain or beacon: if these have changed since, its result no longer applies.
READ = ("state", "root", "committed_at", "round")


def wait(draw: Draw, until: datetime | Combinable, reason: str, *, contradiction: str = "") -> None:
    """Note why the draw waits, and when to try again; `contradiction` is public."""
    # If another worker has moved it on meanwhile, the reason no longer applies.
    rows = Draw.objects.filter(pk=draw.pk, state=draw.state)
    rows.update(due_at=until, trouble=reason[:300], contradiction=contradiction[:300], claimed_until=None)


def stop(draw: Draw, stuck: StepStuck) -> None:
    """Note why the draw is stuck, and alert staff, once per state of the draw."""
    log.error("draw %s stays %s: %s", draw.sequence, draw.state, stuck.reason)
    public = stuck.reason if isinstance(stuck, Contradiction) else ""
    wait(draw, stuck.until, stuck.reason, contradiction=public)
    facts = {"raffle": draw.raffle.title, "sequence": draw.sequence, "state": draw.state, "reason": stuck.reason}
    alert_staff("draw_stuck", about=f"{draw.pk}:{draw.state}", **facts)


def is_as_read(draw: Draw) -> bool:
    """Lock the draw in the caller's transaction; return False if its state or commitment has changed since."""
    fresh = Draw.objects.select_for_update(no_key=True, of=("self",)).get(pk=draw.pk)
    return all(getattr(fresh, name) == getattr(draw, name) for name in READ)


def reach(draw: Draw, state: Draw.State, *, actor: Actor | None = None, **facts: Any) -> bool:
    """Move the draw to `state` in the caller's transaction; return False if it has changed since it was read."""
    if not is_as_read(draw):
        return False
    values = {"state": state, "trouble": "", "contradiction": "", "claimed_until": None, "due_at": Now()} | facts
    Draw.objects.filter(pk=draw.pk).update(**values)
    after = {name: str(value) for name, value in ({"state": state} | facts).items()}
    record(f"draw.{state}", draw, actor=actor, before={"state": draw.state}, after=after)
    return True
