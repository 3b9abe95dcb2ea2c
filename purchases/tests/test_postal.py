"""Free entries: the same pool, numbers and limits as with a card; never oversold, whoever comes at the same moment."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Notification, Preferences, User
from accounts.notifications import compose
from accounts.privacy.erasure import ERASERS
from luxewin.api.problems import Busy
from luxewin.audit.models import AuditEntry
from luxewin.clock import database_now
from luxewin.tests.asking import nothing_written
from luxewin.tests.searching import tables_with
from purchases import errors, services
from purchases.models import PersonTally, PostalEntry, Purchase
from purchases.services import postal
from purchases.services.postal import PostalEntryRow
from purchases.tests.stage import RaceBarrier, at_once, counts, hold, over, seated
from raffles import services as raffle_services
from raffles.models import Raffle, TicketCounter


def today():
    return timezone.now().date()


def enter(actor, raffle, entrant, quantity=1, reference="A-1", received_on=None):
    day = received_on or today()
    letter = {"entrant": entrant, "quantity": quantity, "reference": reference, "received_on": day}
    return services.enter_postal(raffle_id=raffle.pk, actor=actor, **letter)


def letters(*shares):
    return [PostalEntryRow(f"R-{n}", entrant, quantity, today()) for n, (entrant, quantity) in enumerate(shares)]


def postal_count(raffle):
    return TicketCounter.objects.values_list("postal", flat=True).get(pk=raffle.pk)


def test_a_free_entry_is_paid_at_once_with_the_next_numbers_and_costs_nothing(alice, bob, sam, on_sale, api):
    raffle = on_sale()
    seated(alice, raffle, 4)
    entered = enter(sam, raffle, bob, 3)
    entered.refresh_from_db()
    assert (entered.status, entered.route, entered.amount, entered.currency) == ("paid", "postal", 0, "gbp")
    assert entered.tickets == {"first": 5, "last": 7, "count": 3}
    assert entered.paid_at - entered.created_at < timedelta(seconds=5)
    assert (counts(raffle), postal_count(raffle)) == ((0, 7), 3)
    assert [tuple(entry)[1:3] for entry in Purchase.objects.filter(raffle=raffle).entries()] == [(1, 4), (5, 3)]
    entry = entered.postal_entry
    assert (entry.reference, entry.received_on, entry.entered_by) == ("A-1", today(), sam)
    shown = api(bob).get(f"/api/v1/purchases/{entered.pk}").json()
    assert (shown["route"], shown["amount"], shown["client_secret"]) == ("postal", 0, None)
    public = api().get(f"/api/v1/raffles/{raffle.pk}").json()["tickets"]
    assert public == {"capacity": 100, "sold": 7, "held": 0, "left": 93, "postal": 3, "percent_sold": 7}


def test_it_is_audited_and_the_entrant_is_told_the_numbers(bob, sam, on_sale, run_tasks):
    entered = enter(sam, on_sale(), bob, 3)
    run_tasks()
    postal.tell_entrants([str(entered.pk)])
    row = AuditEntry.objects.get(action="purchase.entered")
    assert (row.actor, row.subject_type, row.subject_id) == (sam.pk, "purchase", str(entered.pk))
    assert row.after == {
        "status": "paid",
        "route": "postal",
        "first": 1,
        "last": 3,
        "count": 3,
    }
    mail = compose(Notification.objects.mails().get(user=bob))
    assert mail.subject == "Your free entry for A fine watch"
    assert "    Ticket numbers: 1 to 3\n" in mail.body


def test_no_letter_is_entered_for_an_address_that_nobody_verified(charlie, sam, on_sale):
    raffle = on_sale()
    with nothing_written(), pytest.raises(errors.EntrantRefused) as refusal:
        enter(sam, raffle, charlie)
    assert refusal.value.data == {"reason": "email_not_verified"}


@pytest.mark.parametrize(
    "change", [{"email_verified_at": None}, {"is_active": False}], ids=lambda each: next(iter(each))
)
def test_who_an_entrant_is_is_asked_again_behind_the_lock(change, bob, sam, on_sale, monkeypatch):
    raffle = on_sale()
    keep = postal.lock_eligibility

    def change_and_keep(people):
        User.objects.filter(pk=bob.pk).update(**change)
        keep(people)

    monkeypatch.setattr(postal, "lock_eligibility", change_and_keep)
    # The change is rolled back with the letter: asked anew, nothing is in the way.
    with nothing_written(), pytest.raises(Busy):
        enter(sam, raffle, bob)


def test_who_wants_no_receipts_gets_none(bob, sam, on_sale, run_tasks):
    Preferences.objects.filter(user=bob).update(switched_off={"purchases": ["email"]})
    enter(sam, on_sale(), bob)
    run_tasks()
    assert not Notification.objects.mails().exists()


def test_the_same_reference_is_entered_once_a_raffle_and_freely_in_another(alice, bob, sam, on_sale):
    raffle, other = on_sale(), on_sale()
    enter(sam, raffle, bob)
    with nothing_written(), pytest.raises(errors.ReferenceUsed) as refusal:
        enter(sam, raffle, alice)
    assert refusal.value.data == {"reference": "A-1"}
    assert enter(sam, other, bob).first_ticket == 1


def test_the_limit_counts_both_routes(bob, sam, on_sale):
    raffle = on_sale(max_per_person=5)
    hold(bob, raffle, 3)
    with nothing_written(), pytest.raises(errors.LimitReached) as refusal:
        enter(sam, raffle, bob, 3)
    assert refusal.value.data == {"limit": 5, "taken": 3}
    enter(sam, raffle, bob, 2)
    with pytest.raises(errors.LimitReached):
        hold(bob, raffle)


def test_a_raffle_refuses_by_its_phase_and_by_what_is_left(alice, bob, sam, draft, on_sale):
    with pytest.raises(errors.RaffleNotFound):
        enter(sam, draft(), bob)
    with pytest.raises(errors.RaffleNotOpen):
        enter(sam, on_sale(opens_at=timezone.now() + timedelta(hours=1)), bob)
    small = on_sale(capacity=5)
    seated(alice, small, 2)
    with pytest.raises(errors.NotEnoughLeft) as refusal:
        enter(sam, small, bob, 4)
    assert refusal.value.data == {"left": 3}
    hold(alice, small, 3)
    with pytest.raises(errors.SoldOut):
        enter(sam, small, bob)
    late = on_sale()
    over(late)
    with pytest.raises(errors.RaffleClosed):
        enter(sam, late, bob)
    cancelled = on_sale()
    raffle_services.cancel_raffle(cancelled.pk, reason="Stolen.")
    with pytest.raises(errors.RaffleClosed):
        enter(sam, cancelled, bob)
    assert not PostalEntry.objects.exists()


def test_nobody_is_entered_who_is_not_active_or_enters_themselves(bob, sam, on_sale):
    raffle = on_sale()
    with pytest.raises(errors.EntrantRefused, match="colleague"):
        enter(sam, raffle, sam)
    bob.is_active = False
    bob.save()
    with pytest.raises(errors.EntrantRefused, match="is closed"):
        enter(sam, raffle, bob)
    assert counts(raffle) == (0, 0)


@pytest.mark.parametrize("days", [2, -2], ids=["yet to come", "before publication"])
def test_a_letter_comes_neither_in_the_future_nor_before_its_raffle(bob, sam, on_sale, days):
    raffle = on_sale()
    with nothing_written(), pytest.raises(errors.WrongDate):
        enter(sam, raffle, bob, received_on=today() + timedelta(days=days))


@pytest.mark.parametrize("hours", [14, -12], ids=["Kiritimati", "Baker Island"])
def test_a_letter_has_the_day_of_the_calendar_of_whoever_received_it(bob, sam, on_sale, hours):
    now = database_now()
    raffle = on_sale(free_route={"instructions": "Write to us.", "until": now + timedelta(hours=23)})
    day = (now + timedelta(hours=hours)).date()
    assert enter(sam, raffle, bob, received_on=day).postal_entry.received_on == day


@pytest.fixture
def two_days_open(on_sale):
    """Letters counted until yesterday, and the sale goes on: when they are added does not matter."""
    now = timezone.now()
    until = now - timedelta(days=1)
    raffle = on_sale(
        opens_at=now - timedelta(days=3),
        closes_at=now + timedelta(days=1),
        free_route={"instructions": "Write to us.", "until": until},
    )
    long_public(raffle)
    return raffle


def long_public(raffle):
    """It was published when its sale began; the triggers look away for that."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE raffles_raffle DISABLE TRIGGER USER")
        Raffle.objects.filter(pk=raffle.pk).update(published_at=raffle.opens_at)
        cursor.execute("ALTER TABLE raffles_raffle ENABLE TRIGGER USER")


def test_a_letter_counts_if_it_came_before_the_free_route_ended(two_days_open, bob, sam):
    last = (two_days_open.free_route_until + timedelta(hours=14)).date()
    with nothing_written(), pytest.raises(errors.WrongDate, match="letters counted until"):
        enter(sam, two_days_open, bob, received_on=last + timedelta(days=1))
    assert enter(sam, two_days_open, bob, received_on=last).status == "paid"


def test_a_raffle_without_a_free_route_takes_no_letter(bob, sam, on_sale):
    raffle = on_sale(free_route=None)
    with nothing_written(), pytest.raises(errors.NoFreeRoute):
        enter(sam, raffle, bob)


def test_letters_get_their_numbers_in_their_order_or_none_is_entered(alice, bob, sam, on_sale):
    raffle = on_sale(max_per_person=5)
    shares = letters((bob, 2), (alice, 1), (bob, 3))
    entered = services.create_postal_entries(raffle_id=raffle.pk, letters=shares, actor=sam)
    assert [(each.buyer, each.first_ticket, each.quantity) for each in entered] == [
        (bob, 1, 2),
        (alice, 3, 1),
        (bob, 4, 3),
    ]
    assert PersonTally.objects.get(user=bob).taken == 5
    one_too_many = [PostalEntryRow("X", alice, 1, today()), PostalEntryRow("Y", bob, 1, today())]
    with nothing_written(), pytest.raises(errors.LimitReached):
        services.create_postal_entries(raffle_id=raffle.pk, letters=one_too_many, actor=sam)


def test_a_withdrawn_entry_leaves_the_draw_and_its_entrant_is_told_why(bob, sam, fiona, on_sale):
    raffle = on_sale()
    entered = enter(sam, raffle, bob, 2)
    services.void_purchase(entered.pk, reason="The letter was signed by somebody else.", actor=fiona)
    assert list(Purchase.objects.filter(raffle=raffle).entries()) == []
    # The numbers are nobody's, and the counters keep them.
    assert (counts(raffle), postal_count(raffle)) == ((0, 2), 2)
    mail = compose(Notification.objects.mails().get(kind="free_entry_void"))
    assert "Reason: The letter was signed by somebody else." in mail.body
    with pytest.raises(errors.NotRefundable):
        services.void_purchase(entered.pk, reason="Again.")


def test_a_cancelled_raffle_withdraws_its_free_entries_and_tells_the_entrants(alice, bob, sam, on_sale, run_tasks):
    raffle = on_sale()
    services.create_postal_entries(raffle_id=raffle.pk, letters=letters((alice, 1), (bob, 2), (bob, 1)), actor=sam)
    raffle_services.cancel_raffle(raffle.pk, reason="The watch was stolen.")
    run_tasks()
    assert set(Purchase.objects.values_list("status", flat=True)) == {"void"}
    told = Notification.objects.mails().filter(kind="free_entry_void")
    assert sorted(told.values_list("user__email", flat=True)) == [alice.email, bob.email, bob.email]
    assert {each.context["reason"] for each in told} == {"The raffle was cancelled. The watch was stolen."}


# The eight letters.
all_have_looked = RaceBarrier(8, patience=60)


def _checks_then_counts(raffle_id, quantity):
    """What counting would be without the conditional update."""
    counter = TicketCounter.objects.get(pk=raffle_id)
    all_have_looked.wait()
    if counter.left < quantity:
        return None
    with connection.cursor() as cursor:
        adding = "UPDATE raffles_ticketcounter SET sold = sold + %s WHERE raffle_id = %s RETURNING sold"
        cursor.execute(adding, [quantity, raffle_id])
        return cursor.fetchone()[0] - quantity + 1


@pytest.fixture
def without_constraint(transactional_db):
    """The database's own last word on overselling is taken away for one test."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE raffles_ticketcounter DROP CONSTRAINT counter_never_oversold")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE raffles_ticketcounter")
        rule = "CHECK (capacity >= held + sold)"
        cursor.execute(f"ALTER TABLE raffles_ticketcounter ADD CONSTRAINT counter_never_oversold {rule}")


def _both_routes_at_once(people, sam, raffle):
    """Eight letters and eight cards for one ticket each."""
    buyers = people(16)
    free = [lambda n=n: enter(sam, raffle, buyers[n], reference=f"A-{n}") for n in range(8)]
    return at_once(*free, *[lambda buyer=buyer: hold(buyer, raffle) for buyer in buyers[8:]])


@pytest.mark.django_db(transaction=True)
def test_letters_and_cards_at_once_oversell_without_the_conditional_update(
    people, sam, on_sale, monkeypatch, without_constraint
):
    raffle = on_sale(capacity=10)
    monkeypatch.setattr(postal, "count_free", _checks_then_counts)
    _both_routes_at_once(people, sam, raffle)
    assert Purchase.objects.filter(status__in=["pending", "paid"]).count() > 10


@pytest.mark.django_db(transaction=True)
def test_letters_and_cards_at_once_take_the_last_tickets_and_not_one_more(people, sam, on_sale):
    raffle = on_sale(capacity=10)
    answers = _both_routes_at_once(people, sam, raffle)
    taken = [each for each in answers if isinstance(each, Purchase)]
    refused = [each for each in answers if not isinstance(each, Purchase)]
    assert (len(taken), len(refused)) == (10, 6), answers
    assert all(isinstance(each, errors.SoldOut) for each in refused), refused
    free = Purchase.objects.filter(route="postal")
    assert sorted(free.values_list("first_ticket", flat=True)) == list(range(1, free.count() + 1))
    assert counts(raffle) == (10 - free.count(), free.count())
    assert postal_count(raffle) == free.count() == PostalEntry.objects.count()
    # Whoever was refused has their room under the limit back.
    assert PersonTally.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_nobody_passes_their_limit_by_letter_and_card_at_once(bob, sam, on_sale):
    raffle = on_sale(max_per_person=5)
    asks = [lambda n=n: enter(sam, raffle, bob, 2, reference=f"A-{n}") for n in range(3)]
    answers = at_once(*asks, *[lambda: hold(bob, raffle, 2)] * 3)
    refused = [each for each in answers if isinstance(each, errors.LimitReached)]
    assert (len(refused), sum(counts(raffle))) == (4, 4), answers


@pytest.mark.django_db(transaction=True)
def test_one_letter_entered_by_four_at_once_is_one_entry(alice, bob, sam, on_sale):
    raffle = on_sale()
    answers = at_once(*[lambda who=who: enter(sam, raffle, who) for who in (alice, bob, alice, bob)])
    assert [type(each) for each in answers].count(Purchase) == 1, answers
    assert [type(each) for each in answers].count(errors.ReferenceUsed) == 3, answers
    assert (counts(raffle), PostalEntry.objects.count()) == ((0, 1), 1)


@pytest.mark.django_db(transaction=True)
def test_files_that_name_the_same_people_in_another_order_wait_and_do_not_deadlock(people, sam, on_sale):
    raffle, entrants = on_sale(), people(12)

    def enter_all(name, order):
        rows = [PostalEntryRow(f"{name}-{n}", entrant, 1, today()) for n, entrant in enumerate(order)]
        return services.create_postal_entries(raffle_id=raffle.pk, letters=rows, actor=sam)

    calls = [lambda n=n: enter_all(n, entrants[:: 1 if n % 2 else -1]) for n in range(6)]
    answers = at_once(*calls)
    assert [len(each) for each in answers] == [12] * 6, answers
    numbers = Purchase.objects.order_by("first_ticket").values_list("first_ticket", flat=True)
    assert list(numbers) == list(range(1, 73))


@pytest.mark.django_db(transaction=True)
def test_a_letter_entered_while_its_raffle_is_cancelled_is_refused_or_withdrawn(people, sam, on_sale, run_tasks):
    raffle, entrants = on_sale(), people(6)
    asks = [lambda n=n: enter(sam, raffle, entrants[n], reference=f"A-{n}") for n in range(6)]
    answers = at_once(*asks, lambda: raffle_services.cancel_raffle(raffle.pk, reason="Stolen."))
    assert all(isinstance(each, Purchase | errors.RaffleClosed) for each in answers[:-1]), answers
    run_tasks()
    assert not Purchase.objects.exclude(status="void").exists()


def test_what_staff_wrote_on_a_letter_goes_with_its_entrant(bob, sam, on_sale):
    """A reference may be a name: the audit, which forgets nothing, never has it, and the entry only while it must."""
    entered = services.enter_postal(
        raffle_id=on_sale().pk, entrant=bob, quantity=1, reference="Bob Unmistakable", received_on=today(), actor=sam
    )
    assert tables_with("Unmistakable") == {"purchases_postalentry"}
    for erase in ERASERS:
        erase(bob)
    assert tables_with("Unmistakable") == set()
    assert PostalEntry.objects.get().reference == f"erased {entered.pk.hex}"
