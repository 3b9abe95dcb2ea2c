"""Whether people may buy, and what blocks them: the result of accounts/sql/accounts_standings.sql as Python objects."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection

from accounts import errors
from luxewin.api.problems import Problem, moment

ASK = "SELECT * FROM accounts_standings(%s, %s)"
# A purchase or entry locks these rows in this mode, which is slightly stronger than what each of their foreign keys
# would take at the end anyway. A change of a safeguard locks them for update, so each waits for the other.
LOCK = "SELECT FROM accounts_user WHERE id = ANY(%s) ORDER BY id FOR SHARE"
AGE = "SELECT accounts_age(%s, %s, statement_timestamp())"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """One person's eligibility, by the database's clock."""

    user_id: UUID
    is_active: bool
    email_verified_at: datetime | None
    #: Codes of what keeps them from buying, the most important first.
    barriers: list[str]
    #: A monthly limit is in force in some currency.
    is_limited: bool
    #: Fields of the profile that are missing and needed to decide.
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


def eligibilities_of(people: Iterable[UUID]) -> dict[UUID, Eligibility]:
    """Return the standings by user id. Cost: one statement."""
    with connection.cursor() as cursor:
        cursor.execute(ASK, [list(people), settings.MINIMUM_AGE])
        found = [Eligibility(*row) for row in cursor.fetchall()]
    return {eligibility.user_id: eligibility for eligibility in found}


def eligibility_of(user_id: UUID) -> Eligibility:
    """Return the eligibility of one existing user. Cost: one statement."""
    return eligibilities_of([user_id])[user_id]


def lock_eligibility(people: Iterable[UUID]) -> None:
    """Keep these people's safeguards unchanged until the caller's transaction ends. Cost: one statement.

    Call it before locking tallies, purchases and counters, and read the standings in a later statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(people)])


def age_of(born: date, country: str) -> int:
    """Return the age in years of a resident of `country`, by its latest calendar and the database's clock.

    Where a country has several time zones, a birthday counts once it has begun in all of them. Cost: one statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(AGE, [born, country])
        return int(cursor.fetchone()[0])


def barrier(eligibility: Eligibility, code: str) -> Problem:
    """Return the refusal for one of the eligibility's barrier codes."""
    return BARRIERS[code](eligibility)


def reasons(eligibility: Eligibility) -> list[Problem]:
    """Return everything that keeps this person from buying anything at all; empty if nothing does."""
    found = [barrier(eligibility, code) for code in eligibility.barriers]
    if eligibility.email_verified_at is None:
        found.append(errors.EmailNotVerified("Open the link in the e-mail that we sent you, then try again."))
    return found


def blockers(eligibility: Eligibility) -> list[str]:
    """Return codes of everything that keeps this person from buying, a closed account included; may be empty."""
    closed = [] if eligibility.is_active else [errors.AccountInactive.code]
    unverified = [] if eligibility.email_verified_at else [errors.EmailNotVerified.code]
    return closed + eligibility.barriers + unverified


def check_marketing(user_id: UUID) -> None:
    """Raise SelfExcluded if a person who excluded themselves from buying would consent to marketing."""
    eligibility = eligibility_of(user_id)
    if errors.SelfExcluded.code in eligibility.barriers:
        raise barrier(eligibility, errors.SelfExcluded.code)


def allows_marketing(eligibility: Eligibility) -> bool:
    """Whether the person may get marketing: not while they are paused or excluded, however briefly."""
    return not {errors.SelfExcluded.code, errors.Paused.code} & set(eligibility.barriers)


def _excluded(eligibility: Eligibility) -> Problem:
    if eligibility.excluded_forever or eligibility.excluded_until is None:
        return errors.SelfExcluded("You excluded yourself from buying permanently.", excluded_until=None)
    text = f"You excluded yourself from buying until {moment(eligibility.excluded_until)}."
    return errors.SelfExcluded(text, excluded_until=eligibility.excluded_until)


def _paused(eligibility: Eligibility) -> Problem:
    until = eligibility.paused_until
    return errors.Paused(f"You paused buying until {until and moment(until)}.", paused_until=until)


def _duplicate(eligibility: Eligibility) -> Problem:
    return errors.DuplicateAccount("Another account uses your mailbox. Buy with that account, or write to our support.")


def _incomplete(eligibility: Eligibility) -> Problem:
    text = f"Complete your profile first: {', '.join(eligibility.missing)}."
    return errors.ProfileIncomplete(text, fields=eligibility.missing)


def _under_age(eligibility: Eligibility) -> Problem:
    text = f"Where you live, you must be at least {eligibility.minimum_age} years old to buy."
    return errors.UnderAge(text, minimum_age=eligibility.minimum_age)


def _not_allowed(eligibility: Eligibility) -> Problem:
    return errors.CountryNotAllowed(f"We cannot sell tickets where you live. {eligibility.reason}")


def _not_accepted(eligibility: Eligibility) -> Problem:
    text = f"Accept version {eligibility.terms_version} of the terms first."
    return errors.TermsNotAccepted(text, version=eligibility.terms_version, url=eligibility.terms_url)


BARRIERS: dict[str, Callable[[Eligibility], Problem]] = {
    errors.SelfExcluded.code: _excluded,
    errors.Paused.code: _paused,
    errors.DuplicateAccount.code: _duplicate,
    errors.ProfileIncomplete.code: _incomplete,
    errors.UnderAge.code: _under_age,
    errors.CountryNotAllowed.code: _not_allowed,
    errors.TermsNotAccepted.code: _not_accepted,
}
