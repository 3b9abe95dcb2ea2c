"""Background tasks of purchases. Every task is idempotent; sweeps resume what was dropped."""

import logging
from datetime import timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from djstripe.models import Customer

from accounts.models import Deletion, EligibilityChange, User
from luxewin.api.problems import Busy
from luxewin.tasks.queue import enqueue
from luxewin.tasks.sweeps import enqueue_due, sweep
from purchases import gateway, services
from purchases.errors import ProviderRefused, ProviderUnavailable
from purchases.models import (
    CustomerChange,
    Purchase,
    Reconciliation,
    Refund,
    SetAsideEvent,
    StripeNotice,
    StripeWatch,
    UnstoredEvent,
)
from raffles.models import Raffle

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=60)
# How often to ask about a refund that a bank takes days for, in case Stripe's event never comes.
BANK_LEASE = timedelta(minutes=30)
# Between two searches for missed Stripe events.
PAUSE = timedelta(seconds=15)
# As long as Stripe keeps an event.
SET_ASIDE = timedelta(days=30)
# Longer than a stretch of a comparison can take.
COMPARISON_LEASE = timedelta(minutes=5)


@sweep(every=1)
def expire_overdue_purchases() -> int:
    """Enqueue the expiry of overdue holds."""
    return enqueue_due(Purchase.objects.overdue(), expire_purchase, lease=LEASE)


@sweep(every=15)
def remind_of_ending_holds() -> None:
    """Write reminders to pay for holds that end soon."""
    services.remind_of_ending_holds()


@sweep(every=1)
def check_changed_people() -> int:
    """Enqueue a check of people whose profile or safeguards changed: they may no longer buy."""
    return enqueue_due(EligibilityChange.objects.all(), check_changed_person, lease=LEASE)


@sweep(every=10)
def find_blocked_buyers() -> int:
    """Note people in a checkout who may no longer buy because of a rule, terms, a setting or the time."""
    return services.note_blocked_buyers()


@sweep(every=1)
def carry_out_open_refunds() -> int:
    """Enqueue refunds that Stripe was not asked for yet."""
    return enqueue_due(Refund.objects.filter(status=Refund.Status.REQUESTED), execute_refund, lease=LEASE)


@sweep(every=30)
def follow_disputed_refunds() -> int:
    """Enqueue refunds that a dispute holds up, in case Stripe's event of its end never comes."""
    return enqueue_due(Refund.objects.filter(status=Refund.Status.WAITING), execute_refund, lease=BANK_LEASE)


@sweep(every=30)
def follow_slow_refunds() -> int:
    """Enqueue refunds that Stripe has not finished."""
    return enqueue_due(Refund.objects.filter(status=Refund.Status.PENDING), execute_refund, lease=BANK_LEASE)


@sweep(every=5)
def take_up_news() -> int:
    """Enqueue Stripe's unprocessed notices: a task was lost, Stripe did not answer, or a bank takes its time."""
    return enqueue_due(StripeNotice.objects.all(), sync_object, lease=services.NOTICE_LEASE)


@sweep(every=5)
def look_for_missed_events() -> int:
    """Enqueue, every PAUSE, the search for events that no webhook brought."""
    services.begin_watching()
    return enqueue_due(StripeWatch.objects.all(), fetch_missed_events, lease=LEASE)


@sweep(every=30)
def try_unstored_events() -> int:
    """Enqueue Stripe events that could not be stored."""
    return enqueue_due(UnstoredEvent.objects.all(), store_kept_event, lease=LEASE)


@sweep(every=1)
def bring_mirrors_up() -> int:
    """Enqueue the next batch of dj-stripe's records to update."""
    keys = services.claim_stale_mirrors()
    if keys:
        enqueue(mirror_batch, keys)
    return len(keys)


@sweep(every=30)
def compare_books() -> int:
    """Order the daily comparison with Stripe, and enqueue an unfinished one."""
    services.order_reconciliation()
    open_ones = Reconciliation.objects.filter(finished_at=None)
    return enqueue_due(open_ones, continue_reconciliation, lease=COMPARISON_LEASE)


@sweep(every=30)
def resume_cancelled_raffles() -> int:
    """Enqueue cancelled raffles in which somebody still owns tickets: a payment settled late, or a worker died."""
    cancelled = Raffle.objects.filter(status=Raffle.Status.CANCELLED)
    owing = cancelled.filter(Exists(Purchase.objects.paid().filter(raffle=OuterRef("pk"))))
    return enqueue_due(owing, refund_raffle, lease=LEASE)


@sweep(every=5)
def update_customers() -> int:
    """Enqueue people whose address changed: Stripe has the old one."""
    return enqueue_due(CustomerChange.objects.all(), update_customer, lease=LEASE)


@sweep(every=3600)
def forget_set_aside_events() -> int:
    """Delete events that were set aside SET_ASIDE ago."""
    return SetAsideEvent.objects.filter(noted_at__lt=Now() - SET_ASIDE).delete()[0]


@sweep(every=60)
def erase_customers() -> int:
    """Enqueue people who are erased here and whom Stripe still knows."""
    known = Customer.objects.filter(subscriber=OuterRef("user"))
    forgotten = Deletion.objects.filter(Exists(known), status=Deletion.Status.DONE)
    return enqueue_due(forgotten, erase_customer, lease=LEASE, limit=20)


def erase_customer(deletion_id: str) -> None:
    """Erase one person's customer; if Stripe does not answer, the sweep tries again."""
    try:
        gateway.erase_customer(User.objects.get(deletions=UUID(deletion_id)))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, the customer of deletion %s waits: %s", deletion_id, error.__cause__)  # noqa: TRY400


def update_customer(user_id: str) -> None:
    """Update one person's customer; if Stripe does not answer, the note stays, and the sweep tries again."""
    try:
        services.update_changed_customer(UUID(user_id))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, the customer of %s keeps the old address: %s", user_id, error.__cause__)  # noqa: TRY400


def sync_object(object_id: str) -> None:
    """Process the notice of an object; if Stripe does not answer, the notice stays, and the sweep tries again."""
    try:
        services.sync_object(object_id)
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, the news of %s waits: %s", object_id, error.__cause__)  # noqa: TRY400
    except Busy:
        log.warning("its books are locked, the news of %s waits", object_id)


def fetch_missed_events(_watch: str) -> None:
    """Store missed events; the next search starts a PAUSE after this one ends."""
    try:
        services.fetch_missed_events()
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, its events are asked for again: %s", error.__cause__)  # noqa: TRY400
    finally:
        StripeWatch.objects.update(claimed_until=Now() + PAUSE)


def store_kept_event(event_id: str) -> None:
    """Try again to store one event that could not be stored before."""
    try:
        services.store_kept_event(event_id)
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, event %s waits: %s", event_id, error.__cause__)  # noqa: TRY400


def mirror_batch(keys: list[str]) -> None:
    """Update one claimed batch of dj-stripe's records."""
    services.mirror_batch(keys)


def continue_reconciliation(run_id: str) -> None:
    """Do one part of a comparison; if Stripe does not answer, the sweep tries again."""
    try:
        services.continue_reconciliation(int(run_id))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, comparison %s waits: %s", run_id, error.__cause__)  # noqa: TRY400
    else:
        Reconciliation.objects.filter(pk=run_id).update(claimed_until=None)


def expire_purchase(purchase_id: str) -> None:
    """End one overdue hold; if Stripe does not answer, it stays, and the next sweep tries again."""
    try:
        services.expire_purchase(UUID(purchase_id))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, the hold of purchase %s stays: %s", purchase_id, error.__cause__)  # noqa: TRY400
    except Busy:
        log.warning("purchase %s is locked, its hold stays", purchase_id)
    except ProviderRefused as error:
        # Our key may be another account's, which does not know the intent: that must not release tickets.
        log.error("Stripe refuses, the hold of purchase %s stays: %s", purchase_id, error.detail)  # noqa: TRY400
        services.flag_purchase(UUID(purchase_id), f"Stripe refused to cancel its payment: {error.detail}")


def check_changed_person(user_id: str) -> None:
    """Check one person; if their rows are locked, the note stays, and the sweep tries again."""
    try:
        services.check_changed_person(UUID(user_id))
    except Busy:
        log.warning("the purchases of %s are locked, their checkouts are checked again", user_id)


def execute_refund(refund_id: str) -> None:
    """Execute one refund; if Stripe does not answer, the sweep tries again."""
    try:
        services.execute_refund(UUID(refund_id))
    except ProviderUnavailable as error:
        log.error("Stripe does not answer, refund %s waits: %s", refund_id, error.__cause__)  # noqa: TRY400
    except Busy:
        log.warning("its books are locked, refund %s waits", refund_id)


def tell_of_addition(addition_id: str) -> None:
    """Notify everybody with tickets of a raffle of an addition to its conditions. Idempotent."""
    services.tell_of_addition(UUID(addition_id))


def refund_raffle(raffle_id: str) -> None:
    """Refund everyone in a cancelled raffle; the sweep continues with what is left."""
    try:
        services.refund_raffle(UUID(raffle_id))
    except Busy:
        log.warning("purchases of raffle %s are locked, their refunds wait", raffle_id)
