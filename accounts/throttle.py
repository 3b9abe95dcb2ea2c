"""Guessing: each failure in a row delays the next attempt at that account, and none locks it for good.

Passwords are counted by mailbox, whether it has an account or not: so a delay reveals nothing, and another spelling of
an address does not reset the count. An attempt is counted before the password is checked: of a hundred concurrent
attempts, one is checked. The right password or a mailed link ends the delay. Codes of a second factor have their own
count, which only a right code ends: knowing the password gives no new attempts.
"""

import hmac
import logging
from math import ceil

from django.conf import settings
from django.db import connection, transaction

from accounts.addresses import mailbox_key
from accounts.models import SignInDelay, User
from luxewin.api.ratelimits import TooManyRequests
from luxewin.audit.services import record

log = logging.getLogger(__name__)
# This many failures in a row cost nothing; after that 2, 4, 8 … seconds, up to LONGEST. A day without one resets the
# count.
FREE, LONGEST, FORGIVEN = 10, 900, "1 day"
CODES = "codes of "
CLAIM = """
    INSERT INTO accounts_signindelay AS kept (key, failures, last_at, until)
    VALUES (%(key)s, 1, statement_timestamp(), NULL)
    ON CONFLICT (key) DO UPDATE SET (failures, last_at, until) = (
        SELECT counted, statement_timestamp(), CASE WHEN counted > %(free)s THEN statement_timestamp()
                   + least(power(2, least(counted - %(free)s, 20)), %(longest)s) * interval '1 second' END
        FROM (SELECT CASE WHEN kept.last_at < statement_timestamp() - %(forgiven)s::interval THEN 1
                          ELSE least(kept.failures + 1, 1000) END AS counted) AS count
    ) WHERE kept.until IS NULL OR kept.until <= statement_timestamp()
    RETURNING failures
"""
WAIT = "SELECT extract(epoch FROM until - statement_timestamp()) FROM accounts_signindelay WHERE key = %s"


def claim(subject: str) -> int:
    """Count an attempt at this account as failed, and return the failures in a row; `reset_attempts` resets it.

    `subject` is an address, or the result of `codes_of`. Raise TooManyRequests during a delay. Cost: one statement, two
    during a delay.
    """
    key = _key(subject)
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"key": key, "free": FREE, "longest": LONGEST, "forgiven": FORGIVEN})
        claimed = cursor.fetchone()
        if claimed:
            if claimed[0] > FREE:
                log.warning("%s sign-ins in a row failed for the account of digest %s", claimed[0], key.hex()[:12])
            return claimed[0]
        cursor.execute(WAIT, [key])
        waiting = cursor.fetchone()
    otherwise = "" if subject.startswith(CODES) else ", or reset your password"
    raise TooManyRequests(ceil(waiting[0]) if waiting else 1, what="attempts", otherwise=otherwise)


def reset_attempts(subject: str) -> bool:
    """Reset the count, after a right password or code or a new password; return whether there was one.

    Cost: one statement.
    """
    return SignInDelay.objects.filter(key=_key(subject)).delete()[0] > 0


def lift_delay(user: User) -> list[str]:
    """Reset this person's counts of passwords and codes, audited; return which of the two there were.

    For an operator: wrong attempts may be a stranger's, or due to a wrong clock.
    """
    subjects = {"passwords": user.email, "codes": codes_of(user)}
    with transaction.atomic():
        lifted = [what for what, subject in subjects.items() if reset_attempts(subject)]
        if lifted:
            record("user.sign_in_delay_lifted", user, after={"of": lifted})
    return lifted


def note_failure(email: str, *, to: str) -> None:
    """Audit a failed sign-in, by a digest only, whether the address has an account or not.

    There is one row for each attempt whose password is checked, which the limits bound. Cost: one INSERT.
    """
    record("user.sign_in_failed", SignInDelay(key=_key(email)), after={"to": to})


def codes_of(user: User) -> str:
    """Return the subject that counts this person's second-factor codes; it looks like no address."""
    return f"{CODES}{user.pk}"


def _key(subject: str) -> bytes:
    # A digest, because the audit must not name addresses that have no account.
    kept = b"accounts.throttle" + mailbox_key(subject).encode()
    return hmac.digest(settings.SECRET_KEY.encode(), kept, "sha256")
