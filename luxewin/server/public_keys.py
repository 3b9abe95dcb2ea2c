"""What an answer of a public read depends on, and the request from which it is made."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote_to_bytes
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.urls import Resolver404, resolve

from luxewin.api.public_reads import declaration_of, is_anonymous
from luxewin.api.requests import REQUEST_ID
from luxewin.server.wsgi_call import Scope, environ_of

#: Longer targets and headers are Django's to read: of shorter ones the meaning is remembered, of so many.
MOST_TARGET_BYTES, MOST_HEADER_BYTES = 2_048, 256
REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Target:
    """What a path and a query string ask for."""

    path: str
    query: str
    media: str


@dataclass(frozen=True, slots=True)
class Key:
    """All that an answer depends on."""

    target: Target
    scheme: str
    host: bytes
    origin: bytes

    @property
    def name(self) -> str:
        """Its name in Redis, where another deployment may keep its answers too."""
        database = [str(settings.DATABASES["default"][part]) for part in ("HOST", "PORT", "NAME")]
        asked = [self.scheme, self.host.decode("latin-1"), self.origin.decode("latin-1")]
        text = json.dumps([*database, *asked, self.target.path, self.target.query])
        return f"public:{hashlib.sha256(text.encode()).hexdigest()}"


def key_of(scope: Scope, headers: dict[bytes, bytes]) -> Key | None:
    """Return what the answer depends on; None if the request is not for a ready answer."""
    if scope["method"] not in {"GET", "HEAD"} or len(headers) != len(scope["headers"]):
        return None  # a header that comes twice is Django's to understand
    raw_path, query, host = scope["raw_path"], scope["query_string"], headers.get(b"host")
    if not host or max(len(raw_path) + len(query), len(host)) > MOST_TARGET_BYTES:
        return None
    target = _target(raw_path, query)
    if target is None or not _is_plain(headers, target.media):
        return None
    scheme, origin = _scheme(scope, headers), headers.get(b"origin", b"")
    if scheme != "https" and settings.SECURE_SSL_REDIRECT:
        return None
    if origin and origin.decode("latin-1") not in settings.CORS_ALLOWED_ORIGINS:
        origin = b""
    return Key(target, scheme, host.lower(), origin)


def request_of(key: Key, scope: Scope) -> dict[str, Any]:
    """Return the request from which the answer is made."""
    environ = environ_of(scope | {"headers": [], "method": "GET", "scheme": key.scheme})
    asked = environ_of(scope)
    passed = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REQUEST_ID")  # for rate limits and the log
    environ |= {name: asked[name] for name in passed if name in asked}
    environ |= {
        "QUERY_STRING": key.target.query,
        "HTTP_HOST": key.host.decode("latin-1"),
        "HTTP_ACCEPT": key.target.media,
    }
    if key.origin:
        environ["HTTP_ORIGIN"] = key.origin.decode("latin-1")
    return environ


def request_id(headers: dict[bytes, bytes]) -> bytes:
    """Return the client's own, if it is well-formed, or a new one."""
    offered = headers.get(b"x-request-id")
    if offered is not None and REQUEST_ID.fullmatch(offered.decode("latin-1")):
        return offered
    return uuid4().hex.encode()


@lru_cache(REMEMBERED)
def _target(raw_path: bytes, query: bytes) -> Target | None:
    """Return what is asked for, in one spelling; None if it is no public read, or if Django would refuse it."""
    try:
        path = unquote_to_bytes(raw_path).decode()
        declared = declaration_of(resolve(path).func)
        normal = declared.normal(query.decode("ascii")) if declared else None
    except (UnicodeDecodeError, Resolver404, SuspiciousOperation):
        return None
    return None if declared is None or normal is None else Target(path, normal, declared.media)


def _is_plain(headers: dict[bytes, bytes], media: str) -> bool:
    """Whether the request has no body, nobody's name, and takes the answer's type as it is."""
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        return False
    if b"authorization" in headers or not is_anonymous(cookies=headers.get(b"cookie", b"").decode("latin-1")):
        return False
    accept = headers.get(b"accept")
    return accept is None or (len(accept) <= MOST_HEADER_BYTES and _accepts(accept, media))


@lru_cache(REMEMBERED)
def _accepts(accept: bytes, media: str) -> bool:
    """Whether an Accept header takes this type in its usual form."""
    wanted = {media, "*/*", f"{media.partition('/')[0]}/*"}
    ranges = [each.strip() for each in accept.decode("latin-1").lower().split(",")]
    named = [each.partition(";") for each in ranges]
    # A parameter of the type itself (`indent`) changes the answer.
    is_usual = all(not rest or rest.strip().startswith("q=") for name, _, rest in named if name.strip() in wanted)
    return is_usual and any(name.strip() in wanted for name, _, _ in named)


def _scheme(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """Return the scheme as Django finds it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        said = headers.get(name.removeprefix("HTTP_").replace("_", "-").lower().encode())
        if said is not None:
            return "https" if said.split(b",", 1)[0].strip() == secure.encode() else "http"
    return cast(str, scope["scheme"])
