"""Personal data of draws: what is held on people, what delays their erasure, and what is erased.

Draws are never erased.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from accounts.privacy import exports, retention
from accounts.privacy.erasure import Obstacle, eraser, obstacle
from purchases.models import Purchase
from verification.errors import ProofUnavailable
from verification.models import Award, Claim, ClaimDocument, Draw, Forfeit, Pick
from verification.services import prove_entry

State = Draw.State
CLAIM = ("award_id", "takes", "status", "wanted", "carrier", "tracking", "accepted_at", "dispatched_at", "delivered_at")
OVER = (State.DRAWN, State.SETTLED, State.VOID)


def register() -> None:
    """Register what archives contain. Call once, when the app is ready."""
    exports.register_rows("draws/picks.json", "which of your tickets were picked", Pick, by="purchase__buyer")
    exports.register_rows(
        "draws/prizes.json", "what you won, and when it was handed over", Award, by="pick__purchase__buyer"
    )
    exports.register_rows(
        "draws/forfeits.json", "picks that you lost, and why", Forfeit, "by_id", by="pick__purchase__buyer"
    )
    claims = "where your prizes were to be sent, and the documents that you sent for them"
    exports.register("draws/claims.json", claims, _claims, "verification.Claim", "verification.ClaimDocument")
    exports.register("draws/proofs.json", "the paths that prove your entries", _proofs, "purchases.Purchase")
    about = "where prizes were sent, and the documents of those who won them; from the handover on"
    retention.register("claims", about, floor_days=30, due=_over, remove=_forget)


def _claims(user: User) -> Iterator[dict[str, Any]]:
    """Yield claims with what is encrypted in the database. Cost: two queries, and memory for one claim's documents."""
    for claim in Claim.objects.filter(award__pick__purchase__buyer=user).order_by("pk").iterator(chunk_size=500):
        row = {name: getattr(claim, name) for name in CLAIM}
        documents = claim.documents.order_by("pk").iterator(chunk_size=1)
        sent = [{"media": each.media, "content": b64encode(each.content).decode()} for each in documents]
        yield row | {"address": claim.address, "documents": sent}


def _forget(claims: QuerySet[Claim]) -> int:
    """Erase addresses and documents; what was claimed and when stays."""
    keys = list(claims.values_list("pk", flat=True))
    ClaimDocument.objects.filter(claim__in=keys).delete()
    return Claim.objects.filter(pk__in=keys).update(sealed_address="")


def _over(before: datetime) -> QuerySet[Claim]:
    """Return claims that ended before then, by a delivery or a forfeit, and of which something is kept."""
    kept = ~Q(sealed_address="") | Exists(ClaimDocument.objects.filter(claim=OuterRef("pk")))
    return Claim.objects.filter(kept, Q(delivered_at__lt=before) | Q(award__lost_at__lt=before))


@eraser
def _erase_claims(user: User) -> None:
    """Erase where a person's prizes were sent, and their documents."""
    _forget(Claim.objects.filter(award__pick__purchase__buyer=user))


def _proofs(user: User) -> Iterator[dict[str, Any]]:
    """Yield proofs for every draw with committed entries. Cost: two queries and a block of hashes per purchase."""
    paid = Purchase.objects.paid().filter(buyer=user).exclude(raffle__draw=None).exclude(raffle__draw__root="")
    for purchase in paid.select_related("raffle__draw").order_by("pk").iterator(chunk_size=500):
        try:
            yield prove_entry(purchase.raffle.draw, purchase)
        except ProofUnavailable as refusal:
            yield {"raffle": purchase.raffle_id, "entry_id": purchase.entry_id, "missing": refusal.detail}


@obstacle
def _draws_under_way(user: User) -> Iterable[Obstacle]:
    """Yield draws that the person can still win, or whose prize they hold: they must be reachable until then."""
    paid = Purchase.objects.paid().filter(buyer=user)
    for draw in Draw.objects.filter(raffle__in=paid.values("raffle")).exclude(state__in=OVER).select_related("raffle"):
        yield Obstacle("draw_to_come", f"The draw of {draw.raffle.title} is still to come.", str(draw.pk))
    open_awards = Award.objects.filter(lost_at=None, claimed_at=None)
    for award in open_awards.filter(pick__purchase__buyer=user).select_related("prize", "pick"):
        yield Obstacle("prize_unclaimed", f"A prize is waiting for you: {award.prize.name}.", str(award.pick.draw_id))
    mine = Pick.objects.filter(purchase__buyer=user, prize=None, forfeit=None, award=None)
    for pick in mine.filter(Exists(open_awards.filter(pick__draw=OuterRef("draw")))):
        said = "You are an alternate of a draw whose prizes are not all handed over yet."
        yield Obstacle("alternate", said, str(pick.draw_id))
