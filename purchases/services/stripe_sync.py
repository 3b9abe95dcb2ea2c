"""Mirrors: dj-stripe's records, brought up to what Stripe has, surely and after everything that somebody waits for.

What changed is noted in the transaction that learnt of it; the note goes once the record was brought up to it.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from luxewin.tasks.queue import is_work_waiting
from purchases import gateway
from purchases.errors import ProviderRefused, ProviderUnavailable
from purchases.models import StaleMirror, StripeNotice

log = logging.getLogger(__name__)
About = StripeNotice.About
BATCH = 50
BUDGET_SECONDS = 20
# A task is killed before its claim runs out. So one at a time asks about an object and writes what it was told, and an
# older word never comes after a newer one.
LEASE = timedelta(seconds=settings.Q_CLUSTER["timeout"] + 60)
# After a failure, twice as long after each that follows.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)

MIRRORS: dict[str, Callable[[str], None]] = {
    About.INTENT: gateway.mirror_intent,
    About.REFUND: gateway.mirror_refund,
    About.DISPUTE: gateway.mirror_dispute,
}


def note_change(*objects: tuple[StripeNotice.About, str]) -> None:
    """Notes, in the caller's transaction, that these objects are not as dj-stripe recorded them. Cost: one upsert."""
    abouts = {object_id: about for about, object_id in objects}
    # In one order, so that two callers never wait for each other.
    stale = [
        StaleMirror(object_id=object_id, about=abouts[object_id], noted_at=Now(), due_at=Now())
        for object_id in sorted(abouts)
    ]
    # What failed before is tried again at once: something has changed.
    StaleMirror.objects.bulk_create(
        stale, update_conflicts=True, unique_fields=["object_id"], update_fields=["noted_at", "due_at"]
    )


def claim_stale_mirrors() -> list[str]:
    """Claims the next batch, unless one is under way; so many records never fill the queue that payments wait in.

    Cost: one statement if there is nothing to do.
    """
    with transaction.atomic():
        if not StaleMirror.objects.filter(due_at__lte=Now()).exists():
            return []
        if StaleMirror.objects.filter(claimed_until__gt=Now()).exists():
            return []
        due = StaleMirror.objects.filter(due_at__lte=Now()).order_by("due_at")
        keys = list(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:BATCH])
        StaleMirror.objects.filter(pk__in=keys).update(claimed_until=Now() + LEASE)
    return keys


def mirror_batch(keys: Sequence[str]) -> None:
    """Brings claimed records up to date; those it does not come to are left to the next batch.

    It gives way after each to work that waits in the queue, so that under load it does one at a turn, and stops where
    Stripe does not answer.
    """
    deadline = monotonic() + BUDGET_SECONDS
    for number, key in enumerate(keys, start=1):
        try:
            _bring_up(key)
        except ProviderUnavailable as error:
            log.error("Stripe does not answer, its records wait: %s", error.__cause__)  # noqa: TRY400
            break
        except Exception:
            log.exception("the record of %s cannot be made, it is tried again", key)
        if number < len(keys) and (monotonic() > deadline or is_work_waiting()):
            break
    StaleMirror.objects.filter(pk__in=keys[number:]).update(claimed_until=None)


def mirror_now(about: StripeNotice.About, object_id: str) -> None:
    """Brings one record up to date, unless somebody is at it. Raises what Stripe and dj-stripe raise."""
    note_change((about, object_id))
    free = Q(claimed_until=None) | Q(claimed_until__lte=Now())
    if StaleMirror.objects.filter(free, pk=object_id).update(claimed_until=Now() + LEASE):
        _bring_up(object_id)


def _bring_up(key: str) -> None:
    stale = StaleMirror.objects.filter(pk=key).first()
    if stale is None:
        return
    try:
        MIRRORS[stale.about](key)
    except ProviderRefused as error:
        if error.data.get("provider_code") != gateway.MISSING:
            _put_off(stale, error)
            raise
        log.error("Stripe does not know %s, there is nothing to record: %s", key, error.detail)  # noqa: TRY400
    except Exception as error:
        _put_off(stale, error)
        raise
    # What changed meanwhile is asked for once more.
    if not StaleMirror.objects.filter(pk=key, noted_at=stale.noted_at).delete()[0]:
        StaleMirror.objects.filter(pk=key).update(claimed_until=None, tries=0, error="")


def _put_off(stale: StaleMirror, error: Exception) -> None:
    pause = min(FIRST_PAUSE * 2 ** min(stale.tries, 20), LONGEST_PAUSE)
    StaleMirror.objects.filter(pk=stale.pk).update(
        claimed_until=None,
        due_at=Now() + pause,
        tries=F("tries") + 1,
        error=f"{type(error).__name__}: {error}".replace("\0", "")[:200],
    )
