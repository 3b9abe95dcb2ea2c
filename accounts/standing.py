"""Whether people may buy, and what stands in the way: the answer of accounts/sql/accounts_standings.sql in words."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection

from accounts import errors
from luxewin.api.problems import Problem

ASK = "SELECT * FROM accounts_standings(%s, %s)"
# Whoever buys or enters locks these rows so, which is what each of their foreign keys would do at the end anyway, only
# a little stronger; whoever changes a safeguard locks them to change them. So each waits for the other.
LOCK = "SELECT FROM accounts_user WHERE id = ANY(%s) ORDER BY id FOR SHARE"
AGE = "SELECT accounts_age(%s, %s, statement_timestamp())"


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stands, by the database's clock."""

    user_id: UUID
    is_active: bool
    email_verified_at: datetime | None
    #: Codes of what keeps them from buying, the weightiest first.
    barriers: list[str]
    #: A monthly limit is in force in some currency.
    is_limited: bool
    #: Fields of the profile without which nobody can tell.
    missing: list[str]
    age: int | None
    minimum_age: int
    #: By the rules of their country and region.
    is_allowed: bool
    reason: str | None
    paused_until: datetime | None
    excluded_until: datetime | None
    excluded_forever: bool
    #: Of the terms in force, if any are.
    terms_version: str | None
    terms_url: str | None
    has_accepted: bool | None


def standings_of(people: Iterable[UUID]) -> dict[UUID, Standing]:
    """By id. Cost: one statement."""
    with connection.cursor() as cursor:
        cursor.execute(ASK, [list(people), settings.MINIMUM_AGE])
        found = [Standing(*row) for row in cursor.fetchall()]
    return {standing.user_id: standing for standing in found}


def standing_of(user_id: UUID) -> Standing:
    """The same for one who exists. Cost: one statement."""
    return standings_of([user_id])[user_id]


def keep_standing(people: Iterable[UUID]) -> None:
    """No safeguard of these people changes before the caller's transaction ends. Cost: one statement.

    Call it before tallies, purchases and counters are locked, and ask how they stand in a statement after it.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(people)])


def age_of(born: date, country: str) -> int:
    """Years of age of somebody who lives in `country`, by its latest calendar and the database's clock.

    Where a country has several time zones, a birthday counts once it has begun in all of them. Cost: one statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(AGE, [born, country])
        return int(cursor.fetchone()[0])


def barrier(standing: Standing, code: str) -> Problem:
    """The refusal that a code among the standing's barriers stands for."""
    return BARRIERS[code](standing)


def reasons(standing: Standing) -> list[Problem]:
    """Everything that keeps this person from buying anything at all; empty if nothing does."""
    found = [barrier(standing, code) for code in standing.barriers]
    if standing.email_verified_at is None:
        found.append(errors.EmailNotVerified("Open the link in the e-mail that we sent you, then try again."))
    return found


def blockers(standing: Standing) -> list[str]:
    """Codes of everything that keeps this person from buying, a closed account included; empty if nothing does."""
    closed = [] if standing.is_active else [errors.AccountInactive.code]
    unverified = [] if standing.email_verified_at else [errors.EmailNotVerified.code]
    return closed + standing.barriers + unverified


def check_marketing(user_id: UUID) -> None:
    """Raises SelfExcluded where somebody is about to consent to marketing who excluded themselves from buying."""
    standing = standing_of(user_id)
    if errors.SelfExcluded.code in standing.barriers:
        raise barrier(standing, errors.SelfExcluded.code)


def allows_marketing(standing: Standing) -> bool:
    """Nobody who keeps themselves from buying, for however short a time, is to be tempted."""
    return not {errors.SelfExcluded.code, errors.Paused.code} & set(standing.barriers)


def _excluded(standing: Standing) -> Problem:
    if standing.excluded_forever or standing.excluded_until is None:
        return errors.SelfExcluded("You excluded yourself from buying permanently.", excluded_until=None)
    text = f"You excluded yourself from buying until {standing.excluded_until:%Y-%m-%d %H:%M} UTC."
    return errors.SelfExcluded(text, excluded_until=standing.excluded_until)


def _paused(standing: Standing) -> Problem:
    text = f"You paused buying until {standing.paused_until:%Y-%m-%d %H:%M} UTC."
    return errors.Paused(text, paused_until=standing.paused_until)


def _duplicate(standing: Standing) -> Problem:
    return errors.DuplicateAccount("Another account uses your mailbox. Buy with that account, or write to our support.")


def _incomplete(standing: Standing) -> Problem:
    text = f"Complete your profile first: {', '.join(standing.missing)}."
    return errors.ProfileIncomplete(text, fields=standing.missing)


def _under_age(standing: Standing) -> Problem:
    text = f"Where you live, you must be at least {standing.minimum_age} years old to buy."
    return errors.UnderAge(text, minimum_age=standing.minimum_age)


def _not_allowed(standing: Standing) -> Problem:
    return errors.CountryNotAllowed(f"We cannot sell tickets where you live. {standing.reason}")


def _not_accepted(standing: Standing) -> Problem:
    text = f"Accept version {standing.terms_version} of the terms first."
    return errors.TermsNotAccepted(text, version=standing.terms_version, url=standing.terms_url)


BARRIERS: dict[str, Callable[[Standing], Problem]] = {
    errors.SelfExcluded.code: _excluded,
    errors.Paused.code: _paused,
    errors.DuplicateAccount.code: _duplicate,
    errors.ProfileIncomplete.code: _incomplete,
    errors.UnderAge.code: _under_age,
    errors.CountryNotAllowed.code: _not_allowed,
    errors.TermsNotAccepted.code: _not_accepted,
}
