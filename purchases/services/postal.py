"""Free entries: letters that staff enter. They share tickets, numbers and limits with purchases by card."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import batched
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils.translation import ngettext

from accounts import errors as account_errors
from accounts.addresses import lookup_address
from accounts.eligibility import Eligibility, eligibilities_of, lock_eligibility, reasons
from accounts.models import User
from accounts.notifications import notify_all
from luxewin.api.problems import Busy, Problem
from luxewin.audit.services import record_all
from luxewin.clock import database_now
from luxewin.tasks.queue import enqueue
from purchases import errors, receipts
from purchases.holders import holder_of
from purchases.models import PersonTally, PostalEntry, Purchase
from purchases.services.counters import count_free, raise_tallies
from purchases.services.hold_errors import not_available
from raffles.models import Raffle
from raffles.phases import Phase

BATCH = 1_000
# Distance from UTC of the time zones furthest ahead of it and furthest behind it.
EARLIEST_ZONE, LATEST_ZONE = timedelta(hours=14), timedelta(hours=12)
# A free entry is no purchase: spending limits do not matter, and the raffle itself sets the rules of the free route.
NOT_FOR_LETTERS = {account_errors.TermsNotAccepted.code}
NUMBER = """
    UPDATE purchases_purchase AS purchase
    SET status = 'paid', paid_at = clock_timestamp(), first_ticket = given.first_ticket
    FROM unnest(%s::uuid[], %s::integer[]) AS given(id, first_ticket) WHERE purchase.id = given.id
"""


class PostalEntryRow(NamedTuple):
    """What staff read from one letter. `quantity` is at least 1, `reference` 1 to 64 characters."""

    reference: str
    entrant: User
    quantity: int
    received_on: date


class Fault(NamedTuple):
    """Why a letter cannot be entered."""

    #: Which letter, counted from 0; None if it concerns all of them together.
    place: int | None
    #: raffle, email, quantity, reference or received_on.
    field: str
    problem: Problem


class _OutrunError(Exception):
    """Another transaction took what the letters needed after it was checked."""


def enter_postal(
    *, raffle_id: UUID, entrant: User, quantity: int, reference: str, received_on: date, actor: User
) -> Purchase:
    """Enter one letter: a paid purchase of amount 0 with its numbers. Raises what `create_postal_entries` raises."""
    letter = PostalEntryRow(reference, entrant, quantity, received_on)
    return create_postal_entries(raffle_id=raffle_id, letters=[letter], actor=actor)[0]


def create_postal_entries(*, raffle_id: UUID, letters: Sequence[PostalEntryRow], actor: User) -> list[Purchase]:
    """Enter all of these letters or none; numbers follow the order of the letters.

    Raises RaffleNotFound, NoFreeRoute, RaffleNotOpen, RaffleClosed, SoldOut, NotEnoughLeft, LimitReached,
    ReferenceUsed, EntrantRefused, WrongDate or Busy; then nothing is written. Locks the people, their tallies, the
    purchases and the raffle's counter, in that order. Cost: a dozen statements per 1,000 letters.
    """
    _refuse(raffle_id, letters, actor)
    try:
        with transaction.atomic():
            return _write(raffle_id, letters, actor)
    except IntegrityError as error:
        if "postal_reference_once" not in str(error):
            raise
        outrun: Exception = error
    except _OutrunError as error:
        outrun = error
    _refuse(raffle_id, letters, actor)
    raise Busy("Somebody else took the tickets at the same moment. Nothing was saved. Please try again.") from outrun


def _refuse(raffle_id: UUID, letters: Sequence[PostalEntryRow], actor: User) -> None:
    raffle = Raffle.objects.public().with_phase().select_related("counter").filter(pk=raffle_id).first()
    if raffle is None:
        raise errors.RaffleNotFound("There is no such raffle.")
    for fault in faults_of(raffle, [letter._asdict() for letter in letters], actor):
        raise fault.problem


def _write(raffle_id: UUID, letters: Sequence[PostalEntryRow], actor: User) -> list[Purchase]:
    raffle = Raffle.objects.get(pk=raffle_id)
    wanted: Counter[UUID] = Counter()
    for letter in letters:
        wanted[letter.entrant.pk] += letter.quantity
    lock_eligibility(wanted)
    standings = eligibilities_of(wanted).values()
    if any(_barriers(each) or not each.is_active for each in standings) or not raise_tallies(raffle, wanted):
        raise _OutrunError
    purchases = Purchase.objects.bulk_create([_purchase(raffle, letter) for letter in letters], batch_size=BATCH)
    PostalEntry.objects.bulk_create(
        [
            PostalEntry(purchase=purchase, raffle=raffle, reference=ref, received_on=received_on, entered_by=actor)
            for purchase, (ref, _, _, received_on) in zip(purchases, letters, strict=True)
        ],
        batch_size=BATCH,
    )
    first = count_free(raffle.pk, wanted.total())
    if first is None:
        raise _OutrunError
    _give_numbers(purchases, first)
    # Without the reference, which may be a name: audit rows are never erased, and the entry has it.
    changes = [(each, {"status": "paid", "route": "postal"} | (each.tickets or {})) for each in purchases]
    record_all("purchase.entered", changes, actor=actor)
    # In a task, so that no purchase waits for the locked counter meanwhile.
    for part in batched(purchases, BATCH):
        enqueue(tell_entrants, [str(purchase.pk) for purchase in part])
    return purchases


def tell_entrants(purchase_ids: list[str]) -> None:
    """Notify the people whose letters were entered. Idempotent."""
    entered = Purchase.objects.paid().filter(pk__in=purchase_ids).select_related("buyer", "raffle")
    notify_all("free_entry", ((each.buyer, each.pk, receipts.facts_of(each)) for each in entered))


def _purchase(raffle: Raffle, letter: PostalEntryRow) -> Purchase:
    holder, nonce = holder_of(None)
    purchase = Purchase(
        holder=holder,
        nonce=nonce,
        raffle=raffle,
        buyer=letter.entrant,
        route=Purchase.Route.POSTAL,
        quantity=letter.quantity,
        amount=0,
        currency=raffle.currency,
        request_digest=b"",
        expires_at=Now(),
    )
    # No request can have the same key: the id is new. `PostalEntry` keeps the reference unique.
    purchase.idempotency_key = f"postal:{purchase.pk}"
    return purchase


def _give_numbers(purchases: Iterable[Purchase], first: int) -> None:
    now = database_now()
    for purchase in purchases:
        purchase.status, purchase.first_ticket, purchase.paid_at = Purchase.Status.PAID, first, now
        first += purchase.quantity
    with connection.cursor() as cursor:
        cursor.execute(NUMBER, [[each.pk for each in purchases], [each.first_ticket for each in purchases]])


def entrants(emails: Iterable[str]) -> dict[str, User]:
    """Return the people registered under these addresses, by the address as given. Cost: one query."""
    known = {email: lookup_address(email) for email in emails}
    found = {user.email: user for user in User.objects.filter(email__in=set(known.values()))}
    return {email: found[address] for email, address in known.items() if address in found}


def faults_of(raffle: Raffle, letters: Sequence[Mapping[str, Any]], actor: User) -> Iterator[Fault]:
    """Yield everything that keeps these letters from being entered; read the raffle with its phase and counter.

    Letters are mappings with the field names of `PostalEntryRow`. A field that could not be read is missing, and was
    reported elsewhere. Cost: four queries.
    """
    now = database_now()
    standings = eligibilities_of({letter["entrant"].pk for letter in letters if letter.get("entrant")})
    if raffle.free_route_until is None:
        yield Fault(None, "raffle", errors.NoFreeRoute("The rules of this raffle offer no free entry."))
    yield from _room(raffle, sum(letter.get("quantity", 0) for letter in letters))
    yield from _references(raffle, [letter.get("reference") for letter in letters])
    yield from _limits(raffle, [(letter.get("entrant"), letter.get("quantity", 0)) for letter in letters])
    for place, letter in enumerate(letters):
        if entrant := letter.get("entrant"):
            yield from _entrant(place, entrant, actor)
            yield from _safeguards(place, entrant, standings[entrant.pk])
        if received_on := letter.get("received_on"):
            yield from _date(place, received_on, raffle, now)


def _room(raffle: Raffle, quantity: int) -> Iterator[Fault]:
    if raffle.phase != Phase.OPEN or not raffle.counter.selling or quantity > raffle.counter.left:
        problem = not_available(raffle, quantity)
        about_number = isinstance(problem, errors.SoldOut | errors.NotEnoughLeft)
        yield Fault(None, "quantity" if about_number else "raffle", problem)


def _references(raffle: Raffle, references: Sequence[str | None]) -> Iterator[Fault]:
    entered = PostalEntry.objects.filter(raffle=raffle, reference__in={each for each in references if each})
    used = set(entered.values_list("reference", flat=True))
    before: set[str] = set()
    for place, reference in enumerate(references):
        if reference is None:
            continue
        if reference in used:
            text = f"{reference} was already added to this raffle."
            yield Fault(place, "reference", errors.ReferenceUsed(text, reference=reference))
        elif reference in before:
            text = f"{reference} appears more than once."
            yield Fault(place, "reference", errors.ReferenceUsed(text, reference=reference))
        before.add(reference)


def _limits(raffle: Raffle, shares: Collection[tuple[User | None, int]]) -> Iterator[Fault]:
    """Yield one fault per person, at the letter that passes their limit."""
    people = {entrant.pk for entrant, _ in shares if entrant}
    tallies = PersonTally.objects.filter(raffle=raffle, user__in=people)
    taken, limit = dict(tallies.values_list("user", "taken")), raffle.max_per_person
    wanted: Counter[UUID] = Counter()
    for place, (entrant, quantity) in enumerate(shares):
        if entrant is None:
            continue
        before = taken.get(entrant.pk, 0) + wanted[entrant.pk]
        wanted[entrant.pk] += quantity
        if before <= limit < before + quantity:
            most = ngettext("%d ticket", "%d tickets", limit) % limit
            had = f"{before} already" if before else "none yet"
            text = f"{entrant.email} can have at most {most} and has {had}. This entry has {quantity}."
            yield Fault(place, "quantity", errors.LimitReached(text, limit=limit, taken=before))


def _entrant(place: int, entrant: User, actor: User) -> Iterator[Fault]:
    if not entrant.is_active:
        yield Fault(place, "email", errors.EntrantRefused(f"The account of {entrant.email} is closed."))
    if entrant.pk == actor.pk:
        yield Fault(place, "email", errors.EntrantRefused("You cannot add your own free entry. Ask a colleague."))


def _safeguards(place: int, entrant: User, eligibility: Eligibility) -> Iterator[Fault]:
    """Yield the safeguards that bar the entrant, in the words that the entrant would read."""
    for barrier in _barriers(eligibility):
        text = f"{entrant.email} cannot take part. The person's message would be: {barrier.detail}"
        yield Fault(place, "email", errors.EntrantRefused(text, reason=barrier.code))


def _barriers(eligibility: Eligibility) -> list[Problem]:
    return [each for each in reasons(eligibility) if each.code not in NOT_FOR_LETTERS]


def _date(place: int, received_on: date, raffle: Raffle, now: datetime) -> Iterator[Fault]:
    """Yield a fault if the day has not begun anywhere yet, or had ended everywhere before the raffle was published.

    Nor does a letter count if its day began everywhere only after the rules' last moment for letters. Staff write the
    day of their own time zone on a letter, and may add it later, as long as the sale runs.
    """
    if received_on > (now + EARLIEST_ZONE).date():
        yield Fault(place, "received_on", errors.WrongDate("This day is in the future."))
        return
    if raffle.published_at and received_on < (raffle.published_at - LATEST_ZONE).date():
        text = f"The raffle was only published on {raffle.published_at:%Y-%m-%d} (UTC)."
        yield Fault(place, "received_on", errors.WrongDate(text))
    until = raffle.free_route_until
    if until and received_on > (until + EARLIEST_ZONE).date():
        text = f"By the rules of the raffle, letters counted until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        yield Fault(place, "received_on", errors.WrongDate(text))
