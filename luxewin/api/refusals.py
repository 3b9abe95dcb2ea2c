"""Which refusals an operation can give: declared by its action, or derived from what it reads and requires.

The OpenAPI document and docs/errors.md are made of these; the tests hold every refusal that an operation gives to them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.permissions import SAFE_METHODS, AllowAny, IsAuthenticated

from luxewin.api.idempotency import KeyReused, RequestInFlight
from luxewin.api.problems import Busy, InvalidInput, Problem, Unavailable
from luxewin.api.ratelimits import TooManyRequests, is_limited


@dataclass(frozen=True, slots=True)
class Refusal:
    """One code of a problem document; `members` are JSON schemas of what it has beside the standard members."""

    status: int
    code: str
    title: str
    about: str
    members: Mapping[str, Any]


def refusal_of(kind: type[Problem]) -> Refusal:
    """Return what a type of problem looks like to a client."""
    about = " ".join((kind.__doc__ or "").split())
    return Refusal(kind.status, kind.code, kind.title, about, kind.members)


def _made_elsewhere(status: int, code: str, title: str, about: str) -> Refusal:
    return Refusal(status, code, title, about, {})


# What Django, DRF and simplejwt refuse; `luxewin.api.problems` makes documents of it.
BAD_REQUEST = _made_elsewhere(400, "bad_request", "Bad Request", "The request is malformed.")
PARSE_ERROR = _made_elsewhere(400, "parse_error", "Bad Request", "The body is no JSON, or not as RFC 8259 has it.")
NOT_AUTHENTICATED = _made_elsewhere(401, "not_authenticated", "Unauthorized", "Nobody is signed in.")
TOKEN_NOT_VALID = _made_elsewhere(
    401, "token_not_valid", "Unauthorized", "A token that is malformed, used, expired or revoked: refresh or sign in."
)
BAD_HEADER = _made_elsewhere(
    401, "bad_authorization_header", "Unauthorized", "The Authorization header is not `Bearer` and a token."
)
USER_NOT_FOUND = _made_elsewhere(401, "user_not_found", "Unauthorized", "The account of this token is gone.")
USER_INACTIVE = _made_elsewhere(401, "user_inactive", "Unauthorized", "The account is closed.")
SESSION_ENDED = _made_elsewhere(401, "session_ended", "Unauthorized", "The session of this token has ended.")
CSRF_FAILED = _made_elsewhere(
    403, "csrf_failed", "Forbidden", "In cookie mode: without the token of `auth/csrf`, or from a foreign origin."
)
PERMISSION_DENIED = _made_elsewhere(403, "permission_denied", "Forbidden", "The person's roles do not allow it.")
NOT_FOUND = _made_elsewhere(404, "not_found", "Not Found", "There is no such thing, or it is not for this person.")
NOT_ACCEPTABLE = _made_elsewhere(406, "not_acceptable", "Not Acceptable", "`Accept` takes no type that there is.")
TOO_LARGE = _made_elsewhere(413, "too_large", "Request Entity Too Large", "The body is larger than 1 MiB.")
UNSUPPORTED = _made_elsewhere(415, "unsupported_media_type", "Unsupported Media Type", "The body is no JSON.")

SIGN_IN_NEEDED = (NOT_AUTHENTICATED, TOKEN_NOT_VALID, BAD_HEADER, USER_NOT_FOUND, USER_INACTIVE, SESSION_ENDED)
OF_A_BODY = (PARSE_ERROR, TOO_LARGE, UNSUPPORTED)
OF_A_KEY = tuple(map(refusal_of, (KeyReused, RequestInFlight)))
OF_ALL = (refusal_of(InvalidInput), BAD_REQUEST, NOT_ACCEPTABLE, *map(refusal_of, (Busy, Unavailable)))


def refuses(*kinds: type[Problem] | Refusal) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare what a viewset's action refuses by rules of its own. Input, sign-in and limits need no declaration."""

    def decorate(action: Callable[..., Any]) -> Callable[..., Any]:
        found = tuple(kind if isinstance(kind, Refusal) else refusal_of(kind) for kind in kinds)
        action.refusals = getattr(action, "refusals", ()) + found  # type: ignore[attr-defined]
        return action

    return decorate


def refusals_of(view: Any, method: str, *, in_path: bool, has_key: bool) -> list[Refusal]:
    """Return all refusals of the view's action, by status and code.

    `in_path`: the path names something; `has_key`: the operation takes an idempotency key. A token on a public view
    does not matter, so none is refused there.
    """
    action = getattr(view, view.action)
    # Of an action that both shows and changes, showing refuses nothing by its own rules.
    only_shows = method in SAFE_METHODS and _does_both(action)
    permissions = view.get_permissions()
    is_public = all(isinstance(each, AllowAny) for each in permissions)
    found: list[Refusal] = [*OF_ALL, *(() if only_shows else getattr(action, "refusals", ()))]
    if method not in SAFE_METHODS:
        found += OF_A_BODY
    if not is_public:
        found += SIGN_IN_NEEDED
        found += [] if method in SAFE_METHODS else [CSRF_FAILED]
    if any(not isinstance(each, (AllowAny, IsAuthenticated)) for each in permissions):
        found.append(PERMISSION_DENIED)
        for each in permissions:
            found += map(refusal_of, getattr(each, "refusals", ()))
    if in_path:
        found.append(NOT_FOUND)
    if has_key:
        found += OF_A_KEY
    if is_limited(action) and not only_shows:
        found.append(refusal_of(TooManyRequests))
    return in_order(found)


def _does_both(action: Any) -> bool:
    mapping = getattr(action, "mapping", {})
    return any(verb.upper() not in SAFE_METHODS for verb, name in mapping.items() if name == action.__name__)


def in_order(refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return them by status and code, each code once."""
    by_code = {refusal.code: refusal for refusal in refusals}
    return sorted(by_code.values(), key=lambda refusal: (refusal.status, refusal.code))
