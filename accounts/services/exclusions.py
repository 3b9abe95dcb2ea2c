"""Self-exclusion that outlives an account: a digest of its mailbox, which excludes whoever shows that it is theirs.

Nothing is looked up when somebody registers, so that registering tells nothing: the exclusion comes back when the
address is shown to be theirs, before which nobody can buy.
"""

import hmac

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.addresses import mailbox_key
from accounts.models import ExcludedAddress, Safeguards, User
from accounts.services.preferences import withdraw_consent
from accounts.signals import person_barred
from luxewin.audit.services import record


def remember_exclusion(user: User) -> None:
    """Keeps a digest of the person's mailbox while they are excluded, if they showed that it is theirs.

    Call it before the address goes. Cost: one query, two for the excluded.
    """
    if not user.has_verified_email:
        return
    in_force = Q(excluded_forever=True) | Q(excluded_until__gt=Now())
    found = Safeguards.objects.filter(in_force, user=user).first()
    if found:
        until = None if found.excluded_forever else found.excluded_until
        digest = _digest(mailbox_key(user.email), settings.SECRET_KEY)
        ExcludedAddress.objects.update_or_create(digest=digest, defaults={"until": until})


def carry_over_exclusion(user: User) -> None:
    """Excludes whoever has shown that an excluded address is theirs, as long as it was. Call it in a transaction.

    Cost: one query, for almost everybody.
    """
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    in_force = Q(until=None) | Q(until__gt=Now())
    # Digests of before there were mailboxes are of the address itself.
    forms = {mailbox_key(user.email), user.email}
    digests = [_digest(form, key) for form in forms for key in keys]
    # Of several the longest counts, and the one for good first.
    found = (
        ExcludedAddress.objects.filter(in_force, digest__in=digests).order_by(F("until").desc(nulls_first=True)).first()
    )
    if found is None:
        return
    safeguards, _ = Safeguards.objects.get_or_create(user=user)
    ends = [each for each in (found.until, safeguards.excluded_until) if each]
    safeguards.excluded_until = max(ends, default=None)
    safeguards.excluded_forever = safeguards.excluded_forever or found.until is None
    safeguards.save(update_fields=["excluded_until", "excluded_forever"])
    record("user.exclusion_carried_over", user)
    withdraw_consent(user, by="self-exclusion")
    person_barred.send(User, user=user)


def _digest(form: str, key: str) -> bytes:
    return hmac.digest(key.encode(), b"accounts.exclusions" + form.encode(), "sha256")
