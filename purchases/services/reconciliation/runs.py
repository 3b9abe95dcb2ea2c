"""The daily comparison: ordered once a day, done one stretch of time after another by any free worker."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.alerts import alert_finance
from luxewin.clock import database_now
from purchases.models import Reconciliation, StripeWatch
from purchases.services.reconciliation.books import faults_of_the_books
from purchases.services.reconciliation.comparison import Comparison
from purchases.services.reconciliation.differences import Difference, unsettled
from purchases.services.reconciliation.missed import begin_watching
from purchases.services.reconciliation.stretches import Stretches

log = logging.getLogger(__name__)
EVERY = timedelta(days=1)
LOOKS_BACK = timedelta(days=3)
STRETCH = timedelta(minutes=5)
KEPT = timedelta(days=90)
BUDGET_SECONDS = 60
# Differences that a mail names.
MOST_NAMED = 20


def order_reconciliation() -> Reconciliation | None:
    """Order the next comparison once EVERY has passed since the last; concurrent callers order one. Return it or None.

    Cost: two statements.
    """
    begin_watching()
    now = database_now()
    with transaction.atomic():
        if not StripeWatch.objects.filter(compared_at__lte=now - EVERY).update(compared_at=now):
            return None
        Reconciliation.objects.filter(until__lt=now - KEPT).delete()
        since = now - LOOKS_BACK
        return Reconciliation.objects.create(since=since, until=now, reached=since)


def continue_reconciliation(run_id: int) -> None:
    """Continue a comparison for BUDGET_SECONDS, and log a line for each remaining difference.

    Finance is told at the end if any remain.

    Raises ProviderUnavailable; what was compared until then is kept.
    """
    run = Reconciliation.objects.get(pk=run_id)
    comparison = Comparison(repair=True)
    stretches = Stretches(run.reached, run.until, STRETCH)
    deadline = monotonic() + BUDGET_SECONDS

    def visit(start: datetime, stop: datetime) -> int:
        before = comparison.compared
        _keep(run, comparison.between(start, stop))
        looked = comparison.compared - before
        Reconciliation.objects.filter(pk=run.pk).update(reached=stop, compared=F("compared") + looked)
        return looked

    while stretches.walk(visit):
        if monotonic() > deadline:
            return
    _keep(run, comparison.unfinished(run.since))
    _keep(run, faults_of_the_books())
    with transaction.atomic():
        if Reconciliation.objects.filter(pk=run.pk, finished_at=None).update(finished_at=Now()) and run.remaining:
            named = {"count": len(run.remaining), "more": len(run.remaining) > MOST_NAMED, "run": run.pk}
            alert_finance("books_differ", about=run.pk, differences=run.remaining[:MOST_NAMED], **named)


def _keep(run: Reconciliation, differences: Iterable[Difference]) -> None:
    for difference in unsettled(differences):
        if difference.repaired:
            run.repaired += 1
        else:
            log.error("reconciliation: %s", difference)
            if str(difference) not in run.remaining:
                run.remaining.append(str(difference))
    run.save(update_fields=["repaired", "remaining"])
