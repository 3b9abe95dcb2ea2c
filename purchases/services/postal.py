"""Free entries: letters that staff enter. The same pool, numbers and limits as with a card, and nothing to pay."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import batched
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils.translation import ngettext

from accounts import errors as account_errors
from accounts.addresses import lookup_address
from accounts.models import User
from accounts.notifications import notify_all
from accounts.standing import Standing, keep_standing, reasons, standings_of
from luxewin.api.problems import Busy, Problem
from luxewin.audit.services import record_all
from luxewin.clock import database_now
from luxewin.tasks.queue import enqueue
from purchases import errors
from purchases.models import PersonTally, PostalEntry, Purchase
from purchases.services.counters import count_free, raise_tallies
from purchases.services.refusals import not_available
from raffles.models import Raffle
from raffles.phases import Phase

BATCH = 1_000
# How far the calendars that are furthest ahead of UTC, and furthest behind, are from it.
EARLIEST_ZONE, LATEST_ZONE = timedelta(hours=14), timedelta(hours=12)
# Who writes a letter buys nothing: what they spend does not matter, and the rules of the free route are the raffle's.
NOT_FOR_LETTERS = {account_errors.TermsNotAccepted.code}
NUMBER = """
    UPDATE purchases_purchase AS purchase
    SET status = 'paid', paid_at = clock_timestamp(), first_ticket = given.first_ticket
    FROM unnest(%s::uuid[], %s::integer[]) AS given(id, first_ticket) WHERE purchase.id = given.id
"""


class Letter(NamedTuple):
    """What staff read from one letter. `quantity` is at least 1, `reference` 1 to 64 characters."""

    reference: str
    entrant: User
    quantity: int
    received_on: date


class Fault(NamedTuple):
    """Why a letter cannot be entered."""

    #: Which letter, counted from 0; none if it is about all of them together.
    place: int | None
    #: raffle, email, quantity, reference or received_on.
    field: str
    problem: Problem


class _OutrunError(Exception):
    """Somebody else took what the letters needed after it was looked at."""


def enter_postal(
    *, raffle_id: UUID, entrant: User, quantity: int, reference: str, received_on: date, actor: User
) -> Purchase:
    """One free entry: a paid purchase of amount 0 with its numbers. Raises what `enter_letters` raises."""
    letter = Letter(reference, entrant, quantity, received_on)
    return enter_letters(raffle_id=raffle_id, letters=[letter], actor=actor)[0]


def enter_letters(*, raffle_id: UUID, letters: Sequence[Letter], actor: User) -> list[Purchase]:
    """All of these free entries, or none; numbers follow the order of the letters.

    Raises RaffleNotFound, RaffleNotOpen, RaffleClosed, SoldOut, NotEnoughLeft, LimitReached, ReferenceUsed,
    EntrantRefused, WrongDate or Busy; then nothing is written. Locks the people, their tallies, the purchases and the
    raffle's counter, in that order. Cost: a dozen statements per 1,000 letters.
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


def _refuse(raffle_id: UUID, letters: Sequence[Letter], actor: User) -> None:
    raffle = Raffle.objects.public().with_phase().select_related("counter").filter(pk=raffle_id).first()
    if raffle is None:
        raise errors.RaffleNotFound("There is no such raffle.")
    for fault in faults_of(raffle, [letter._asdict() for letter in letters], actor):
        raise fault.problem


def _write(raffle_id: UUID, letters: Sequence[Letter], actor: User) -> list[Purchase]:
    raffle = Raffle.objects.get(pk=raffle_id)
    wanted: Counter[UUID] = Counter()
    for letter in letters:
        wanted[letter.entrant.pk] += letter.quantity
    keep_standing(wanted)
    standings = standings_of(wanted).values()
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
    # Without the reference, which may be a name: the audit forgets nothing, and the entry has it.
    changes = [(each, {"status": "paid", "route": "postal"} | (each.tickets or {})) for each in purchases]
    record_all("purchase.entered", changes, actor=actor)
    # Later, so that nobody's purchase waits meanwhile for the counter.
    for part in batched(purchases, BATCH):
        enqueue(tell_entrants, [str(purchase.pk) for purchase in part])
    return purchases


def tell_entrants(purchase_ids: list[str]) -> None:
    """Writes to those whose letters were entered. Idempotent."""
    entered = Purchase.objects.paid().filter(pk__in=purchase_ids).select_related("buyer", "raffle")
    news = ((each.buyer, each.pk, {"raffle": each.raffle.title, "tickets": each.tickets}) for each in entered)
    notify_all("free_entry", news)


def _purchase(raffle: Raffle, letter: Letter) -> Purchase:
    purchase = Purchase(
        raffle=raffle,
        buyer=letter.entrant,
        route=Purchase.Route.POSTAL,
        quantity=letter.quantity,
        amount=0,
        currency=raffle.currency,
        request_digest=b"",
        expires_at=Now(),
    )
    # Nobody can send a request under the same key: the id is new. The reference is unique where it stands.
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
    """The people registered under these addresses, by the address as it is given. Cost: one query."""
    known = {email: lookup_address(email) for email in emails}
    found = {user.email: user for user in User.objects.filter(email__in=set(known.values()))}
    return {email: found[address] for email, address in known.items() if address in found}


def faults_of(raffle: Raffle, letters: Sequence[Mapping[str, Any]], actor: User) -> Iterator[Fault]:
    """Everything that keeps these letters from being entered into a raffle read with its phase and counter.

    Letters are mappings with the names of `Letter`; what could not be read is missing and was told elsewhere. Cost:
    four queries.
    """
    now = database_now()
    standings = standings_of({letter["entrant"].pk for letter in letters if letter.get("entrant")})
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
    """Told once for each person, at the letter that passes their limit."""
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


def _safeguards(place: int, entrant: User, standing: Standing) -> Iterator[Fault]:
    """Staff are told which, in words that are for the person."""
    for barrier in _barriers(standing):
        text = f"{entrant.email} cannot take part. The person's message would be: {barrier.detail}"
        yield Fault(place, "email", errors.EntrantRefused(text, reason=barrier.code))


def _barriers(standing: Standing) -> list[Problem]:
    return [each for each in reasons(standing) if each.code not in NOT_FOR_LETTERS]


def _date(place: int, received_on: date, raffle: Raffle, now: datetime) -> Iterator[Fault]:
    """A day that has begun nowhere on Earth yet, or that was over everywhere when the raffle was published.

    Staff write the day of their own calendar on a letter. Entering is only possible during the sale, so a letter that
    has come has come before the closing.
    """
    if received_on > (now + EARLIEST_ZONE).date():
        yield Fault(place, "received_on", errors.WrongDate("This day is in the future."))
    if raffle.published_at and received_on < (raffle.published_at - LATEST_ZONE).date():
        text = f"The raffle was only published on {raffle.published_at:%Y-%m-%d} (UTC)."
        yield Fault(place, "received_on", errors.WrongDate(text))
