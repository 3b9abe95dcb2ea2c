"""Personal data of draws: what is held on people, and what delays their erasure. Draws are never erased."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Exists, OuterRef

from accounts.models import User
from accounts.privacy import exports
from accounts.privacy.erasure import Obstacle, obstacle
from purchases.models import Purchase
from verification.errors import ProofUnavailable
from verification.models import Award, Draw, Forfeit, Pick
from verification.services import prove_entry

State = Draw.State
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
    exports.register("draws/proofs.json", "the paths that prove your entries", _proofs, "purchases.Purchase")


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
