"""Guessing: each failure in a row makes the next try at that account wait longer, and none locks it forever.

Passwords are counted by mailbox, whether it has an account or not, so that waiting tells nothing and no other spelling
of an address begins anew. A try is counted
before the password is looked at: of a hundred tries at once, one is looked at. The right password and a mailed link end
the wait. Codes of a second factor have a count of their own, which nothing but a right code ends: whoever knows the
password does not get new tries by giving it again.
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
# So many failures in a row cost nothing; from then on 2, 4, 8 … seconds, up to LONGEST. A day without one is forgiven.
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
    """Counts a try at this account as failed; `forgive` takes it back. Returns how many are counted in a row.

    `subject` is an address, or what `codes_of` says. Raises TooManyRequests while it has to wait.
    Cost: one statement, two for who has to wait.
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


def forgive(subject: str) -> bool:
    """What was given was right, or its owner set a new one: nothing is counted any more. Cost: one statement.

    Returns whether something was.
    """
    return SignInDelay.objects.filter(key=_key(subject)).delete()[0] > 0


def lift_delay(user: User) -> list[str]:
    """Forget what is counted of this person's passwords and codes, audited; return which of both something was of.

    For an operator: wrong tries may be a stranger's, or come of a clock that was wrong.
    """
    subjects = {"passwords": user.email, "codes": codes_of(user)}
    with transaction.atomic():
        lifted = [what for what, subject in subjects.items() if forgive(subject)]
        if lifted:
            record("user.sign_in_delay_lifted", user, after={"of": lifted})
    return lifted


def note_failure(email: str, *, to: str) -> None:
    """Puts a failed sign-in into the audit: by the digest alone, whether the address has an account or not.

    Rows are as many as tries whose password is looked at, which the limits bound. Cost: one INSERT.
    """
    record("user.sign_in_failed", SignInDelay(key=_key(email)), after={"to": to})


def codes_of(user: User) -> str:
    """The subject under which codes of this person's second factor are counted; no address looks like it."""
    return f"{CODES}{user.pk}"


def _key(subject: str) -> bytes:
    # Addresses that have no account are nobody's business: what is kept does not name them.
    kept = b"accounts.attempts" + mailbox_key(subject).encode()
    return hmac.digest(settings.SECRET_KEY.encode(), kept, "sha256")
