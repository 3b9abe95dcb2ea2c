"""How a draw moves from one state to the next, once, and notes why it does not."""

from datetime import datetime

from django.utils import timezone

from luxewin.audit.services import record
from verification.models import Draw


def wait(draw: Draw, until: datetime, reason: str) -> None:
    """Notes why the draw stays where it is, and when to try again."""
    # Another worker may have moved it on meanwhile: then the reason is not true any more.
    rows = Draw.objects.filter(pk=draw.pk, state=draw.state)
    rows.update(due_at=until, trouble=reason[:300], claimed_until=None)


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
