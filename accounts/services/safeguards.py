"""Safeguards that people set up for themselves: a limit, a pause, an exclusion.

A stricter one takes effect at once; a looser one a day later or never. Each service locks the person's row to change
it, and a buyer's transaction holds that row until the purchase is written: so a change comes wholly before or wholly
after a purchase. Nothing is set up for an unverified address, because a stranger who registered it could bar its owner.
Without verification nobody can buy in any case.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.authority import check_authority
from accounts.errors import EmailNotVerified, StaysInForce
from accounts.models import Safeguards, SpendLimit, User
from accounts.notifications import notify
from accounts.services.exclusions import people_tied_to, spread_exclusion
from accounts.services.preferences import withdraw_consent
from accounts.services.signing_in import confirm_password
from luxewin.api.problems import InvalidInput
from luxewin.audit.services import Actor, record

RAISE_AFTER_HOURS = 24
MIN_PAUSE_HOURS, MAX_PAUSE_HOURS = 24, 183 * 24
MIN_EXCLUSION_MONTHS, MAX_EXCLUSION_MONTHS = 6, 60


def pause_buying(user: User, *, hours: int, actor: User, reason: str = "") -> Safeguards:
    """Pause this person's buying for some hours; a pause in force can only be made longer.

    `reason` is where staff note who asked them for it. Raise StaysInForce, EmailNotVerified, InsufficientRights, and
    InvalidInput outside MIN_PAUSE_HOURS to MAX_PAUSE_HOURS.
    """
    check_authority(actor, user)
    _check(hours, MIN_PAUSE_HOURS, MAX_PAUSE_HOURS, field="hours")
    with transaction.atomic():
        safeguards, until = _locked(user), _from_now(hours=hours)
        before = safeguards.paused_until
        if before and until < before:
            raise StaysInForce("Your current pause lasts longer. It can only be made longer.", until=before)
        safeguards.paused_until = until
        safeguards.save(update_fields=["paused_until"])
        after = {"until": _text(until), "reason": reason}
        record("safeguards.paused", safeguards, actor=actor, before={"until": _text(before)}, after=after)
        _tell(user, "paused", actor, until=_text(until))
    return safeguards


def exclude_from_buying(
    user: User, *, months: int | None, password: str | None, actor: User, reason: str = ""
) -> Safeguards:
    """Exclude this person from buying and marketing for some months (None: for good); it cannot be undone.

    An exclusion in force can only be made longer. People with a password give it again; staff, who act on a person's
    request and note it as the `reason`, give None. Raise StaysInForce, EmailNotVerified, InvalidInput outside
    MIN_EXCLUSION_MONTHS to MAX_EXCLUSION_MONTHS and for a wrong password, TooManyRequests after too many of those;
    InsufficientRights if the person has a right that the actor lacks.
    """
    check_authority(actor, user)
    if months is not None:
        _check(months, MIN_EXCLUSION_MONTHS, MAX_EXCLUSION_MONTHS, field="months")
    if password is not None:
        confirm_password(user, password, field="password")
    with transaction.atomic():
        others = people_tied_to(user)
        safeguards = _locked(user, *others)
        before, until = safeguards.excluded_until, _from_now(months=months) if months else None
        if safeguards.excluded_forever or (before and until and until < before):
            text = "Your current exclusion lasts longer. It can only be made longer."
            raise StaysInForce(text, until=None if safeguards.excluded_forever else before)
        safeguards.excluded_until, safeguards.excluded_forever = until or before, until is None
        safeguards.save(update_fields=["excluded_until", "excluded_forever"])
        after = {"until": _text(until) or "for good", "reason": reason}
        record("safeguards.excluded", safeguards, actor=actor, before={"until": _text(before)}, after=after)
        withdraw_consent(user, by="self-exclusion", actor=actor)
        spread_exclusion(user, others=others, until=until, actor=actor)
        _tell(user, "excluded", actor, until=_text(until))
    return safeguards


def set_spend_limit(user: User, *, currency: str, limit: int | None) -> None:
    """Limit what this person spends in a calendar month (UTC), in Stripe's unit; None: no limit.

    A lower limit takes effect at once and cancels a waiting raise. A higher one takes effect after RAISE_AFTER_HOURS;
    until then, setting the limit in force again cancels it. Raise EmailNotVerified.
    """
    with transaction.atomic():
        _lock(user)
        limits = {each.currency: each for each in SpendLimit.objects.as_they_stand().filter(user=user)}
        row = limits.get(currency)
        is_limited = any(each.limit is not None for each in limits.values())
        now_in_force = row.limit if row else (0 if is_limited else None)
        before = _shown(row) if row else {"limit": now_in_force, "next_limit": None, "next_from": None}
        after: dict[str, Any] = {"amount": limit, "next_amount": None, "next_from": None}
        if now_in_force is not None and (limit is None or limit > now_in_force):
            after = {"amount": now_in_force, "next_amount": limit, "next_from": _from_now(hours=RAISE_AFTER_HOURS)}
        elif limit == now_in_force and not (row and row.is_waiting):
            return
        row, _ = SpendLimit.objects.update_or_create(user=user, currency=currency, defaults=after)
        shown = {"limit": row.amount, "next_limit": row.next_amount, "next_from": _text(row.next_from)}
        record("safeguards.limited", row, actor=user, before=before, after=shown | {"currency": currency})
        _tell(user, "spend_limit", user, **shown, currency=currency)


def _shown(row: Any) -> dict[str, Any]:
    """Return the limit in force and the waiting one."""
    waiting = (row.next_amount, _text(row.next_from)) if row.is_waiting else (None, None)
    return {"limit": row.limit, "next_limit": waiting[0], "next_from": waiting[1]}


def _check(given: int, least: int, most: int, *, field: str) -> None:
    if not least <= given <= most:
        raise InvalidInput.of(field, "out_of_range", f"Must be from {least} to {most}.")


def _lock(user: User) -> None:
    known = User.objects.select_for_update(no_key=True).only("email_verified_at").get(pk=user.pk)
    if not known.has_verified_email:
        raise EmailNotVerified("This address is not verified yet. Open the link in the e-mail that we sent to it.")


def _locked(user: User, *others: UUID) -> Safeguards:
    """Lock the person's row, and `others` too, always in one order so that concurrent calls never deadlock."""
    if others:
        people = User.objects.select_for_update(no_key=True).filter(pk__in=[user.pk, *others]).order_by("pk")
        list(people.values_list("pk"))
    _lock(user)
    return Safeguards.objects.get_or_create(user=user)[0]


def _from_now(*, hours: int = 0, months: int = 0) -> datetime:
    """Return the time this far from now, by the database's clock and calendar."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp() + make_interval(months => %s, hours => %s)", [months, hours])
        return cursor.fetchone()[0]


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _tell(user: User, kind: str, actor: Actor, **context: Any) -> None:
    notify(user, kind, about=_from_now().isoformat(), by_staff=actor.id != user.id, **context)
