"""Mirrors: dj-stripe's records, updated to what Stripe has, reliably and after all work that a person waits for.

A change is noted in the transaction that learnt of it; the note is removed once the record is up to date.
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
# A task is killed before its claim runs out. So only one at a time asks about an object and records the answer, and an
# older answer never overwrites a newer one.
LEASE = timedelta(seconds=settings.Q_CLUSTER["timeout"] + 60)
# After a failure; doubled after each further one.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)

MIRRORS: dict[str, Callable[[str], None]] = {
    About.INTENT: gateway.mirror_intent,
    About.REFUND: gateway.mirror_refund,
    About.DISPUTE: gateway.mirror_dispute,
}


def note_change(*objects: tuple[StripeNotice.About, str]) -> None:
    """Note, in the caller's transaction, that dj-stripe's records of these objects are stale. Cost: one upsert."""
    abouts = {object_id: about for about, object_id in objects}
    # In one order, so that two callers never wait for each other.
    stale = [
        StaleMirror(object_id=object_id, about=abouts[object_id], noted_at=Now(), due_at=Now())
        for object_id in sorted(abouts)
    ]
    # A record that failed before is tried again at once, because its object has changed.
    StaleMirror.objects.bulk_create(
        stale, update_conflicts=True, unique_fields=["object_id"], update_fields=["noted_at", "due_at"]
    )


def claim_stale_mirrors() -> list[str]:
    """Claim the next batch unless one is under way, so that many records never fill the queue that payments use.

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
    """Update claimed records; leave those it does not reach to the next batch.

    After each record it gives way to work waiting in the queue, so under load it updates one at a time. It stops when
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
    """Update one record unless another worker has claimed it. Raises what Stripe and dj-stripe raise."""
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
    # An object that changed meanwhile is asked for once more.
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
