"""Self-exclusion follows the person: to every mailbox and every Supabase account that they proved to be theirs.

Those in use are on the account, earlier ones in `FormerIdentifier`, and those of erased people are digests in
`ExcludedAddress`. Registration looks nothing up, so that it reveals nothing: the exclusion takes effect again when an
address or a Supabase account is verified, and before that nobody can buy.
"""

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.addresses import mailbox_key
from accounts.models import ExcludedAddress, FormerIdentifier, Identity, Safeguards, User
from accounts.services.preferences import withdraw_consent
from luxewin.audit.services import Actor, record

# The kinds that the trigger for former identifiers writes.
SUPABASE = f"{Identity.Provider.SUPABASE.value}:"
IN_FORCE = Q(excluded_forever=True) | Q(excluded_until__gt=Now())
# Ends of exclusions, for comparison: one for a permanent exclusion, one for none.
NEVER, NONE = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)


def remember_exclusion(user: User) -> None:
    """Keep digests of all verified identifiers of an excluded person; call it before the person is erased.

    Cost: one query, about five for excluded people.
    """
    found = Safeguards.objects.filter(IN_FORCE, user=user).first()
    if found is None:
        return
    until = None if found.excluded_forever else found.excluded_until
    values = _current(user) | _former(user)
    # Digests of another account of the same person belong to the same exclusion.
    _lengthen_digests(values, until)
    known = _matching(values).exclude(person=None).values_list("person", flat=True).first()
    for value in values:
        facts = {"until": until, "person": known or user.pk}
        ExcludedAddress.objects.get_or_create(digest=_digest(value, settings.SECRET_KEY), defaults=facts)


def remember_excluded_cards(user: User, fingerprints: Iterable[str]) -> None:
    """Keep digests of an excluded person's payment cards for as long as the address digests, which must exist already.

    They exclude nobody, because a card may be shared: staff see them (`are_excluded_cards`).
    """
    kept = _matching(_current(user) | _former(user)).filter(Q(until=None) | Q(until__gt=Now())).first()
    if kept is None:
        return
    for card in fingerprints:
        facts = {"until": kept.until, "person": kept.person}
        digest = _digest(f"card:{card}", settings.SECRET_KEY)
        other, made = ExcludedAddress.objects.get_or_create(digest=digest, defaults=facts)
        if not made and other.until and (kept.until is None or kept.until > other.until):
            ExcludedAddress.objects.filter(pk=digest).update(**facts)


def are_excluded_cards(fingerprints: Iterable[str]) -> bool:
    """Whether an erased person whose exclusion is in force paid with one of these cards."""
    kept = _matching(f"card:{card}" for card in fingerprints)
    return kept.filter(Q(until=None) | Q(until__gt=Now())).exists()


def forget_identifiers(user: User) -> None:
    """Delete a person's former addresses and accounts elsewhere; call it after the current ones are erased."""
    FormerIdentifier.objects.filter(user=user).delete()


def carry_over_exclusion(user: User) -> None:
    """Exclude a person who has verified an identifier that an exclusion is tied to. Call it in a transaction.

    If several exclusions apply, the longest counts. Idempotent; never shortens one. Cost: four queries for almost
    everybody.
    """
    ends = [_end(each.excluded_until, forever=each.excluded_forever) for each in _exclusions_tied_to(user)]
    digests = _matching(_with_old_forms(user)).filter(Q(until=None) | Q(until__gt=Now()))
    ends += [_end(each.until, forever=each.until is None) for each in digests]
    if ends:
        _exclude_until(user, max(ends))


def people_tied_to(user: User) -> list[UUID]:
    """Return ids of the same person's other accounts, as far as an exclusion ties them together. Cost: four queries."""
    former = _former(user)
    subjects = [value.removeprefix(SUPABASE) for value in former if value.startswith(SUPABASE)]
    by_address = User.objects.filter(mailbox__in=former, email_verified_at__isnull=False).values_list("pk", flat=True)
    by_account = Identity.objects.filter(subject__in=subjects).values_list("user_id", flat=True)
    by_exclusion = _exclusions_tied_to(user).values_list("user_id", flat=True)
    return sorted({*by_address, *by_account, *by_exclusion} - {user.pk})


def spread_exclusion(user: User, *, others: Iterable[UUID], until: datetime | None, actor: Actor) -> None:
    """Extend a new or lengthened exclusion to everything it is tied to; `until` None means for good.

    `others` are `people_tied_to` the user, whom the caller has locked.
    """
    _lengthen_digests(_with_old_forms(user) | _former(user), until)
    for other in User.objects.filter(pk__in=others).order_by("pk"):
        _exclude_until(other, _end(until, forever=until is None), actor=actor)


def _exclude_until(user: User, end: datetime, *, actor: Actor | None = None) -> None:
    safeguards, _ = Safeguards.objects.get_or_create(user=user)
    if _end(safeguards.excluded_until, forever=safeguards.excluded_forever) >= end:
        return
    if end == NEVER:
        safeguards.excluded_forever = True
    else:
        safeguards.excluded_until = end
    safeguards.save(update_fields=["excluded_until", "excluded_forever"])
    record("user.exclusion_carried_over", user, actor=actor)
    withdraw_consent(user, by="self-exclusion", actor=actor)


def _end(until: datetime | None, *, forever: bool) -> datetime:
    return NEVER if forever else until or NONE


def _current(user: User) -> set[str]:
    """Return the identifiers that the person has verified and uses now."""
    values = {f"{SUPABASE}{subject}" for subject in user.identities.values_list("subject", flat=True)}
    return values | {mailbox_key(user.email)} if user.has_verified_email else values


def _with_old_forms(user: User) -> set[str]:
    """Return the values that digests were made of; digests from before mailbox keys are of the address itself."""
    return _current(user) | ({user.email} if user.has_verified_email else set())


def _former(user: User) -> set[str]:
    return set(FormerIdentifier.objects.filter(user=user).values_list("value", flat=True))


def _exclusions_tied_to(user: User) -> QuerySet[Safeguards]:
    """Return the exclusions in force of other accounts that once had one of this person's current identifiers."""
    once = FormerIdentifier.objects.filter(value__in=_current(user)).exclude(user=user)
    return Safeguards.objects.filter(IN_FORCE, user__in=once.values("user"))


def _matching(values: Iterable[str]) -> QuerySet[ExcludedAddress]:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [_digest(value, key) for value, key in product(values, keys)]
    return ExcludedAddress.objects.filter(digest__in=digests)


def _lengthen_digests(values: Iterable[str], until: datetime | None) -> None:
    """Lengthen these digests, and all other digests of the same people."""
    found = _matching(values)
    people = list(found.exclude(person=None).values_list("person", flat=True))
    digests = list(found.values_list("digest", flat=True))
    same = ExcludedAddress.objects.filter(Q(digest__in=digests) | Q(person__in=people)).exclude(until=None)
    (same.filter(until__lt=until) if until else same).update(until=until)


def _digest(value: str, key: str) -> bytes:
    return hmac.digest(key.encode(), b"accounts.exclusions" + value.encode(), "sha256")
