"""Manifest of a draw: what is promised before the first sale, in one canonical form. Independent of Django."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeGuard
from uuid import UUID

import rfc8785

from luxewin.draw_bounds import DEVELOPMENT_CHAIN, MAX_PICKS, MIN_CLAIM, MIN_DELAY, MIN_VOID_DELAY, YEAR

PROTOCOL = "luxewin/draw/v2"

MOST_BYTES = 1 << 20  # far above any real manifest, low enough that a hostile one costs little
MOST_INTEGER = 2**53 - 1  # the largest that RFC 8785 carries

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_CURRENCY = re.compile("[a-z]{3}")
_ADDRESS = re.compile("0x[0-9a-f]{40}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class ManifestError(ValueError):
    """The manifest is not canonical or not well formed. `faults` names every fault found."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(self.faults))


@dataclass(frozen=True, slots=True)
class Prize:
    """A prize as it is promised; amounts in minor units of the raffle's currency, None where none is promised."""

    name: str
    value: int | None = None
    cash_alternative: int | None = None


@dataclass(frozen=True, slots=True)
class FreeRoute:
    """How to take part without paying, and until when (aware)."""

    instructions: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Anchor:
    """The contract that records the draw."""

    chain_id: int
    contract: str


def build(  # noqa: PLR0913 (one argument for each promise of the protocol)
    *,
    operator: str,
    raffle: UUID,
    sequence: int,
    title: str,
    prizes: Sequence[Prize],
    alternates: int,
    ticket_price: int,
    currency: str,
    capacity: int,
    max_per_person: int,
    min_tickets: int,
    opens_at: datetime,
    closes_at: datetime,
    conditions: str,
    free_route: FreeRoute | None,
    claim_seconds: int,
    delay_seconds: int,
    commit_within_seconds: int,
    void_after_seconds: int,
    beacon: Mapping[str, Any],
    anchor: Anchor | None,
    receipt_key: str,
) -> dict[str, Any]:
    """Build the manifest of these terms: prizes in order; price in minor units; times aware, in whole seconds.

    `beacon` is what `Beacon.as_manifest()` returns. Raises ManifestError if the terms contradict each other.
    """
    manifest = {
        "protocol": PROTOCOL,
        "operator": operator,
        "raffle": str(raffle),
        "sequence": sequence,
        "title": title,
        "prizes": [
            {"position": position, "name": prize.name, "value": prize.value, "cash_alternative": prize.cash_alternative}
            for position, prize in enumerate(prizes, start=1)
        ],
        "alternates": alternates,
        "ticket_price": ticket_price,
        "currency": currency.lower(),
        "capacity": capacity,
        "max_per_person": max_per_person,
        "min_tickets": min_tickets,
        "opens_at": _utc(opens_at),
        "closes_at": _utc(closes_at),
        "conditions": conditions,
        "free_route": free_route and {"instructions": free_route.instructions, "until": _utc(free_route.until)},
        "claim_seconds": claim_seconds,
        "delay_seconds": delay_seconds,
        "commit_within_seconds": commit_within_seconds,
        "void_after_seconds": void_after_seconds,
        "beacon": dict(beacon),
        "anchor": anchor and {"chain_id": anchor.chain_id, "contract": anchor.contract.lower()},
        "receipt_key": receipt_key,
    }
    if faults := list(_faults(manifest)):
        raise ManifestError(faults)
    return manifest


def canonical(manifest: Mapping[str, Any]) -> bytes:
    """Return the RFC 8785 form, as UTF-8. Raises ManifestError if there is none."""
    try:
        return rfc8785.dumps(dict(manifest))
    except (ValueError, RecursionError) as error:
        raise ManifestError([f"has no canonical form: {error}"]) from error


def manifest_hash(canonical: bytes) -> bytes:
    return sha256(canonical).digest()


def parse(text: str | bytes) -> dict[str, Any]:
    """Parse a text that is a manifest in exactly its canonical form. Raises ManifestError with every fault."""
    if len(text) > MOST_BYTES:
        raise ManifestError([f"is longer than {MOST_BYTES} bytes"])
    try:
        raw = text.encode() if isinstance(text, str) else text
        manifest = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ManifestError([f"is not JSON in UTF-8: {error}"]) from error
    if not isinstance(manifest, dict):
        raise ManifestError(["is not a JSON object"])
    faults = list(_faults(manifest))
    try:
        if canonical(manifest) != raw:
            faults.append("is not in canonical form (RFC 8785)")
    except ManifestError as error:
        faults += error.faults
    if faults:
        raise ManifestError(faults)
    return manifest


def _utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ManifestError([f"{moment} has no time zone"])
    if moment.microsecond:
        raise ManifestError([f"{moment} is no whole second"])
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _faults(manifest: dict[str, Any]) -> Iterator[str]:
    yield from _field_faults(manifest, _FIELDS, "")
    if isinstance(prizes := manifest.get("prizes"), list):
        yield from _prize_faults(prizes)
    for name, fields in (("beacon", _BEACON_FIELDS), ("anchor", _ANCHOR_FIELDS), ("free_route", _FREE_ROUTE_FIELDS)):
        if isinstance(part := manifest.get(name), dict):
            yield from _field_faults(part, fields, f"{name}.")
    yield from _contradictions(manifest)


def _field_faults(mapping: dict[str, Any], fields: Mapping[str, "_Rule"], prefix: str) -> Iterator[str]:
    for name, (wanted, holds) in fields.items():
        if name not in mapping:
            yield f"{prefix}{name} is missing"
        elif not holds(mapping[name]):
            yield f"{prefix}{name} is not {wanted}"
    for name in sorted(mapping.keys() - fields.keys()):
        yield f"{prefix}{name} is not known"


def _prize_faults(prizes: list[Any]) -> Iterator[str]:
    for position, prize in enumerate(prizes, start=1):
        if not isinstance(prize, dict):
            yield f"prizes.{position} is not an object"
            continue
        yield from _field_faults(prize, _PRIZE_FIELDS, f"prizes.{position}.")
        if _is_integer(prize.get("position"), 1) and prize["position"] != position:
            yield f"prizes.{position}.position is {prize['position']}"


def _contradictions(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield faults between fields; skip fields that are faulty themselves."""
    yield from _time_contradictions(manifest)
    capacity, prizes = manifest.get("capacity"), manifest.get("prizes")
    if _is_integer(capacity, 1):
        for name, least in (("min_tickets", 0), ("max_per_person", 1)):
            if _is_integer(value := manifest.get(name), least) and value > capacity:
                yield f"{name} is more than capacity"
        if isinstance(prizes, list) and len(prizes) > capacity:
            yield f"prizes are {len(prizes)}, more than capacity"
    alternates = manifest.get("alternates")
    if isinstance(prizes, list) and _is_integer(alternates, 0) and len(prizes) + alternates > MAX_PICKS:
        yield f"alternates and prizes together are more than {MAX_PICKS}, which is all that one draw can pick"
    yield from _span_contradictions(manifest)


def _time_contradictions(manifest: dict[str, Any]) -> Iterator[str]:
    opens_at, closes_at = _moment(manifest.get("opens_at")), _moment(manifest.get("closes_at"))
    if opens_at and closes_at and closes_at <= opens_at:
        yield "closes_at is not after opens_at"
    free_route = manifest.get("free_route")
    until = _moment(free_route.get("until")) if isinstance(free_route, dict) else None
    if until and opens_at and until <= opens_at:
        yield "free_route.until is not after opens_at"
    if until and closes_at and until > closes_at:
        yield "free_route.until is after closes_at"


def _span_contradictions(manifest: dict[str, Any]) -> Iterator[str]:
    beacon, anchor, delay = manifest.get("beacon"), manifest.get("anchor"), manifest.get("delay_seconds")
    period = beacon.get("period") if isinstance(beacon, dict) else None
    if _is_integer(period, 1) and _is_integer(delay, 0) and delay < period:
        yield "delay_seconds is less than the beacon's period"
    if isinstance(anchor, dict) and anchor.get("chain_id") == DEVELOPMENT_CHAIN:
        return
    for name, least in (("delay_seconds", MIN_DELAY), ("void_after_seconds", MIN_VOID_DELAY)):
        if _is_integer(span := manifest.get(name), 0) and span < least:
            yield f"{name} is less than {least}"


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        # Not `fromisoformat`, for which some versions of Python have an hour 24.
        moment = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if moment.year >= 1970 else None


def _is_integer(value: object, least: int) -> TypeGuard[int]:
    # bool is an int in Python, but `true` is no number in JSON
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST_INTEGER


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_hex(length: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and len(value) == 2 * length and bool(_HEX.fullmatch(value))


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _is_span(least: int) -> "_Rule":
    return f"an integer from {least} to {YEAR}", lambda value: _is_integer(value, least) and value <= YEAR


def _or_null(rule: "_Rule") -> "_Rule":
    wanted, holds = rule
    return f"{wanted} or null", lambda value: value is None or holds(value)


type _Rule = tuple[str, Callable[[Any], bool]]

_COUNT: _Rule = ("an integer of at least 1", lambda value: _is_integer(value, 1))
_AMOUNT: _Rule = ("an integer of at least 0", lambda value: _is_integer(value, 0))
_TEXT: _Rule = ("a text", _is_text)
_ANY_TEXT: _Rule = ("a text", lambda value: isinstance(value, str))
_MOMENT: _Rule = ("a UTC time of whole seconds, ending in Z", lambda value: _moment(value) is not None)
_OBJECT: _Rule = ("an object", lambda value: isinstance(value, dict))

_FIELDS: dict[str, _Rule] = {
    "protocol": (f'"{PROTOCOL}"', lambda value: value == PROTOCOL),
    "operator": _TEXT,
    "raffle": ("a UUID in lower case", _is_uuid),
    "sequence": _COUNT,
    "title": _TEXT,
    "prizes": ("a list of at least one prize", lambda value: isinstance(value, list) and bool(value)),
    "alternates": _AMOUNT,
    "ticket_price": _AMOUNT,
    "currency": (
        "an ISO 4217 code in lower case",
        lambda value: isinstance(value, str) and bool(_CURRENCY.fullmatch(value)),
    ),
    "capacity": _COUNT,
    "max_per_person": _COUNT,
    "min_tickets": _AMOUNT,
    "opens_at": _MOMENT,
    "closes_at": _MOMENT,
    "conditions": _ANY_TEXT,
    "free_route": _or_null(_OBJECT),
    "claim_seconds": _is_span(MIN_CLAIM),
    "delay_seconds": _is_span(1),
    "commit_within_seconds": _is_span(1),
    "void_after_seconds": _is_span(1),
    "beacon": _OBJECT,
    "anchor": _or_null(_OBJECT),
    "receipt_key": ("32 bytes in lower-case hex", _is_hex(32)),
}
_PRIZE_FIELDS: dict[str, _Rule] = {
    "position": _COUNT,
    "name": _TEXT,
    "value": _or_null(_AMOUNT),
    "cash_alternative": _or_null(_AMOUNT),
}
_FREE_ROUTE_FIELDS: dict[str, _Rule] = {"instructions": _TEXT, "until": _MOMENT}
_ANCHOR_FIELDS: dict[str, _Rule] = {
    "chain_id": _COUNT,
    "contract": (
        "an address in lower-case hex after 0x",
        lambda value: isinstance(value, str) and bool(_ADDRESS.fullmatch(value)),
    ),
}
_BEACON_FIELDS: dict[str, _Rule] = {
    "chain_hash": ("32 bytes in lower-case hex", _is_hex(32)),
    "public_key": ("96 bytes in lower-case hex", _is_hex(96)),
    "genesis_time": _COUNT,
    "period": _COUNT,
    "scheme": _TEXT,
}
