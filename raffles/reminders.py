"""Favourites, and the reminders that people ask for: when a sale opens, and BEFORE_CLOSING its end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from accounts.eligibility import check_marketing
from accounts.errors import EmailNotVerified
from accounts.models import User
from accounts.notifications import notify_all
from raffles.errors import TooLateToRemind
from raffles.models import Favourite, Raffle
from raffles.phases import Phase

BEFORE_CLOSING = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Reminder:
    """A kind of message that people ask for by a flag of a favourite; the flag is cleared when it is written."""

    flag: str
    kind: str
    #: When it is due, of raffles on sale.
    at: Q


OPENING = Reminder("remind_opening", "raffle_opened", Q())
CLOSING = Reminder("remind_closing", "raffle_closing", Q(closes_at__lte=Now() + BEFORE_CLOSING))


def keep_favourite(user: User, raffle: Raffle, **reminders: bool) -> Favourite:
    """Keep a raffle, read with its phase, as a favourite, or change its reminders; those that are left out stay.

    For a reminder, raise TooLateToRemind once its time has come, EmailNotVerified, or SelfExcluded: reminders invite to
    buy. Cost: two statements, one more for a reminder.
    """
    wanted = {name for name, is_wanted in reminders.items() if is_wanted}
    if wanted:
        check_marketing(user.pk)
        if not user.has_verified_email:
            raise EmailNotVerified("Open the link in the e-mail that we sent you, then ask for a reminder.")
    if OPENING.flag in wanted and raffle.phase != Phase.UPCOMING:
        raise TooLateToRemind("The sale has opened already.")
    if CLOSING.flag in wanted and not _closes_later(raffle):
        hours = BEFORE_CLOSING // timedelta(hours=1)
        raise TooLateToRemind(f"The sale is over or ends in less than {hours} hours.")
    favourite, _ = Favourite.objects.update_or_create(user=user, raffle=raffle, defaults=reminders)
    return favourite


def _closes_later(raffle: Raffle) -> bool:
    return raffle.phase in {Phase.UPCOMING, Phase.OPEN} and raffle.closes_at - raffle.read_at > BEFORE_CLOSING


def due_reminders(reminder: Reminder) -> QuerySet[Favourite]:
    """Return the favourites whose person is to be reminded now. Cost: one query, of the raffles on sale."""
    waiting = Favourite.objects.filter(**{reminder.flag: True})
    on_sale = Raffle.objects.with_phase().in_phases([Phase.OPEN]).filter(reminder.at)
    # Read first: few raffles are on sale, so each is looked up in the index, however many favourites wait.
    raffles = on_sale.filter(Exists(waiting.filter(raffle=OuterRef("pk")))).values_list("pk", flat=True)
    return waiting.filter(raffle__in=list(raffles))


def send_reminders(reminder: Reminder, favourites: Iterable[UUID]) -> None:
    """Write the reminders of these favourites that are still due, each once. Idempotent."""
    with transaction.atomic():
        due = due_reminders(reminder).filter(pk__in=favourites).select_related("user", "raffle").order_by("pk")
        found = list(due.select_for_update(no_key=True, of=("self",)))
        notify_all(reminder.kind, ((each.user, each.raffle_id, _facts(each.raffle)) for each in found))
        reminded = Favourite.objects.filter(pk__in=[each.pk for each in found])
        reminded.update(**{reminder.flag: False}, claimed_until=None)


def _facts(raffle: Raffle) -> dict[str, str]:
    return {"raffle": raffle.title, "raffle_id": str(raffle.pk), "until": raffle.closes_at.isoformat()}
