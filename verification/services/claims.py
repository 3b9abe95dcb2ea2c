"""Claims: the holder of a prize accepts it and says where it goes; staff check them, send it, and hand it over."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.eligibility import eligibility_of, reasons
from accounts.models import User
from accounts.notifications import notify
from luxewin.api.problems import InvalidInput, moment
from luxewin.audit.services import Actor, record
from luxewin.clock import database_now
from purchases.models import Dispute
from verification.errors import (
    ClaimTimeOver,
    HoldsNoPrize,
    NoDocumentsWanted,
    PrizeDispatched,
    TooManyDocuments,
    WrongClaimStatus,
)
from verification.models import Award, Claim, ClaimDocument, claim_ends, held_prize
from verification.services.outcomes import locked_pick, refuse_unless_open

MAX_DOCUMENTS = 6
Status = Claim.Status


def awards_of(user: User) -> QuerySet[Award]:
    """Return the prizes that a person holds or was handed, with all that is shown of them. Cost: two queries.

    Nobody hears of a prize before the draw is over.
    """
    mine = Award.objects.filter(pick__purchase__buyer=user.pk, lost_at=None, pick__draw__raffle__drawn_at__isnull=False)
    shown = mine.select_related("prize", "claim", "pick__forfeit", "pick__draw__raffle", "pick__purchase")
    return shown.prefetch_related("claim__documents")


def accept_prize(award: Award, *, takes: str, address: dict[str, str] | None, actor: User) -> Claim:
    """Accept a prize, or change what is wanted until it is dispatched; a check that was made is to be made again.

    Raises AlreadyClaimed, AlreadyForfeited, ClaimTimeOver, HoldsNoPrize, NotDrawnYet, PrizeDispatched, and InvalidInput
    for cash where there is none.
    """
    with transaction.atomic():
        pick = locked_pick(award.pick_id)
        refuse_unless_open(pick)
        prize = held_prize(pick)
        if prize is None:
            raise HoldsNoPrize("This pick has no prize.")
        if takes == Claim.Takes.CASH and not prize.cash_alternative:
            fault = {"field": "takes", "code": "no_cash", "detail": "There is no cash alternative to this prize."}
            raise InvalidInput([fault])
        claim = Claim.objects.filter(award=award).first()
        before = {"takes": claim.takes, "status": claim.status} if claim else {}
        if claim is None:
            _refuse_late(claim_ends(pick))
            claim = Claim(award=award)
        elif claim.status not in Claim.OPEN:
            raise PrizeDispatched("The prize is on its way. Write to our support if it must go somewhere else.")
        elif claim.status == Status.CHECKED:
            claim.status = Status.ACCEPTED
        claim.takes, claim.address = takes, address
        claim.save()
        after = {"takes": claim.takes, "status": claim.status}
        record("claim.accepted", claim, actor=actor, before=before, after=after)
        claim.award.pick = pick
        # Each time, because somebody else may be signed in.
        notify(actor, "prize_accepted", about=_about(claim), **_facts(claim))
    return claim


def _refuse_late(until: Any) -> None:
    if database_now() > until:
        raise ClaimTimeOver(f"The prize could be accepted until {moment(until)}. Write to our support.", until=until)


def add_document(award: Award, *, media: str, content: bytes, actor: User) -> ClaimDocument:
    """Keep a document that staff asked for; the same one only once.

    Raises NoDocumentsWanted, TooManyDocuments.
    """
    with transaction.atomic():
        claim = Claim.objects.select_for_update(no_key=True).filter(award=award).first()
        if claim is None or claim.status != Status.DOCUMENTS:
            raise NoDocumentsWanted("Nobody has asked for documents of this claim.")
        made = ClaimDocument.made_of(claim, media, content)
        if known := claim.documents.filter(digest=made.digest).first():
            return known
        if claim.documents.count() >= MAX_DOCUMENTS:
            raise TooManyDocuments(f"A claim has at most {MAX_DOCUMENTS} documents.", limit=MAX_DOCUMENTS)
        made.save()
        record("claim.document_sent", claim, actor=actor, after={"media": media, "sha256": made.digest.hex()})
    return made


def ask_for_documents(claim_id: int, *, wanted: str, actor: Actor) -> Claim:
    """Ask the holder of a prize for documents, in words that they read. Raises WrongClaimStatus."""
    with transaction.atomic():
        claim = _locked(claim_id, *Claim.OPEN)
        _move(claim, Status.DOCUMENTS, actor, wanted=wanted)
        notify(_holder(claim), "claim_documents", about=_about(claim), wanted=claim.wanted, **_facts(claim))
    return claim


def confirm_check(claim_id: int, *, actor: Actor) -> Claim:
    """Note that the person may have the prize and it can be sent. Raises WrongClaimStatus."""
    with transaction.atomic():
        claim = _locked(claim_id, Status.ACCEPTED, Status.DOCUMENTS)
        _move(claim, Status.CHECKED, actor)
    return claim


def dispatch_prize(claim_id: int, *, carrier: str, tracking: str, actor: Actor) -> Claim:
    """Note that a checked prize is on its way, or that its cash alternative was paid; the person is told.

    Raises WrongClaimStatus.
    """
    with transaction.atomic():
        claim = _locked(claim_id, Status.CHECKED)
        _move(claim, Status.DISPATCHED, actor, carrier=carrier, tracking=tracking, dispatched_at=Now())
        notify(_holder(claim), "prize_dispatched", about=claim.pk, carrier=carrier, tracking=tracking, **_facts(claim))
    return claim


def objections(award: Award) -> list[str]:
    """Return what stands against handing a prize to its holder, for staff to judge. Cost: two queries."""
    purchase = award.pick.purchase
    eligibility = eligibility_of(purchase.buyer_id)
    found = [each.detail for each in reasons(eligibility)]
    if not eligibility.is_active:
        found.append("The account is closed.")
    open_disputes = Dispute.objects.filter(payment__purchase=purchase).exclude(status__in=("won", "warning_closed"))
    found += [f"Dispute {each.pk} of its payment is {each.status}." for each in open_disputes]
    return found


def _locked(claim_id: int, *allowed: str) -> Claim:
    award = Award.objects.only("pick_id").get(pk=claim_id)
    # Whoever disqualifies the pick or hands over its prize takes the same lock.
    pick = locked_pick(award.pick_id)
    refuse_unless_open(pick)
    claim = Claim.objects.select_for_update(no_key=True, of=("self",)).select_related("award__prize").get(pk=claim_id)
    if claim.status not in allowed:
        text = f"This claim is {claim.get_status_display().lower()}."
        raise WrongClaimStatus(text, claim_status=claim.status)
    claim.award.pick = pick
    return claim


def _move(claim: Claim, status: Claim.Status, actor: Actor, **changes: Any) -> None:
    before, claim.status = claim.status, status
    for name, value in changes.items():
        setattr(claim, name, value)
    claim.save(update_fields=["status", "updated_at", *changes])
    kept = {name: changes[name] for name in ("wanted", "carrier") if name in changes}
    record(f"claim.{status}", claim, actor=actor, before={"status": before}, after={"status": status} | kept)


def _holder(claim: Claim) -> User:
    return claim.award.pick.purchase.buyer


def _about(claim: Claim) -> str:
    return f"{claim.pk}:{claim.updated_at.timestamp():.6f}"


def _facts(claim: Claim) -> dict[str, Any]:
    draw, prize = claim.award.pick.draw, claim.award.prize
    facts: dict[str, Any] = {"raffle": draw.raffle.title, "raffle_id": str(draw.pk), "prize": prize.name}
    if claim.takes == Claim.Takes.CASH:
        facts |= {"amount": prize.cash_alternative, "currency": draw.raffle.currency}
    return facts | {"ticket": claim.award.pick.ticket}
