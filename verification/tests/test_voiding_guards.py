"""The database refuses each shortcut to a void draw, and out of a frozen one, whoever writes."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from purchases.models import Purchase
from purchases.tests.stage import seated
from raffles.models import Raffle
from raffles.services import mark_frozen
from verification.models import Draw

from .drawing import put_in_state

State = Draw.State
WEEK = timedelta(days=7)


def tampered(table, trigger, statement, *values):
    """What happened long ago, which no test waits for."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
        cursor.execute(statement, values)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


@pytest.fixture
def draw(on_sale, alice):
    """Committed, and its round was due 8 days ago."""
    raffle = on_sale()
    seated(alice, raffle, 2)
    mark_frozen(raffle.pk)
    due = int((timezone.now() - timedelta(days=8)).timestamp())
    files = {"root": "ab" * 32, "tickets": 2, "entries": 1, "log_root": "ba" * 32, "log_size": 1}
    facts = files | {"commitment": "ac" * 32, "committed_at": due, "round": 1}
    put_in_state(raffle, State.COMMITTED, **facts)
    tampered(
        "verification_draw",
        "draw_promises_are_fixed",
        "UPDATE verification_draw SET manifest = jsonb_set(manifest::jsonb, '{beacon,genesis_time}', %s::jsonb)::text",
        str(due),
    )
    return Draw.objects.get()


def set_draw(**facts):
    assert Draw.objects.update(**facts) == 1


def set_raffle(**facts):
    assert Raffle.objects.update(**facts) == 1


def declared(days=0):
    """So many days ago."""
    set_draw(void_declared_at=Now(), void_reason="The beacon stopped.")
    tampered(
        "verification_draw",
        "voids_are_declared",
        "UPDATE verification_draw SET void_declared_at = void_declared_at - make_interval(days => %s)",
        days,
    )


def void():
    declared(days=8)
    set_draw(state=State.VOID)


def cancelled():
    void()
    set_raffle(status="cancelled")


def leave(status="refunding", **facts):
    assert Purchase.objects.update(status=status, **facts) == 1


def after(*deeds):
    def run():
        *before, last = deeds
        for deed in before:
            deed()
        return last()

    return run


def drawn():
    set_draw(state=State.DRAWN, seed="cd" * 32, signature="ef" * 48, randomness="ab" * 32)
    set_raffle(drawn_at=Now())


def longer():
    tampered("verification_draw", "voids_are_declared", "UPDATE verification_draw SET void_after = 9 * 86400")


EARLY, FIXED = (
    "only an anchored draw without a commitment, or one whose round is overdue",
    "the delay of a void and its declaration are fixed",
)
NOT_VOID, ENDS = "is void only some time after", "a frozen raffle is drawn, or cancelled with a void draw"
ENTRIES = "the entries of a frozen raffle are fixed"
SHORTCUTS = {
    "a declaration before the round is overdue": (
        EARLY,
        after(longer, lambda: set_draw(void_declared_at=Now(), void_reason="Why.")),
    ),
    "a declaration of long ago": (
        EARLY,
        lambda: set_draw(void_declared_at=timezone.now() - WEEK, void_reason="Why."),
    ),
    "a declaration of the future": (EARLY, lambda: set_draw(void_declared_at=timezone.now() + WEEK, void_reason="W.")),
    "a declaration without a reason": (EARLY, lambda: set_draw(void_declared_at=Now())),
    "a declaration of a drawn draw": (EARLY, after(drawn, lambda: set_draw(void_declared_at=Now(), void_reason="W."))),
    "a declaration and the void at once": (
        EARLY,
        lambda: set_draw(void_declared_at=Now(), void_reason="Why.", state=State.VOID),
    ),
    "a shorter delay": (FIXED, lambda: set_draw(void_after=1)),
    "an earlier declaration": (FIXED, after(declared, lambda: set_draw(void_declared_at=timezone.now() - WEEK))),
    "a declaration taken back": (FIXED, after(declared, lambda: set_draw(void_declared_at=None, void_reason=""))),
    "another reason": (FIXED, after(declared, lambda: set_draw(void_reason="Another."))),
    "a void without a declaration": (NOT_VOID, lambda: set_draw(state=State.VOID)),
    "a void before its time": (NOT_VOID, after(lambda: declared(days=6), lambda: set_draw(state=State.VOID))),
    "a void of a drawn draw": (NOT_VOID, after(lambda: declared(8), drawn, lambda: set_draw(state=State.VOID))),
    "a void with a seed": (
        "set by the step that draws",
        after(lambda: declared(8), lambda: set_draw(state=State.VOID, seed="ab")),
    ),
    "a void of a frozen draw": (
        NOT_VOID,
        after(
            lambda: declared(8),
            lambda: put_in_state(Raffle.objects.get(), State.FROZEN),
            lambda: set_draw(state=State.VOID),
        ),
    ),
    "a void draw that goes on": ("a void draw stays void", after(void, lambda: set_draw(state=State.COMMITTED))),
    "a frozen raffle cancelled": (ENDS, lambda: set_raffle(status="cancelled")),
    "a declared raffle cancelled": (ENDS, after(lambda: declared(8), lambda: set_raffle(status="cancelled"))),
    "a drawn raffle cancelled": (ENDS, after(drawn, lambda: set_raffle(status="cancelled"))),
    "a raffle thawed": (ENDS, lambda: set_raffle(frozen_at=None)),
    "a raffle thawed and cancelled": (ENDS, lambda: set_raffle(frozen_at=None, status="cancelled")),
    "a drawn raffle drawn no more": (ENDS, after(drawn, lambda: set_raffle(drawn_at=None))),
    "a cancelled raffle drawn": (ENDS, after(cancelled, lambda: set_raffle(drawn_at=Now()))),
    "a cancelled raffle on sale again": (ENDS, after(cancelled, lambda: set_raffle(status="published"))),
    "a refund from a frozen raffle": (ENTRIES, leave),
    "a refund before the raffle is cancelled": (ENTRIES, after(void, leave)),
    "another number on the way out": (ENTRIES, after(cancelled, lambda: leave(first_ticket=7))),
    "an entry that changes and stays": (ENTRIES, after(cancelled, lambda: leave("paid", quantity=1))),
    "an entry that expires": (ENTRIES, after(cancelled, lambda: leave("expired"))),
    "a way back in": (ENTRIES, after(cancelled, leave, lambda: leave("paid"))),
}


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_the_database_refuses(shortcut, draw):
    said, take_it = SHORTCUTS[shortcut]
    with pytest.raises(IntegrityError, match=said), transaction.atomic():
        take_it()


@pytest.mark.parametrize("status", ["refunding", "void", "review"])
def test_the_database_lets_everyone_out_of_a_void_draw_s_raffle(status, draw):
    cancelled()
    leave(status)
