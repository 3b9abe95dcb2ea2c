"""Outcomes of picks: prizes are handed over, or pass to the next alternate. Nothing is drawn again."""

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import User
from luxewin.audit.services import record
from luxewin.clock import database_now
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import EventType
from raffles.models import Prize
from verification import announcements
from verification.errors import (
    AlreadyClaimed,
    AlreadyForfeited,
    ClaimTimeRuns,
    HoldsNoPrize,
    NotDrawnYet,
    PrizeAccepted,
)
from verification.log import Kind
from verification.models import Award, Claim, Draw, Forfeit, Outcome, Pick, claim_ends, held_prize, outcome_of
from verification.models.outcomes import MAX_REASON
from verification.reasons import public_reason
from verification.services.log import logged_reason, record_outcome


def award_prizes(draw: Draw) -> None:
    """Give each winning pick its prize, in the transaction that decides the draw."""
    Award.objects.bulk_create(
        Award(pick=pick, prize=pick.prize) for pick in draw.picks.select_related("prize") if pick.prize
    )


def next_alternate(draw: Draw) -> Pick | None:
    """Return the first alternate, in the order of the draw, that neither forfeited nor stepped up before."""
    waiting: QuerySet[Pick] = draw.picks.filter(prize=None, forfeit=None, award=None)
    return waiting.select_related("purchase__buyer").order_by("position").first()


def forfeit_pick(pick_id: int, *, kind: Forfeit.Kind, reason: str, actor: User) -> Forfeit:
    """Forfeit a pick for a public reason. A prize that it held passes to the next alternate, or to nobody.

    An alternate can be disqualified before its turn, and is then skipped. Raises AlreadyForfeited, AlreadyClaimed,
    HoldsNoPrize when an alternate without a prize is marked unclaimed, ClaimTimeRuns when that is too early,
    PrizeAccepted when its holder has accepted the prize, InvalidInput without a reason.
    """
    reason = public_reason(reason, MAX_REASON)
    with transaction.atomic():
        pick = locked_pick(pick_id)
        refuse_unless_open(pick)
        before, prize = outcome_of(pick), held_prize(pick)
        if kind == Forfeit.Kind.UNCLAIMED:
            _refuse_unclaimed(pick, prize)
        forfeit = Forfeit.objects.create(pick=pick, kind=kind, reason=reason, by=actor)
        record(
            "pick.forfeited",
            pick,
            actor=actor,
            before={"outcome": before, "prize": prize and prize.name},
            after={"outcome": kind, "prize": None, "reason": reason},
        )
        record_outcome(pick, Kind.FORFEITED, prize=prize.position if prize else 0, reason=logged_reason(kind, reason))
        announcements.tell_forfeited(forfeit, prize)
        if prize:
            _pass_on(pick, actor)
    return forfeit


def _refuse_unclaimed(pick: Pick, prize: Prize | None) -> None:
    if prize is None:
        raise HoldsNoPrize("This reserve winner has no prize that could be unclaimed.")
    if Claim.objects.filter(award=pick.award).exists():
        raise PrizeAccepted(
            "This prize was accepted, so it is not unclaimed. Disqualify the pick if it must not have it."
        )
    if database_now() < (until := claim_ends(pick)):
        text = f"The prize can be claimed until {until:%Y-%m-%d %H:%M} UTC, as the rules of the raffle say."
        raise ClaimTimeRuns(text, until=until)


def _pass_on(pick: Pick, actor: User) -> None:
    prize = pick.award.prize
    Award.objects.filter(pk=pick.award.pk).update(lost_at=Now())
    successor = next_alternate(pick.draw)
    if successor is None:
        record("prize.unawarded", prize, actor=actor, before={"pick": pick.position}, after={"pick": None})
        announcements.tell_unawarded(pick.draw, prize)
        return
    award = Award.objects.create(pick=successor, prize=prize)
    record(
        "pick.stepped_up",
        successor,
        actor=actor,
        before={"outcome": Outcome.ALTERNATE, "prize": None},
        after={"outcome": Outcome.STEPPED_UP, "prize": prize.name, "instead_of": pick.position},
    )
    announcements.tell_stepped_up(award)


def claim_award(pick_id: int, *, actor: User) -> Award:
    """Note that the prize of a pick was handed over; that is final.

    Raises AlreadyForfeited, AlreadyClaimed, HoldsNoPrize.
    """
    with transaction.atomic():
        pick = locked_pick(pick_id)
        refuse_unless_open(pick)
        if held_prize(pick) is None:
            raise HoldsNoPrize("This reserve winner has no prize.")
        before, award = outcome_of(pick), pick.award
        award.claimed_at = Now()
        award.save(update_fields=["claimed_at"])
        Claim.objects.filter(award=award).update(status=Claim.Status.DELIVERED, delivered_at=Now())
        record_outcome(pick, Kind.CLAIMED, prize=award.prize.position)
        after = {"outcome": Outcome.CLAIMED, "prize": award.prize.name}
        record("pick.claimed", pick, actor=actor, before={"outcome": before, "prize": award.prize.name}, after=after)
        told = {"raffle": pick.draw_id, "position": pick.position, "ticket": pick.ticket, "purchase": pick.purchase_id}
        webhooks.emit(EventType.WINNER_CLAIMED, [(pick.pk, told | {"prize": award.prize.name})])
    return award


def locked_pick(pick_id: int) -> Pick:
    """Lock the draw and read the pick, whose outcome depends on the draw's other picks. Raises NotDrawnYet."""
    draw_id = Pick.objects.values_list("draw_id", flat=True).get(pk=pick_id)
    draw = Draw.objects.select_for_update(no_key=True, of=("self",)).select_related("raffle").get(pk=draw_id)
    if not draw.is_over:
        raise NotDrawnYet("The draw is not over yet.", state=draw.state)
    pick = Pick.objects.select_related("forfeit", "award__prize", "prize", "purchase__buyer").get(pk=pick_id)
    pick.draw = draw
    return pick


def refuse_unless_open(pick: Pick) -> None:
    outcome = outcome_of(pick)
    if hasattr(pick, "forfeit"):
        raise AlreadyForfeited(
            f"Pick {pick.position} is already {pick.forfeit.get_kind_display().lower()}.", outcome=outcome
        )
    if outcome == Outcome.CLAIMED:
        raise AlreadyClaimed(f"The prize of pick {pick.position} was already handed over.")
