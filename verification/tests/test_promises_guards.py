"""The database keeps to what was promised and drawn, whoever writes: facts, steps, picks, and numbers without a gap."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from purchases.tests.stage import at_once
from raffles.models import Raffle
from raffles.services import publish_raffle
from verification.models import Contract, Draw, DrawSequence, EntriesIndex, Forfeit, Pick
from verification.services import forfeit_pick

from .drawing import put_in_state
from .held import held

State = Draw.State
FILES = {"root": "ab" * 32, "tickets": 2, "entries": 2, "log_root": "ba" * 32, "log_size": 2, "commitment": "ac" * 32}
COMMITMENT = FILES | {"committed_at": 1_700_000_000, "round": 7}
DECISION = {"seed": "cd" * 32, "signature": "ef" * 48, "randomness": "12" * 32}


def set_draw(**facts):
    assert Draw.objects.filter(sequence=1).update(**facts) == 1


def set_pick(**facts):
    assert Pick.objects.filter(draw__sequence=1, position=1).update(**facts) == 1


def in_state(state, **facts):
    put_in_state(Raffle.objects.get(draw__sequence=1), state, **facts)


@pytest.fixture
def drawn(on_sale, people, mona):
    """Draw 1, drawn, with a forfeit; draw 2, whose sale is on; and a third raffle, which is a draft's equal."""
    buyers = people(3)
    held(on_sale(prizes=[{"name": "A watch"}], alternates=5), *buyers)
    in_state(State.DRAWN, **COMMITMENT, **DECISION)
    draw = Draw.objects.get()
    EntriesIndex.objects.create(draw=draw, first_tickets=b"", nodes=b"", digest=b"")
    forfeit_pick(draw.picks.first().pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Staff.", actor=mona)
    Contract.objects.create(chain_id=1, address="0x1", transaction="0x2")
    on_sale(title="Another")
    return draw


def another_raffle():
    return Raffle.objects.exclude(draw__sequence=1).get()


TEXTS = ["root", "log_root", "commitment", *DECISION]


def publishing(**changes):
    in_state(State.FROZEN, **dict.fromkeys(COMMITMENT, None) | dict.fromkeys(TEXTS, ""))
    set_draw(**FILES | changes)


def committing(**changes):
    publishing()
    set_draw(**{"state": State.COMMITTED, "committed_at": 1_700_000_000, "round": 7} | changes)


def committing_at_once():
    in_state(State.FROZEN, **dict.fromkeys(COMMITMENT, None) | dict.fromkeys(TEXTS, ""))
    set_draw(**{"state": State.COMMITTED} | COMMITMENT)


def drawing(**changes):
    in_state(State.COMMITTED, **COMMITMENT, **dict.fromkeys(DECISION, ""))
    set_draw(**{"state": State.DRAWN} | DECISION | changes)


def further_pick(**changes):
    bought = Pick.objects.first().purchase
    facts = {"draw": bought.raffle.draw, "position": 99, "index": 98, "ticket": 99, "purchase": bought, "path": []}
    Pick.objects.create(**facts | changes)


def promised(**changes):
    """A third draw."""
    DrawSequence.objects.update(last=F("last") + 1)
    raffle = Raffle.objects.create(
        **{
            field.attname: getattr(another_raffle(), field.attname)
            for field in Raffle._meta.concrete_fields
            if field.attname not in {"id", "slug"}
        },
        slug="a-third",
    )
    facts = {"raffle": raffle, "sequence": 3, "manifest": "{}", "manifest_hash": "00" * 32, "void_after": 1}
    Draw.objects.create(**facts | changes)


def truncate(table):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"TRUNCATE {table} CASCADE")


FIXED, PICKS = "what a draw promised or decided is fixed", "picks are fixed"
STEPS, SEED = "takes one step after the other", "set by the step that draws"
ROOT, TIME = "set at once, of frozen entries", "set by the step that commits what is public"
BEGINS, COUNTED, KEPT = "a draw begins as a promise", "draws are counted one by one", "is never emptied"
# One row for each column that never changes again.
DRAW = {
    "raffle_id": lambda: another_raffle().pk,
    "sequence": lambda: 99,
    "manifest": lambda: "{}",
    "manifest_hash": lambda: "11" * 32,
    "receipt_key": lambda: "11" * 32,
    "contract_id": lambda: Contract.objects.get().pk,
    "root": lambda: "11" * 32,
    "tickets": lambda: 3,
    "entries": lambda: 3,
    "log_root": lambda: "11" * 32,
    "log_size": lambda: 3,
    "commitment": lambda: "11" * 32,
    "committed_at": lambda: 1,
    "round": lambda: 8,
    "seed": lambda: "11" * 32,
    "signature": lambda: "11" * 48,
    "randomness": lambda: "11" * 32,
}
MOVES = {"state", "claimed_until", "due_at", "trouble", "contradiction"}
VOIDS = {"void_after", "void_declared_at", "void_reason"}  # test_voiding_guards
PICK = {
    "id": lambda: 4711,
    "draw_id": lambda: another_raffle().pk,
    "position": lambda: 99,
    "prize_id": lambda: None,
    "index": lambda: 98,
    "ticket": lambda: 99,
    "purchase_id": lambda: Pick.objects.get(position=2).purchase_id,
    "path": lambda: [1],
}
TRUNCATED = ["draw", "drawsequence", "pick", "entriesindex", "forfeit", "award"]
RULES = {
    **{
        f"another {name} of a draw": (FIXED, lambda n=name, v=value: set_draw(**{n: v()}))
        for name, value in DRAW.items()
    },
    **{
        f"another {name} of a pick": (PICKS, lambda n=name, v=value: set_pick(**{n: v()}))
        for name, value in PICK.items()
    },
    **{f"no {name} any more": (KEPT, lambda n=name: truncate(f"verification_{n}")) for name in TRUNCATED},
    "no purchases any more": (KEPT, lambda: truncate("purchases_purchase")),
    "no raffles any more": (f"{KEPT}|append-only", lambda: truncate("raffles_raffle")),
    "no draw 1": (FIXED, lambda: Draw.objects.filter(sequence=1)._raw_delete("default")),
    "no pick 1": (PICKS, lambda: Pick.objects.filter(position=1)._raw_delete("default")),
    "a further pick": (PICKS, further_pick),
    "a pick before the draw": (PICKS, lambda: further_pick(draw=another_raffle().draw)),
    "drawn, then committed": (SEED, lambda: set_draw(state=State.COMMITTED)),
    "drawn, then promised": (STEPS, lambda: set_draw(state=State.PROMISED)),
    "announced, then drawn": (STEPS, lambda: (in_state(State.ANNOUNCED), set_draw(state=State.DRAWN))),
    "settled, then drawn": (STEPS, lambda: (in_state(State.SETTLED), set_draw(state=State.DRAWN))),
    "promised, then frozen": (STEPS, lambda: Draw.objects.filter(sequence=2).update(state=State.FROZEN)),
    "public without a root": (ROOT, lambda: publishing(root="")),
    "public without a log": (ROOT, lambda: publishing(log_root="")),
    "public without the size of the log": (ROOT, lambda: publishing(log_size=None)),
    "public without a commitment": (ROOT, lambda: publishing(commitment="")),
    "committed without being public": (ROOT, committing_at_once),
    "committed without a round": (TIME, lambda: committing(round=None)),
    "committed without a time": (TIME, lambda: committing(committed_at=None)),
    "a time before the commitment": (TIME, lambda: committing(state=State.FROZEN)),
    "another commitment than the public one": (FIXED, lambda: committing(commitment="11" * 32)),
    "a number of tickets before the root": (ROOT, lambda: Draw.objects.filter(sequence=2).update(tickets=2)),
    "drawn without a seed": (SEED, lambda: drawing(seed="")),
    "drawn without a signature": (SEED, lambda: drawing(signature="")),
    "drawn without randomness": (SEED, lambda: drawing(randomness="")),
    "a seed before its time": (SEED, lambda: drawing(state=State.COMMITTED)),
    "a seed and another root": (FIXED, lambda: drawing(root="11" * 32)),
    "a seed and other tickets": (FIXED, lambda: drawing(tickets=3)),
    "a seed and another time": (FIXED, lambda: drawing(committed_at=1)),
    "a seed and another round": (FIXED, lambda: drawing(round=8)),
    "a draw that begins announced": (BEGINS, lambda: promised(state=State.ANNOUNCED)),
    "a draw that begins with a root": (BEGINS, lambda: promised(root="11" * 32)),
    "a draw that begins with a seed": (BEGINS, lambda: promised(seed="11" * 32)),
    "a draw that begins declared void": (BEGINS, lambda: promised(void_declared_at=timezone.now())),
    "a number that was not counted": (BEGINS, lambda: promised(sequence=4)),
    "a number passed over": (
        BEGINS,
        lambda: (DrawSequence.objects.update(last=F("last") + 1), promised(sequence=4)),
    ),
    "a number far ahead": (COUNTED, lambda: DrawSequence.objects.update(last=41)),
    "a number again": (COUNTED, lambda: DrawSequence.objects.update(last=F("last") - 1)),
    "no numbers any more": (COUNTED, lambda: DrawSequence.objects.all().delete()),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_database_refuses(rule, drawn):
    said, break_it = RULES[rule]
    with pytest.raises(IntegrityError, match=said), transaction.atomic():
        break_it()


def test_every_column_has_its_rule():
    assert {field.attname for field in Draw._meta.concrete_fields} == {*DRAW, *MOVES, *VOIDS}
    assert {field.attname for field in Pick._meta.concrete_fields} == {*PICK}


def test_the_database_takes_each_step_in_its_order(drawn):
    committing()
    drawing()
    set_draw(state=State.SETTLED)
    promised()
    assert list(Draw.objects.values_list("sequence", "state")) == [(3, "promised"), (2, "promised"), (1, "settled")]


def test_a_publication_that_is_rolled_back_leaves_no_gap(draft, on_sale):
    raffle = draft()

    with transaction.atomic():
        publish_raffle(raffle.pk)
        transaction.set_rollback(True)
    assert not Draw.objects.exists()
    assert on_sale().draw.sequence == 1
    assert publish_raffle(raffle.pk).draw.sequence == 2


@pytest.mark.django_db(transaction=True)
def test_raffles_published_at_once_get_consecutive_numbers(draft):
    raffles = [draft(title=f"Prize {number}") for number in range(4)]
    given = at_once(*[lambda raffle=raffle: publish_raffle(raffle.pk).draw.sequence for raffle in raffles])
    assert sorted(given) == [1, 2, 3, 4]
