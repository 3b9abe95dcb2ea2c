"""The project's published keys, cached in this process: each with the only algorithm of its kind.

PyJWT's own client (`PyJWKClient`) is not used: it asks again at every request while the server is away, reads answers
of any size, and drops good keys as soon as they are old.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from threading import Lock
from time import monotonic
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from accounts.supabase.asking import SupabaseAway, ask, issuer

log = logging.getLogger(__name__)
# Seconds. A set is requested again when it is no longer FRESH (Supabase's edge caches one for ten minutes) or lacks a
# key, at most once in FLOOR; while the server is away, known keys are valid until they are STALE.
FRESH, FLOOR, STALE = 600, 10, 3600
# Seconds that a thread waits for another thread's request.
OTHERS_WAIT = 1.0
RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public key, and the algorithm that follows from its kind, whatever a token says."""

    public: EllipticCurvePublicKey | RSAPublicKey
    algorithm: str


class KeyCache:
    """The keys by `kid`. Of concurrent threads that need an unknown one, one asks, others wait OTHERS_WAIT."""

    def __init__(self, fetch: Callable[[], Any], clock: Callable[[], float] = monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = Lock()
        self._keys: dict[str, PinnedKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._failed = False

    def known(self, kid: str | None) -> PinnedKey | None:
        """Return the key of this name if it is cached and not too old. Makes no request."""
        is_stale = self._clock() - self._fetched_at >= STALE
        return None if is_stale or kid is None else self._keys.get(kid)

    def find(self, kid: str) -> PinnedKey | None:
        """Return the key of this name; None if the project has none. Raise SupabaseAway if that cannot be found out.

        Cost: nothing as a rule; at most one request in FLOOR seconds for each process.
        """
        have = self.known(kid)
        is_missed = False
        if self._is_wanted(kid):
            # A thread with a known key does not wait for newer ones. Others wait a bounded time for another's request,
            # and not at all while the last one failed.
            if self._lock.acquire(timeout=0 if have or self._failed else OTHERS_WAIT):
                try:
                    self._refresh(kid)
                finally:
                    self._lock.release()
            else:
                is_missed = True
        found = self.known(kid)
        if found is None and (self._failed or is_missed):
            raise SupabaseAway("Supabase's keys cannot be read. Try again.")
        return found

    def _is_wanted(self, kid: str) -> bool:
        return kid not in self._keys or self._clock() - self._fetched_at >= FRESH

    def _refresh(self, kid: str) -> None:
        # Check again: another thread may have asked while this one waited.
        if not self._is_wanted(kid) or self._clock() - self._tried_at < FLOOR:
            return
        self._tried_at = self._clock()
        try:
            self._keys = _read(self._fetch())
        except SupabaseAway as error:
            self._failed = True
            log.warning(
                "the keys of the Supabase project cannot be read, known ones count on: %r", error.__cause__ or error
            )
            return
        self._fetched_at, self._failed = self._clock(), False


def project_keys() -> KeyCache:
    """Return the keys of the project in the settings."""
    return _keys_of(issuer())


@lru_cache(maxsize=1)
def _keys_of(issuer: str) -> KeyCache:
    return KeyCache(partial(ask, ".well-known/jwks.json"))


def _read(answer: tuple[int, Any]) -> dict[str, PinnedKey]:
    status, document = answer
    entries = document.get("keys") if isinstance(document, dict) else None
    if status != HTTPStatus.OK or not isinstance(entries, list):
        raise SupabaseAway(f"Supabase answers {status} and no set of keys.")
    pinned = ((entry["kid"], _pin(entry)) for entry in entries if isinstance(entry, dict) and _is_named(entry))
    return {kid: key for kid, key in pinned if key}


def _is_named(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("kid"), str) and entry.get("use", "sig") == "sig"


def _pin(entry: dict[str, Any]) -> PinnedKey | None:
    """Return None unless it is a public key of an accepted kind: no secrets, other curves, short RSA, garbage."""
    try:
        public = PyJWK(entry).key
    except (PyJWTError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        return PinnedKey(public, "ES256")
    if isinstance(public, RSAPublicKey) and public.key_size >= RSA_BITS:
        return PinnedKey(public, "RS256")
    return None
