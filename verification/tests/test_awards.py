"""The database keeps to what was drawn: who holds a prize, and that what is forfeited or claimed stays so."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from raffles.models import Raffle
from verification.models import Award, Forfeit
from verification.services import claim_award, forfeit_pick

from .drawing import put_in_state
from .held import held, picks_of

NOW = timezone.now()


@pytest.fixture
def picks(on_sale, people, mona):
    """Pick 1 was disqualified and 4 stepped up; 2 has its prize in hand; 3 holds one; 5, 6 and 7 wait, 6 in vain."""
    prizes = [{"name": name} for name in ("A watch", "A strap", "A box")]
    on_sale(title="Another")
    raffle = on_sale(prizes=prizes, alternates=9)
    made = held(raffle, *people(7))
    for position in (1, 6):
        forfeit_pick(made[position - 1].pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Staff.", actor=mona)
    claim_award(made[1].pk, actor=mona)
    return {pick.position: pick for pick in picks_of(raffle)}


def forfeited(pick, **changes):
    Forfeit.objects.create(
        **{"pick": pick, "kind": "disqualified", "reason": "Staff.", "by": pick.purchase.buyer} | changes
    )


def awarded(pick, prize, **facts):
    Award.objects.create(pick=pick, prize=prize, **facts)


def changed(holder, **facts):
    Award.objects.filter(pick=holder).update(**facts)


def elsewhere(picks):
    """The first alternate of another raffle."""
    other = Raffle.objects.exclude(pk=picks[1].draw_id).get()
    return held(other, *[picks[position].purchase.buyer for position in (1, 2, 3)])[2]


def orphan(picks):
    """A prize that was lost, and nobody holds."""
    forfeited(picks[3])
    changed(picks[3], lost_at=NOW)
    return picks[3].prize


FIXED, ORDER = "forfeits are fixed", "a prize goes to its winner"
CLOSED = "only a pick of a draw that is over"
RULES = {
    "another reason": (FIXED, lambda on: Forfeit.objects.update(reason="Another.")),
    "no forfeit any more": (FIXED, lambda on: Forfeit.objects.filter(pick=on[1]).delete()),
    "a forfeit without a reason": ("forfeit_has_reason", lambda on: forfeited(on[3], reason="")),
    "a second forfeit": ("pick_id", lambda on: forfeited(on[1])),
    "a forfeit of a claimed prize": (CLOSED, lambda on: forfeited(on[2])),
    "a forfeit before the draw": (CLOSED, lambda on: (put_in_state(on[3].draw.raffle, "committed"), forfeited(on[3]))),
    "no award any more": (ORDER, lambda on: Award.objects.filter(pick=on[3]).delete()),
    "another prize": (ORDER, lambda on: changed(on[3], prize=on[1].prize)),
    "another pick": (ORDER, lambda on: changed(on[3], pick=on[5])),
    "lost without a forfeit": (ORDER, lambda on: changed(on[3], lost_at=NOW)),
    "claimed, then open": (ORDER, lambda on: changed(on[2], claimed_at=None)),
    "claimed, then lost": (ORDER, lambda on: changed(on[2], lost_at=NOW)),
    "lost, then open": (ORDER, lambda on: changed(on[1], lost_at=None)),
    "lost, then claimed": (ORDER, lambda on: changed(on[1], claimed_at=NOW, lost_at=None)),
    "claimed though forfeited": (ORDER, lambda on: (forfeited(on[4]), changed(on[4], claimed_at=NOW))),
    "a prize held by two": ("award_prize_held_once", lambda on: awarded(on[5], on[1].prize)),
    "a prize that nobody lost": (ORDER, lambda on: awarded(on[5], on[3].prize)),
    "a second award": ("pick_id", lambda on: awarded(on[4], orphan(on))),
    "not the next alternate": (ORDER, lambda on: awarded(on[7], orphan(on))),
    "a forfeited alternate": (ORDER, lambda on: awarded(on[6], orphan(on))),
    "claimed from the start": (ORDER, lambda on: awarded(on[5], orphan(on), claimed_at=NOW)),
    "another raffle's pick": (ORDER, lambda on: awarded(elsewhere(on), orphan(on))),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_database_refuses(rule, picks):
    said, break_it = RULES[rule]
    with pytest.raises(IntegrityError, match=said), transaction.atomic():
        break_it(picks)


def test_the_database_takes_what_follows_the_draw(picks):
    awarded(picks[5], orphan(picks))
    changed(picks[5], claimed_at=NOW)
    assert Award.objects.filter(lost_at=None).count() == 3
