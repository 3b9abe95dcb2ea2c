"""Start-up checks that every process must pass: each has a number and says what to set.

E026, W001 and W002 apply everywhere; the others in production and in staging, where stand-ins are allowed.
"""

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import parseaddr
from typing import Any

import jwt
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 Django's own name for it

from accounts.signing_keys import KeysUnreadable, parse
from luxewin.environment import DEVELOPMENT, STAGING, is_open_to_all
from luxewin.public_urls import host_fault, is_private_host, origin_fault, public_host_fault, split, url_fault
from luxewin.server.lanes import HEALTH_AT_ONCE
from luxewin.strength import PUBLISHED_KEYS, is_weak

SET_SENDER = "Set DEFAULT_FROM_EMAIL to NAME <no-reply@example.com>, with a domain of yours."
# (number, whether the value is unsafe, what is wrong, what to set)
_Rule = tuple[str, Callable[[], bool], str, str]
_RULES: list[_Rule] = [
    (
        "E001",
        lambda: not settings.SECRET_KEY or _is_guessable(settings.SECRET_KEY, 50, 45),
        "SECRET_KEY is missing, shorter than 50 characters or easy to guess.",
        "Set SECRET_KEY to 50 or more random characters.",
    ),
    (
        "E004",
        lambda: settings.DEBUG,
        "DEBUG is on.",
        "Unset DEBUG: with it a request header can replace the webhook secret.",
    ),
    (
        "E005",
        lambda: not settings.ALLOWED_HOSTS or any(map(host_fault, settings.ALLOWED_HOSTS)),
        "ALLOWED_HOSTS is empty, or names what is no host: a wildcard, a domain with a dot before it, an address.",
        "Set ALLOWED_HOSTS to the comma-separated host names of this backend.",
    ),
    (
        "E006",
        lambda: bool(origin_fault(settings.PUBLIC_URL)),
        "PUBLIC_URL is not the https address of a public host, without user, path or query.",
        "Set PUBLIC_URL to the https address of this backend, as in https://api.example.com.",
    ),
    (
        "E007",
        lambda: not re.fullmatch(r"(sk|rk)_(test|live)_[A-Za-z0-9]{16,}", settings.STRIPE_SECRET_KEY),
        "STRIPE_SECRET_KEY is missing, or is no secret key.",
        "Set STRIPE_SECRET_KEY to a key of your Stripe account.",
    ),
    (
        "E008",
        lambda: bool(settings.STRIPE_API_BASE),
        "STRIPE_API_BASE points away from Stripe.",
        "Unset STRIPE_API_BASE.",
    ),
    ("E009", lambda: not settings.RATELIMIT_ENABLE, "Rate limits are off.", "Unset RATELIMIT_ENABLE."),
    (
        "E010",
        lambda: bool(settings.CHAIN_RPC_URLS) and not settings.CHAIN_ID,
        "CHAIN_RPC_URL is set without CHAIN_ID.",
        "Set CHAIN_ID, so that a wrong node is noticed before anything is signed for it.",
    ),
    (
        "E011",
        lambda: settings.DRAW_DELAY_SECONDS < 600,
        "DRAW_DELAY_SECONDS is below 600.",
        "Set DRAW_DELAY_SECONDS to more than CHAIN_CONFIRMATIONS blocks take (600 is the default, and the least).",
    ),
    (
        "E012",
        lambda: settings.DRAW_VOID_SECONDS < 604_800,
        "DRAW_VOID_SECONDS is below seven days.",
        "Set DRAW_VOID_SECONDS to 604800 or more: a beacon comes back from any trouble but its end within that.",
    ),
    (
        "E013",
        lambda: not settings.STAFF_SECOND_FACTOR,
        "Staff need no second factor.",
        "Unset STAFF_SECOND_FACTOR.",
    ),
    (
        "E021",
        lambda: bool(settings.SUPABASE_URL) and not _is_origin(settings.SUPABASE_URL),
        "SUPABASE_URL is not the https address of a project.",
        "Set SUPABASE_URL to https://PROJECT.supabase.co, or your own server's address, without a path.",
    ),
    (
        "E022",
        lambda: bool(settings.SUPABASE_URL) and not _is_public_key(settings.SUPABASE_PUBLISHABLE_KEY),
        "SUPABASE_PUBLISHABLE_KEY is missing, or is a key that nobody but Supabase's own servers should have.",
        "Set SUPABASE_PUBLISHABLE_KEY to the project's publishable key, or to its legacy anon key.",
    ),
    (
        "E023",
        lambda: _is_guessable(settings.SUPABASE_JWT_SECRET, 32, 29),
        "SUPABASE_JWT_SECRET is shorter than 32 bytes or well known: whoever has one token can find it by trying.",
        "Unset SUPABASE_JWT_SECRET if the project signs with keys of its own, else set a longer one there and here.",
    ),
    (
        "E024",
        lambda: any(map(origin_fault, settings.CORS_ALLOWED_ORIGINS)),
        "CORS_ALLOWED_ORIGINS, or FRONTEND_URL, names what is no https origin of a public host.",
        "Set both to origins like https://example.com: no path, no wildcard, not null.",
    ),
    (
        "E014",
        lambda: any(_is_guessable(key, 50, 45) for key in settings.SECRET_KEY_FALLBACKS),
        "SECRET_KEY_FALLBACKS has a key shorter than 50 characters or easy to guess; it verifies signatures.",
        "Take it out of SECRET_KEY_FALLBACKS.",
    ),
    (
        "E016",
        lambda: "_test_" in settings.STRIPE_SECRET_KEY,
        "STRIPE_SECRET_KEY is a test key: nobody would be charged.",
        "Set STRIPE_SECRET_KEY to a live key, or LUXEWIN_ENV to staging.",
    ),
    (
        "E017",
        lambda: settings.HOLD_SECONDS < 60,
        "HOLD_SECONDS is below 60.",
        "Set HOLD_SECONDS to the time that a buyer needs to pay (900 is the default).",
    ),
    (
        "E018",
        lambda: settings.MINIMUM_AGE < 18,
        "MINIMUM_AGE is below 18.",
        "Set MINIMUM_AGE to 18 or more; rules of countries can only be stricter.",
    ),
    (
        "E019",
        lambda: not settings.SECURE_SSL_REDIRECT or settings.SECURE_HSTS_SECONDS < 31_536_000,
        "Requests without TLS are served, or browsers remember TLS for less than a year.",
        "Unset SECURE_SSL_REDIRECT and SECURE_HSTS_SECONDS.",
    ),
    (
        "E020",
        lambda: not settings.MAIL_PROVIDER and _mail_is_in_clear(**settings.MAILERS["default"]["OPTIONS"]),
        "EMAIL_URL has a password, or a server elsewhere, and no TLS.",
        "Set EMAIL_URL to smtp+tls://USER:PASSWORD@HOST:587.",
    ),
    (
        "E025",
        lambda: any(map(origin_fault, settings.CSRF_TRUSTED_ORIGINS)),
        "CSRF_TRUSTED_ORIGINS, or FRONTEND_URL, names what is no https origin of a public host.",
        "Set both to origins like https://example.com: no path, no wildcard.",
    ),
    (
        "E027",
        lambda: any(url and url_fault(url) for url in (settings.BREACHED_PASSWORDS_URL, settings.CHAIN_EXPLORER_URL)),
        "BREACHED_PASSWORDS_URL or CHAIN_EXPLORER_URL is not the https address of a public host.",
        "Set them to https addresses without user and query, or unset them.",
    ),
    (
        "E028",
        lambda: not _is_whole_beacon(),
        "BEACON_CHAIN_HASH, BEACON_PUBLIC_KEY, BEACON_GENESIS_TIME and BEACON_PERIOD do not describe a beacon.",
        "Set all four as the beacon's /info has them, or none for drand's quicknet.",
    ),
    (
        "E029",
        lambda: not re.fullmatch(r"(0x[0-9a-fA-F]{40})?", settings.CHAIN_CONTRACT),
        "CHAIN_CONTRACT is no address of a contract.",
        "Set CHAIN_CONTRACT to 0x and 40 hexadecimal digits, or unset it.",
    ),
    (
        "E030",
        lambda: settings.CHAIN_FINAL_BLOCKS < settings.CHAIN_CONFIRMATIONS,
        "CHAIN_FINAL_BLOCKS is below CHAIN_CONFIRMATIONS.",
        "Set CHAIN_FINAL_BLOCKS to the larger number: reorganisations are looked for until then.",
    ),
    (
        "E031",
        lambda: not _is_pair(settings.STRIPE_PUBLIC_KEY, settings.STRIPE_SECRET_KEY),
        "STRIPE_PUBLISHABLE_KEY is no publishable key, or one of another mode than STRIPE_SECRET_KEY.",
        "Set STRIPE_PUBLISHABLE_KEY to pk_live_… (pk_test_… in staging), or unset it.",
    ),
    (
        "E032",
        lambda: bool(public_host_fault(parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2])),
        "DEFAULT_FROM_EMAIL is no address.",
        SET_SENDER,
    ),
    (
        "E033",
        lambda: (
            bool(settings.ALLOWED_HOSTS)
            and _host(settings.PUBLIC_URL) not in {"", *map(str.lower, settings.ALLOWED_HOSTS)}
        ),
        "PUBLIC_URL's host is not among ALLOWED_HOSTS: every link in a mail would be refused.",
        "Add it to ALLOWED_HOSTS.",
    ),
    (
        "E034",
        lambda: not all(map(_is_private_or_https, [*settings.CHAIN_RPC_URLS, *settings.BEACON_URLS])),
        "CHAIN_RPC_URL or BEACON_URLS has an address without TLS on the public internet, or with a user name.",
        "Set them to https addresses; http is for hosts of your own network.",
    ),
    (
        "E035",
        lambda: settings.TRUSTED_PROXIES < 0 or settings.WORKERS < 1,
        "TRUSTED_PROXIES is negative, or WORKERS is below 1.",
        "Set TRUSTED_PROXIES to the number of proxies in front, WORKERS to 1 or more.",
    ),
    (
        "E039",
        lambda: (
            bool(settings.METRICS_TOKEN) and (len(settings.METRICS_TOKEN) < 32 or is_weak(settings.METRICS_TOKEN, 20))
        ),
        "METRICS_TOKEN can be guessed.",
        "Set METRICS_TOKEN to 32 or more random characters, or unset it.",
    ),
    (
        "E041",
        lambda: bool(settings.NOVU_SECRET_KEY) and not _is_private_or_https(settings.NOVU_API_URL),
        "NOVU_API_URL is an address without TLS on the public internet, or has a user name.",
        "Set NOVU_API_URL to https://api.novu.co, https://eu.api.novu.co, or your own server's address.",
    ),
    (
        "E042",
        lambda: bool(settings.MAIL_WEBHOOK_SECRET) and not re.fullmatch(r"[^:]+:.{24,}", settings.MAIL_WEBHOOK_SECRET),
        "MAIL_WEBHOOK_SECRET is no name and password of 24 or more characters.",
        "Set MAIL_WEBHOOK_SECRET to NAME:PASSWORD, with a random password.",
    ),
]
# Stand-ins and test keys, which staging may use.
STAGING_ALLOWS = {"E008", "E016", "E034"}
# Variables of the project outside its settings: of the embedded parts, tests and measurements.
OTHERS = {
    "LUXEWIN_ENV",
    "LUXEWIN_STATE",
    "LUXEWIN_STAFF_PASSWORD",
    "LUXEWIN_BROWSER",
    "LUXEWIN_PGBOUNCER",
    "LUXEWIN_SCREENSHOTS",
    "LUXEWIN_EXAMPLES",
    "LUXEWIN_RACES",
}
PREFIXES = (
    "LUXEWIN_",
    "CHAIN_",
    "BEACON_",
    "DRAW_",
    "STRIPE_",
    "SUPABASE_",
    "JWT_",
    "RATELIMIT_",
    "SECURE_",
    "CSRF_",
    "CORS_",
    "NOVU_",
)
# Variables that Kubernetes and Docker set for a service of that name.
SERVICES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?)")


def _is_guessable(secret: str, length: int, digits: int) -> bool:
    """Whether a set secret is shorter than so many bytes, or weak."""
    return bool(secret) and (len(secret.encode()) < length or is_weak(secret, digits))


def _mail_is_in_clear(**options: Any) -> bool:
    is_encrypted = options["use_tls"] or options["use_ssl"]
    return not is_encrypted and (bool(options["password"]) or not is_private_host(options["host"]))


def _is_whole_beacon() -> bool:
    """Whether the four variables are all unset, or all set and of the right form."""
    numbers = (settings.BEACON_GENESIS_TIME, settings.BEACON_PERIOD)
    if not settings.BEACON_CHAIN_HASH:
        return not (settings.BEACON_PUBLIC_KEY or any(numbers))
    forms = ((64, settings.BEACON_CHAIN_HASH), (192, settings.BEACON_PUBLIC_KEY))
    return all(re.fullmatch(rf"[0-9a-fA-F]{{{size}}}", text) for size, text in forms) and min(numbers) > 0


def _host(url: str) -> str:
    """Return the host of a URL; empty if it cannot be parsed."""
    parts = split(url)
    return "" if isinstance(parts, str) else parts.hostname or ""


def _is_pair(publishable: str, secret: str) -> bool:
    mode = "live" if "_live_" in secret else "test"
    return not (publishable and secret) or bool(re.fullmatch(rf"pk_{mode}_[A-Za-z0-9]+", publishable))


def _is_private_or_https(url: str) -> bool:
    """Whether it uses TLS, or stays inside our own network. Path and query may be anything: some hold a key."""
    parts = split(url)
    if isinstance(parts, str):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_private_host(parts.hostname or ""))


def _is_origin(url: str) -> bool:
    """Whether it is only https, a host and perhaps a port."""
    parts = split(url)
    return not isinstance(parts, str) and url == f"https://{parts.netloc}".lower()


def _is_public_key(key: str) -> bool:
    """Whether the key may be public: legacy keys are tokens that name their role."""
    try:
        # nosemgrep: tokens-by-accounts (nobody is let in by it)
        return jwt.decode(key, options={"verify_signature": False}).get("role") == "anon"
    except jwt.PyJWTError:
        return bool(key) and not key.startswith("sb_secret_")


@register(Tags.security)
def environment_is_readable(**kwargs: Any) -> list[CheckMessage]:
    """Report unreadable variables; warn of unknown names, and of secret files that everybody can read."""
    env = settings.ENVIRONMENT
    hint = "See .env.example. Until it is right, no process starts."
    return [
        *(Error(fault, hint=hint, id="luxewin.E026") for fault in env.faults),
        *(Warning(text, hint=hint, id="luxewin.W001") for text, hint in _misspelt(os.environ, env.names)),
        *(
            Warning(f"{name}: every user of this machine can read {path}.", hint="chmod 600 it.", id="luxewin.W002")
            for name, path in env.files.items()
            if is_open_to_all(path)
        ),
    ]


def _misspelt(variables: Iterable[str], read: set[str]) -> list[tuple[str, str]]:
    """Return variables that look like ours and that nothing reads, each with the likely name."""
    known = sorted(read | OTHERS)
    found = []
    for name in sorted(set(variables) - set(known)):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if (close or name.startswith(PREFIXES)) and not SERVICES.fullmatch(name):
            found.append(
                (f"Nothing reads {name}.", f"{close[0]} is read." if close else "Unset it, or see .env.example.")
            )
    return found


@register(Tags.security)
def production_is_safe(**kwargs: Any) -> list[CheckMessage]:
    """Report all unsafe values at once; none in development."""
    if settings.LUXEWIN_ENV == DEVELOPMENT:
        return []
    allowed = STAGING_ALLOWS if settings.LUXEWIN_ENV == STAGING else set()
    faults = [
        Error(message, hint=hint, id=f"luxewin.{number}")
        for number, unsafe, message, hint in _RULES
        if number not in allowed and unsafe()
    ]
    return [*faults, *_signing_keys("JWT_SIGNING_KEYS", "E002"), *_receipt_keys()]


@register(Tags.security, deploy=True)
def people_can_answer(**kwargs: Any) -> list[CheckMessage]:
    """Check, with `check --deploy`, the sender of mails and the address for support."""
    if settings.LUXEWIN_ENV == DEVELOPMENT:
        return []
    found: list[CheckMessage] = []
    if "DEFAULT_FROM_EMAIL" not in os.environ:
        said = f"DEFAULT_FROM_EMAIL is not set: mails come from {settings.DEFAULT_FROM_EMAIL}, which nobody owns."
        found.append(Warning(said, hint=SET_SENDER, id="luxewin.W003"))
    if public_host_fault(parseaddr(settings.SUPPORT_EMAIL)[1].partition("@")[2]):
        said = "SUPPORT_EMAIL is no address: mails and pages that tell people to write to us do not say where."
        found.append(
            Warning(said, hint="Set SUPPORT_EMAIL to support@example.com, a mailbox of yours.", id="luxewin.W004")
        )
    return found


@register(Tags.security, deploy=True)
def threads_are_divided(**kwargs: Any) -> list[CheckMessage]:
    """Check that no kind of requests can take the threads or the connections of all others (luxewin.server.lanes)."""
    kinds = (settings.READS_AT_ONCE, settings.CHECKOUT_AT_ONCE, settings.SETTLEMENT_AT_ONCE, settings.STAFF_AT_ONCE)
    found: list[CheckMessage] = []
    if (total := sum(kinds) + HEALTH_AT_ONCE) > settings.WEB_THREADS:
        said = f"READS_, CHECKOUT_, SETTLEMENT_, STAFF_AT_ONCE and {HEALTH_AT_ONCE} are {total}, more than WEB_THREADS."
        found.append(Warning(said, hint="Lower them, or start `serve` with more --threads.", id="luxewin.W006"))
    if settings.READS_AT_ONCE >= settings.DATABASE_POOL_SIZE:
        said = "READS_AT_ONCE is not below DATABASE_POOL_SIZE: readers can take every connection."
        found.append(Warning(said, hint="Lower it, or raise DATABASE_POOL_SIZE.", id="luxewin.W007"))
    return found


def _signing_keys(name: str, number: str, option: str = "") -> list[CheckMessage]:
    hint = f"Set {name}, or the file of {name}_FILE, to what `manage.py rotate_keys{option}` makes."
    try:
        keys = parse(getattr(settings, name)).keys
    except KeysUnreadable as error:
        return [Error(f"{name}: {error}", hint=hint, id=f"luxewin.{number}")]
    if any(key.public.public_bytes_raw().hex() in PUBLISHED_KEYS for key in keys):
        return [Error(f"{name} has a key that a standard prints.", hint=hint, id=f"luxewin.{number}")]
    return []


def _receipt_keys() -> list[CheckMessage]:
    if found := _signing_keys("RECEIPT_KEYS", "E036", " --receipts"):
        return found
    with suppress(KeysUnreadable):
        kids = {key.kid for key in parse(settings.JWT_SIGNING_KEYS).keys}
        if any(key.kid in kids for key in parse(settings.RECEIPT_KEYS).keys):
            hint = "Set RECEIPT_KEYS to keys of their own: `manage.py rotate_keys --receipts` makes them."
            return [Error("RECEIPT_KEYS and JWT_SIGNING_KEYS share a key.", hint=hint, id="luxewin.E036")]
    return []


def refuse_unsafe_settings() -> None:
    """Exit with one line for each unsafe value. For web processes, which run no system checks."""
    found = [*environment_is_readable(), *production_is_safe()]
    if any(isinstance(fault, Error) for fault in found):
        lines = "\n".join(f"{fault.id}: {fault.msg} {fault.hint}" for fault in found)
        sys.exit(f"This process refuses to start ({settings.LUXEWIN_ENV}).\n{lines}")
