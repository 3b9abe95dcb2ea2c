"""Mails about what was added to the conditions of a raffle."""

from uuid import UUID

from accounts.models import User
from accounts.notifications import notify_all
from luxewin.database import in_batches
from purchases.models import Purchase
from raffles.models import TermsAddition


def tell_of_addition(addition_id: UUID) -> None:
    """Notify everybody with paid tickets of the raffle; nobody twice, however often it runs.

    Who buys later sees the addition beside the conditions.
    """
    addition = TermsAddition.objects.select_related("raffle").get(pk=addition_id)
    raffle = addition.raffle
    # By line, since a mail puts each text on one.
    news = {"raffle": raffle.title, "slug": raffle.slug, "lines": addition.text.split("\n")}
    taking_part = Purchase.objects.paid().filter(raffle=raffle).values("buyer")
    people = in_batches(User.objects.filter(pk__in=taking_part))
    notify_all("conditions_added", ((person, addition.pk, news) for person in people))
