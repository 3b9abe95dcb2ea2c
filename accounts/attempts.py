"""Guessing passwords: each failure in a row makes the next try at that account wait longer, and none locks it forever.

Counted by address, whether it has an account or not, so that waiting tells nothing. A try is counted before the
password is looked at: of a hundred tries at once, one is looked at. Signing in and a mailed link end the wait.
"""

import hmac
import logging
from math import ceil

from django.conf import settings
from django.db import connection

from accounts.models import SignInDelay
from luxewin.api.ratelimits import TooManyRequests

log = logging.getLogger(__name__)
# So many failures in a row cost nothing; from then on 2, 4, 8 … seconds, up to LONGEST. A day without one is forgiven.
FREE, LONGEST, FORGIVEN = 10, 900, "1 day"
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


def claim(email: str) -> None:
    """Counts a try at this account as failed; `forgive` takes it back. Raises TooManyRequests while it has to wait.

    Cost: one statement, two for who has to wait.
    """
    key = _key(email)
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"key": key, "free": FREE, "longest": LONGEST, "forgiven": FORGIVEN})
        claimed = cursor.fetchone()
        if claimed:
            if claimed[0] > FREE:
                log.warning("%s sign-ins in a row failed for the account of digest %s", claimed[0], key.hex()[:12])
            return
        cursor.execute(WAIT, [key])
        waiting = cursor.fetchone()
    raise TooManyRequests(ceil(waiting[0]) if waiting else 1)


def forgive(email: str) -> None:
    """The password was right, or its owner set a new one: nothing is counted any more. Cost: one statement."""
    SignInDelay.objects.filter(key=_key(email)).delete()


def _key(email: str) -> bytes:
    # Addresses that have no account are nobody's business: what is kept does not name them.
    return hmac.digest(settings.SECRET_KEY.encode(), b"accounts.attempts" + email.lower().encode(), "sha256")
