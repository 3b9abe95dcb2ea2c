"""Stop the sale of all raffles for a while, and resume it."""

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from luxewin.audit.services import Actor, record
from raffles.errors import AlreadyStopped, NotStopped, SalesStopped
from raffles.models import SaleStop


def stop_sales(*, reason: str, actor: Actor | None = None) -> SaleStop:
    """Refuse new holds in all raffles, from the next one on. Raises AlreadyStopped.

    What is held stays payable, and money that arrives is settled: nobody pays for nothing. Closing times and draws stay
    as they are, since terms never change. Free entries are still entered. `reason` is public.
    """
    with transaction.atomic():
        try:
            with transaction.atomic():
                stop = SaleStop.objects.create(reason=reason)
        except IntegrityError as error:
            raise AlreadyStopped("The sale of all raffles is stopped already.") from error
        record("sales.stopped", stop, actor=actor, after={"reason": stop.reason})
    return stop


def resume_sales(*, actor: Actor | None = None) -> SaleStop:
    """Let tickets be held again. Raises NotStopped."""
    with transaction.atomic():
        stop = SaleStop.objects.select_for_update().filter(ended_at=None).first()
        if stop is None:
            raise NotStopped("The sale of all raffles is not stopped.")
        SaleStop.objects.filter(pk=stop.pk).update(ended_at=Now())
        stop.refresh_from_db()
        record("sales.resumed", stop, actor=actor, before={"reason": stop.reason})
    return stop


def running_stop() -> SaleStop | None:
    """Return the stop that runs now, if any. Cost: one query of an index."""
    return SaleStop.objects.filter(ended_at=None).first()


def sales_stopped(stop: SaleStop) -> SalesStopped:
    """Return the Problem that tells a buyer of a stop."""
    text = f"Tickets are not sold at the moment, and none were reserved. Why: {stop.reason}"
    return SalesStopped(text, reason=stop.reason, since=stop.started_at)
