"""Writes of raffles, shared by the API, the back office, commands and tasks."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from luxewin.api.problems import InvalidInput
from luxewin.audit.services import Actor, record
from luxewin.clock import database_now
from luxewin.lines import one_line
from luxewin.webhooks import services as webhooks
from luxewin.webhooks.events import EventType
from raffles import questions, terms
from raffles.errors import TermsFixed, WrongPhase
from raffles.models import MAX_ADDITION, Prize, Raffle, TermsAddition, TicketCounter
from raffles.signals import conditions_added, raffle_cancelled, raffle_closed, raffle_published
from raffles.slugs import is_reserved, slug_of


def create_raffle(*, prizes: Sequence[dict[str, Any]], actor: Actor | None = None, **values: Any) -> Raffle:
    """Make a draft with its prizes. Raise InvalidInput on a used slug.

    `values` are validated fields of `Raffle`; `free_route` is `{instructions, until}` or None.
    """
    columns = _columns(values)
    columns["slug"] = columns.get("slug") or _free_slug(columns["title"])
    columns["answer"] = questions.normalised(columns.get("answer", ""))
    with transaction.atomic(), _slug_is_free(columns["slug"]):
        raffle = Raffle.objects.create(**columns)
        _replace_prizes(raffle, prizes)
        record("raffle.created", raffle, actor=actor, after={"status": raffle.status, "title": raffle.title})
    return raffle


def update_raffle(
    raffle_id: UUID, *, prizes: Sequence[dict[str, Any]] | None = None, actor: Actor | None = None, **changes: Any
) -> Raffle:
    """Change a draft; of a published raffle only what is not among its terms.

    Raise TermsFixed, or InvalidInput on a slug in use.
    """
    with transaction.atomic(), _slug_is_free(changes.get("slug", "")):
        raffle = _locked(raffle_id)
        if raffle.status != Raffle.Status.DRAFT:
            fixed = sorted(set(changes) & {*Raffle.TERMS, "free_route"}) + (["prizes"] if prizes is not None else [])
            if fixed:
                raise TermsFixed("The terms of a published raffle cannot be changed.", fields=fixed)
        if not changes and prizes is None:
            return raffle
        changes = _columns(changes)
        if "answer" in changes:
            changes["answer"] = questions.normalised(changes["answer"])
        before = _told(raffle, changes)
        for name, value in changes.items():
            setattr(raffle, name, value)
        raffle.save(update_fields=list(changes))
        if prizes is not None:
            _replace_prizes(raffle, prizes)
            _touch(raffle)
        record("raffle.updated", raffle, actor=actor, before=before, after=_told(raffle, changes))
    return raffle


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values by column, long texts with the line ends that everybody hashes."""
    columns = dict(values)
    if "free_route" in columns:
        route = columns.pop("free_route") or {"instructions": "", "until": None}
        columns |= {f"free_route_{name}": value for name, value in route.items()}
    for name in ("conditions", "free_route_instructions"):
        if name in columns:
            columns[name] = _text(columns[name])
    return columns


def _text(text: str) -> str:
    """Return it without blank ends, and with one kind of line end, whatever browser it was typed in."""
    return text.replace("\r\n", "\n").strip()


def _told(raffle: Raffle, names: Iterable[str]) -> dict[str, str]:
    """Return the audit's form of these fields: it records that the right answer changed, not the answer."""
    return {name: "(hidden)" if name == "answer" else str(getattr(raffle, name)) for name in names}


def delete_raffle(raffle_id: UUID, *, actor: Actor | None = None) -> None:
    """Delete a draft, which was promised to nobody. Raise WrongPhase once it is published."""
    with transaction.atomic():
        raffle = _locked(raffle_id)
        if raffle.status != Raffle.Status.DRAFT:
            raise WrongPhase("Only a draft can be deleted.", raffle_status=raffle.status)
        record("raffle.deleted", raffle, actor=actor, before={"status": raffle.status, "title": raffle.title})
        raffle.delete()


def publish_raffle(raffle_id: UUID, *, actor: Actor | None = None) -> Raffle:
    """Put a draft on sale at its opening time, once its draw is announced; its terms are fixed from now on.

    Raise WrongPhase unless it is a draft, and InvalidInput that names everything that prevents its sale.
    """
    with transaction.atomic():
        raffle = _locked(raffle_id)
        if raffle.status != Raffle.Status.DRAFT:
            raise WrongPhase("Only a draft can be published.", raffle_status=raffle.status)
        if faults := faults_of_draft(raffle):
            raise InvalidInput(faults)
        raffle.status, raffle.published_at = Raffle.Status.PUBLISHED, Now()
        raffle.save(update_fields=["status", "published_at"])
        TicketCounter.objects.create(raffle=raffle, capacity=raffle.capacity, selling=False)
        raffle_published.send(Raffle, raffle=raffle, actor=actor)
        _emit(EventType.RAFFLE_PUBLISHED, raffle)
        record("raffle.published", raffle, actor=actor, before={"status": "draft"}, after={"status": "published"})
    return raffle


def open_sale(raffle_id: UUID) -> None:
    """Let a published raffle sell from its opening time on: the rules of its draw are recorded. Idempotent.

    Called by the draw inside its own transaction.
    """
    raffle = _locked(raffle_id)
    if raffle.status == Raffle.Status.PUBLISHED and raffle.announced_at is None:
        Raffle.objects.filter(pk=raffle.pk).update(announced_at=Now())
        TicketCounter.objects.filter(pk=raffle.pk).update(selling=raffle.closed_at is None)


def cancel_raffle(raffle_id: UUID, *, reason: str, actor: Actor | None = None) -> Raffle:
    """Cancel a raffle before its draw: sales stop and everyone is refunded (by receivers in other apps).

    Raise WrongPhase for a draft, which was promised to nobody, and once the entries are frozen: from then on nobody may
    veto the draw.
    """
    with transaction.atomic():
        raffle = _locked(raffle_id)
        if raffle.status != Raffle.Status.PUBLISHED or raffle.frozen_at:
            raise WrongPhase(
                "Only a published raffle whose entries are not fixed yet can be cancelled.", raffle_status=raffle.status
            )
        _cancel(raffle, reason, actor)
    return raffle


def void_raffle(raffle_id: UUID, *, reason: str) -> None:
    """Void a frozen raffle; called by the draw inside its own transaction. Everyone is refunded.

    Raise WrongPhase unless it is frozen and not drawn. The database also checks the draw.
    """
    raffle = _locked(raffle_id)
    if raffle.status != Raffle.Status.PUBLISHED or raffle.frozen_at is None or raffle.drawn_at:
        raise WrongPhase(
            "Only a raffle whose entries are fixed and not drawn can be void.", raffle_status=raffle.status
        )
    _cancel(raffle, reason, None)


def add_to_conditions(raffle_id: UUID, *, text: str, actor: Actor | None = None) -> TermsAddition:
    """Add a public, dated text to the conditions of a published raffle; its entrants are mailed by a receiver.

    It stays as it is. Raise WrongPhase unless the raffle is published, InvalidInput on a text that is blank or too
    long.
    """
    text = _text(text)
    if not text:
        raise InvalidInput.of("text", "required", "Write what is added to the conditions.")
    if len(text) > MAX_ADDITION:
        raise InvalidInput.of("text", "max_length", f"At most {MAX_ADDITION} characters.")
    with transaction.atomic():
        raffle = _locked(raffle_id)
        if raffle.status != Raffle.Status.PUBLISHED:
            raise WrongPhase("Only a published raffle can have additions.", raffle_status=raffle.status)
        addition = TermsAddition.objects.create(raffle=raffle, text=text)
        _touch(raffle)
        conditions_added.send(Raffle, raffle=raffle, addition=addition, actor=actor)
        record("raffle.conditions_added", raffle, actor=actor, after={"addition": str(addition.pk), "text": text})
    return addition


def _cancel(raffle: Raffle, reason: str, actor: Actor | None) -> None:
    before, reason = raffle.status, one_line(reason)
    raffle.status, raffle.cancelled_at, raffle.cancel_reason = Raffle.Status.CANCELLED, Now(), reason[:200]
    raffle.save(update_fields=["status", "cancelled_at", "cancel_reason"])
    TicketCounter.objects.filter(pk=raffle.pk).update(selling=False)
    raffle_cancelled.send(Raffle, raffle=raffle, actor=actor)
    _emit(EventType.RAFFLE_CANCELLED, raffle, reason=raffle.cancel_reason)
    after = {"status": raffle.status, "reason": reason}
    record("raffle.cancelled", raffle, actor=actor, before={"status": before}, after=after)


def close_raffle(raffle_id: UUID) -> bool:
    """End the sale if it is due (time, or sold out); return True if this call did it. Idempotent."""
    with transaction.atomic():
        raffle = _locked(raffle_id)
        if not Raffle.objects.due_to_close().filter(pk=raffle.pk).exists():
            return False
        TicketCounter.objects.filter(pk=raffle.pk).update(selling=False)
        Raffle.objects.filter(pk=raffle.pk).update(closed_at=Now(), claimed_until=None)
        raffle.refresh_from_db()
        raffle_closed.send(Raffle, raffle=raffle, actor=None)
        _emit(EventType.RAFFLE_CLOSED, raffle)
        record("raffle.closed", raffle, after={"closed_at": str(raffle.closed_at)})
    return True


def mark_frozen(raffle_id: UUID) -> None:
    """Record that the entries are fixed; called by the draw inside its own transaction."""
    Raffle.objects.filter(pk=raffle_id, frozen_at=None).update(frozen_at=Now())


def mark_drawn(raffle_id: UUID) -> None:
    """Record that the winners are final; called by the draw inside its own transaction."""
    if Raffle.objects.filter(pk=raffle_id, drawn_at=None).update(drawn_at=Now()):
        _emit(EventType.RAFFLE_DRAWN, Raffle.objects.only("slug").get(pk=raffle_id))


def _emit(event_type: EventType, raffle: Raffle, **facts: str) -> None:
    webhooks.emit(event_type, [(raffle.pk, {"raffle": raffle.pk, "slug": raffle.slug} | facts)])


def mark_undrawn(raffle_id: UUID) -> None:
    """Record that the draw is to be decided again; called by the draw inside its own transaction."""
    Raffle.objects.filter(pk=raffle_id).update(drawn_at=None)


def _touch(raffle: Raffle) -> None:
    """Record a change of rows that belong to the raffle; a trigger sees those of its own row."""
    Raffle.objects.filter(pk=raffle.pk).update(updated_at=Now())


def _locked(raffle_id: UUID) -> Raffle:
    return Raffle.objects.select_for_update(no_key=True).get(pk=raffle_id)


@contextmanager
def _slug_is_free(slug: str) -> Iterator[None]:
    """Turn the database's error for a used slug into its fault; only the database sees concurrent writers."""
    try:
        yield
    except IntegrityError as error:
        if "raffles_raffle_slug" not in str(error):
            raise
        raise InvalidInput.of("slug", "unique", f"{slug} is already used by another raffle.") from error


def _replace_prizes(raffle: Raffle, prizes: Sequence[dict[str, Any]]) -> None:
    raffle.prizes.all().delete()
    Prize.objects.bulk_create(Prize(raffle=raffle, position=n, **prize) for n, prize in enumerate(prizes, start=1))


def _free_slug(title: str) -> str:
    """Return an unused slug, in Latin letters whatever the title's script. Cost: one query."""
    base = slug_of(title) or "raffle"
    taken = set(Raffle.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(
        slug
        for slug in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3)))
        if slug not in taken and not is_reserved(slug)
    )


def faults_of_draft(raffle: Raffle) -> list[dict[str, str]]:
    """Return everything that prevents the sale of a draft, as {field, code, detail}. Cost: two queries."""
    positions = list(raffle.prizes.values_list("position", flat=True))
    found = []
    if raffle.closes_at <= database_now():
        found.append(("closes_at", "in_the_past", "The end of the sale has passed."))
    if not raffle.conditions.strip():
        found.append(("conditions", "required", "Write the entry conditions: later you can only add to them."))
    found += terms.faults_of_prizes(positions, raffle.capacity, raffle.alternates)
    found += terms.faults({name: getattr(raffle, name) for name in Raffle.TERMS})
    return [{"field": field, "code": code, "detail": detail} for field, code, detail in found]
