"""How long people whose holds lapse repeatedly must wait."""

from datetime import timedelta

from django.db import transaction

from accounts.models import User
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import record
from purchases.models import LapseWait

LONGEST_WAIT = timedelta(days=1)  # lapses are counted for a day


def may_be_waited(wait: timedelta) -> bool:
    """Whether a wait may be set: from nothing to LONGEST_WAIT."""
    return timedelta() <= wait <= LONGEST_WAIT


def change_lapse_wait(lapses: int, *, wait: timedelta, actor: User) -> LapseWait:
    """Set the wait after this many lapses, and audit it. Raises InvalidInput and LapseWait.DoesNotExist.

    It applies from the next hold on, also to people who are already waiting. Cost: three queries.
    """
    if not may_be_waited(wait):
        raise InvalidInput.of("wait", "out_of_range", "Enter a time from 0 to 24 hours.")
    with transaction.atomic():
        row = LapseWait.objects.select_for_update().get(pk=lapses)
        before, row.wait = row.wait, wait
        row.save(update_fields=["wait"])
        values = [{"wait_seconds": int(each.total_seconds())} for each in (before, wait)]
        record("lapse_wait.changed", row, actor=actor, before=values[0], after=values[1])
    return row
