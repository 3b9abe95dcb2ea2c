"""Notifications of a draw's result, and of later changes to it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from accounts.alerts import alert_staff
from accounts.models import User
from accounts.notifications import notify, notify_all
from luxewin.clock import database_now
from purchases.models import Purchase
from raffles.models import Prize
from verification.models import Award, Draw, Forfeit, Pick, UntoldDraw, claim_ends

BATCH = 1_000
#: How many days before the end of the time to claim a prize its winner is reminded, if that lasts twice as long.
REMINDED = (1, 7)
# Longer than any raffle gives winners to claim.
LONGEST_CLAIM = timedelta(days=366)


def tell_winners(draw: Draw) -> None:
    """Tell each winner all that they won, in one mail, in the transaction that decides the draw."""
    won = draw.picks.exclude(prize=None).select_related("prize", "purchase__buyer").order_by("position")
    for person, picks in _by_buyer(won).items():
        wins = [{"prize": str(pick.prize and pick.prize.name), "ticket": pick.ticket} for pick in picks]
        news = (wins[0] if len(wins) == 1 else {"wins": wins}) | _claim(picks[0])
        notify(person, "draw_won", about=draw.pk, **_facts(draw), **news)


def notify_entrants(raffle_id: str) -> None:
    """Tell alternates their place, and other entrants without a pick that they did not win; nobody twice.

    One mail each, BATCH people per transaction. Winners and disqualified people get other mails instead.
    """
    draw = Draw.objects.select_related("raffle").get(pk=UUID(raffle_id))
    _tell_alternates(draw)
    picked = draw.picks.values("purchase__buyer")
    taking_part = Purchase.objects.paid().filter(raffle=draw.pk).values("buyer")
    people = User.objects.filter(pk__in=taking_part).exclude(pk__in=picked).order_by("pk").only("email", "is_active")
    last = UUID(int=0)
    while batch := list(people.filter(pk__gt=last)[:BATCH]):
        with transaction.atomic():
            notify_all("draw_lost", ((person, draw.pk, _facts(draw)) for person in batch))
        last = batch[-1].pk
    UntoldDraw.objects.filter(pk=draw.pk).delete()


def _tell_alternates(draw: Draw) -> None:
    # The pick's role alone does not tell: an alternate may have stepped up or forfeited before this runs.
    winners = Award.objects.filter(pick__draw=draw).values("pick__purchase__buyer")
    waiting = draw.picks.filter(prize=None, forfeit=None).exclude(purchase__buyer__in=winners)
    prizes = draw.picks.exclude(prize=None).count()
    with transaction.atomic():
        for person, picks in _by_buyer(waiting.select_related("purchase__buyer").order_by("position")).items():
            places = [{"place": pick.position - prizes, "ticket": pick.ticket} for pick in picks]
            notify(person, "draw_alternate", about=draw.pk, places=places, **_facts(draw))


def _by_buyer(picks: Iterable[Pick]) -> dict[User, list[Pick]]:
    found: dict[User, list[Pick]] = {}
    for pick in picks:
        found.setdefault(pick.purchase.buyer, []).append(pick)
    return found


def tell_stepped_up(award: Award) -> None:
    """Tell an alternate that a prize is theirs now."""
    _tell(award.pick, "draw_stepped_up", prize=award.prize.name, **_claim(award.pick))


def remind_winners() -> None:
    """Remind whoever holds a prize that they did not accept yet, REMINDED days before their time to claim ends.

    One mail for all prizes of a draw that end together, and nobody twice. Cost: one query, and a statement each.
    """
    now = database_now()
    for (draw, person, until), awards in _waiting_awards().items():
        whole = timedelta(seconds=draw.terms["claim_seconds"])
        due = [days for days in REMINDED if now < until <= now + timedelta(days) and whole >= timedelta(2 * days)]
        if due:
            claims = [{"prize": each.prize.name, "ticket": each.pick.ticket} for each in awards]
            about = f"{draw.pk}:{int(until.timestamp())}:{due[0]}"
            notify(person, "claim_reminder", about=about, claims=claims, until=until.isoformat(), **_facts(draw))


def _waiting_awards() -> dict[tuple[Draw, User, datetime], list[Award]]:
    """Return prizes that nobody accepted or was handed, by draw, holder and until when they can be claimed."""
    found: dict[tuple[Draw, User, datetime], list[Award]] = defaultdict(list)
    waiting = Award.objects.filter(lost_at=None, claimed_at=None, claim=None, at__gt=Now() - LONGEST_CLAIM)
    for award in waiting.select_related("prize", "pick__draw__raffle", "pick__purchase__buyer").order_by("pk"):
        if award.pick.draw.is_over:
            found[award.pick.draw, award.pick.purchase.buyer, claim_ends(award.pick)].append(award)
    return found


def tell_forfeited(forfeit: Forfeit, prize: Prize | None) -> None:
    """Tell a pick's holder that it was forfeited, and why; `prize` is what it held."""
    _tell(forfeit.pick, f"draw_{forfeit.kind}", prize=prize and prize.name, reason=forfeit.reason)


def tell_unawarded(draw: Draw, prize: Prize) -> None:
    """Tell staff that no alternate is left for a prize."""
    alert_staff("prize_unawarded", about=prize.pk, raffle=draw.raffle.title, prize=prize.name)


def _tell(pick: Pick, kind: str, **news: Any) -> None:
    about = f"{pick.draw_id}:{pick.position}"
    notify(pick.purchase.buyer, kind, about=about, ticket=pick.ticket, **_facts(pick.draw), **news)


def _claim(pick: Pick) -> dict[str, str]:
    return {"claim_until": claim_ends(pick).isoformat()}


def _facts(draw: Draw) -> dict[str, str]:
    return {"raffle": draw.raffle.title, "raffle_id": str(draw.pk)}
