"""Background tasks of draws."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from luxewin.tasks.sweeps import enqueue_due, sweep
from verification import announcements, services
from verification.anchoring.balance import read_balance
from verification.models import ChainAccount, ChainTransaction, Draw, Log, UntoldDraw
from verification.querysets import LONGEST_PAUSE
from verification.services.log import HEADS_EVERY, sequence, sign_head, waiting_logs
from verification.services.repairs import SELDOM

LEASE = timedelta(seconds=60)
LOG_LEASE = timedelta(seconds=20)  # heads are signed within a minute even if a worker hangs
TELLING = timedelta(minutes=5)  # a hundred thousand people take a while
BALANCE_EVERY = timedelta(minutes=5)


@sweep(every=1)
def advance_unfinished_draws() -> int:
    """Enqueue draws with a step to take."""
    return enqueue_due(Draw.objects.unfinished(), advance_draw, lease=LEASE)


def advance_draw(raffle_id: str) -> None:
    """Take every step of one draw that can be taken now."""
    services.advance_draw(UUID(raffle_id))


@sweep(every=1)
def tell_of_held_draws() -> int:
    """Enqueue held draws whose entrants without a prize were not told yet."""
    return enqueue_due(UntoldDraw.objects.all(), notify_entrants, lease=TELLING)


def notify_entrants(raffle_id: str) -> None:
    """Tell everyone who took part and won nothing."""
    announcements.notify_entrants(raffle_id)


@sweep(every=600)
def remind_winners() -> None:
    """Write reminders to claim a prize."""
    announcements.remind_winners()


@sweep(every=5)
def grow_logs() -> int:
    """Enqueue logs with leaves that have no place yet, or that have grown since their newest head."""
    unsigned = Q(size__gt=F("signed_size")) & (Q(signed_at=None) | Q(signed_at__lte=Now() - HEADS_EVERY))
    return enqueue_due(Log.objects.filter(Q(pk__in=waiting_logs()) | unsigned), grow_log, lease=LOG_LEASE)


def grow_log(raffle_id: str) -> None:
    """Give the leaves of a raffle's log their places, and sign it if its newest head is older than HEADS_EVERY."""
    key = UUID(raffle_id)
    sequence(key)
    due = Log.objects.filter(Q(signed_at=None) | Q(signed_at__lte=Now() - HEADS_EVERY), pk=key)
    if due.filter(size__gt=F("signed_size")).exists():
        sign_head(key)
    Log.objects.filter(pk=key).update(claimed_until=None)


@sweep(every=5)
def look_after_transactions() -> int:
    """Enqueue transactions that are unmined, or in a block: even a final one may be reorganised."""
    states = ChainTransaction.State
    still_open = ChainTransaction.objects.filter(state__in=(states.SIGNED, states.MINED, states.DONE, states.FINAL))
    # A due time further away than anything that sets one must be wrong.
    too_late = Q(due_at__gt=Now() + LONGEST_PAUSE) & ~Q(state=states.FINAL) | Q(due_at__gt=Now() + 2 * SELDOM)
    due = Q(due_at__lte=Now()) | too_late
    return enqueue_due(still_open.filter(due), look_after_transaction, lease=LEASE) if settings.CHAIN_RPC_URLS else 0


def look_after_transaction(transaction_id: str) -> None:
    """Update one transaction to what the chain says, and repair what a reorganisation undid."""
    services.reconcile_transaction(int(transaction_id))


@sweep(every=30)
def watch_balances() -> int:
    """Enqueue accounts whose balance was not read for a while."""
    unread = Q(read_at=None) | Q(read_at__lte=Now() - BALANCE_EVERY)
    ours = ChainAccount.objects.filter(unread, chain_id=settings.CHAIN_ID)
    return enqueue_due(ours, watch_balance, lease=LEASE) if settings.CHAIN_RPC_URLS else 0


def watch_balance(account_id: str) -> None:
    """Compare one account's balance with what the next steps cost."""
    read_balance(int(account_id))
