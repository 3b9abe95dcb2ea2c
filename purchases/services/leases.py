"""Claims on calls to Stripe that are over but could not be released, because the database failed.

A claim (`Payment.calling_since`) keeps a second request away for CALL_LEASE. The process that lost the database knows
that its call is over. It clears the claim as soon as the row can be written, so that the buyer's next try succeeds.
"""

import logging
from threading import Lock, Thread
from time import monotonic, sleep
from uuid import UUID

from django.db import DatabaseError, connection

from purchases.models import Payment

log = logging.getLogger(__name__)
TRY_EVERY_SECONDS = 0.5
_owed: dict[UUID, float] = {}
_lock = Lock()


def give_back_later(payment_id: UUID, *, until: float) -> None:
    """Release the claim as soon as the database can; stop at `until`, a time of `monotonic`, when it ends anyway.

    Cost: none for the caller; one thread of the process while any claim is to be released.
    """
    with _lock:
        if not _owed:
            Thread(target=_give_back, name="leases", daemon=True).start()
        _owed[payment_id] = until


def _give_back() -> None:
    while True:
        sleep(TRY_EVERY_SECONDS)
        with _lock:
            keys = [key for key, until in _owed.items() if until > monotonic()]
        given_back = _free(keys)
        with _lock:
            for key in [key for key, until in _owed.items() if until <= monotonic() or (given_back and key in keys)]:
                del _owed[key]
            if not _owed:
                return


def _free(keys: list[UUID]) -> bool:
    try:
        Payment.objects.filter(pk__in=keys, status=Payment.Status.STARTED).update(calling_since=None)
    except DatabaseError as error:
        log.warning("%s claims on calls to Stripe cannot be given back yet: %s", len(keys), error)
        return False
    finally:
        connection.close()
    return True
