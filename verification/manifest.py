"""Manifest of a draw: what is promised before the first sale, in one canonical form. Independent of Django."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeGuard
from uuid import UUID

import rfc8785

PROTOCOL = "luxewin/draw/v1"

MOST_BYTES = 1 << 20  # far above any real manifest, low enough that a hostile one costs little
_MOST = 2**53 - 1  # the largest integer RFC 8785 carries

_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_CURRENCY = re.compile("[A-Za-z]{3}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


class ManifestError(ValueError):
    """The manifest is not canonical or not well formed. `faults` names every fault found."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(self.faults))


def build(  # noqa: PLR0913 (one argument for each promise of the protocol)
    *,
    raffle: UUID,
    title: str,
    prizes: Sequence[str],
    alternates: int,
    ticket_price: int,
    currency: str,
    capacity: int,
    max_per_person: int,
    min_tickets: int,
    opens_at: datetime,
    closes_at: datetime,
    delay_seconds: int,
    beacon: Mapping[str, Any],
    sequence: int,
) -> dict[str, Any]:
    """Build the manifest of these terms: prizes by name, in order; price in minor units; times aware.

    `beacon` is what `Beacon.as_manifest()` returns. Raises ManifestError if the terms contradict each other.
    """
    manifest = {
        "protocol": PROTOCOL,
        "raffle": str(raffle),
        "title": title,
        "prizes": [{"position": position, "name": name} for position, name in enumerate(prizes, start=1)],
        "alternates": alternates,
        "ticket_price": ticket_price,
        "currency": currency,
        "capacity": capacity,
        "max_per_person": max_per_person,
        "min_tickets": min_tickets,
        "opens_at": _utc(opens_at),
        "closes_at": _utc(closes_at),
        "delay_seconds": delay_seconds,
        "beacon": dict(beacon),
        "sequence": sequence,
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
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _faults(manifest: dict[str, Any]) -> Iterator[str]:
    yield from _field_faults(manifest, _FIELDS, "")
    prizes, beacon = manifest.get("prizes"), manifest.get("beacon")
    if isinstance(prizes, list):
        yield from _prize_faults(prizes)
    if isinstance(beacon, dict):
        yield from _field_faults(beacon, _BEACON_FIELDS, "beacon.")
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
    opens_at, closes_at = _moment(manifest.get("opens_at")), _moment(manifest.get("closes_at"))
    if opens_at and closes_at and closes_at <= opens_at:
        yield "closes_at is not after opens_at"
    capacity, min_tickets = manifest.get("capacity"), manifest.get("min_tickets")
    if _is_integer(capacity, 1) and _is_integer(min_tickets, 0) and min_tickets > capacity:
        yield "min_tickets is more than capacity"
    beacon, delay = manifest.get("beacon"), manifest.get("delay_seconds")
    period = beacon.get("period") if isinstance(beacon, dict) else None
    if _is_integer(period, 1) and _is_integer(delay, 1) and delay < period:
        yield "delay_seconds is less than the beacon's period"


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _is_integer(value: object, least: int) -> TypeGuard[int]:
    # bool is an int in Python, but `true` is no number in JSON
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_hex(length: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and len(value) == 2 * length and bool(_HEX.fullmatch(value))


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


type _Rule = tuple[str, Callable[[Any], bool]]

_COUNT: _Rule = ("an integer of at least 1", lambda value: _is_integer(value, 1))
_AMOUNT: _Rule = ("an integer of at least 0", lambda value: _is_integer(value, 0))
_TEXT: _Rule = ("a text", _is_text)
_MOMENT: _Rule = ("an RFC 3339 time in UTC, ending in Z", lambda value: _moment(value) is not None)

_FIELDS: dict[str, _Rule] = {
    "protocol": (f'"{PROTOCOL}"', lambda value: value == PROTOCOL),
    "raffle": ("a UUID in lower case", _is_uuid),
    "title": _TEXT,
    "prizes": ("a list of at least one prize", lambda value: isinstance(value, list) and bool(value)),
    "alternates": _AMOUNT,
    "ticket_price": _AMOUNT,
    "currency": ("an ISO 4217 code", lambda value: isinstance(value, str) and bool(_CURRENCY.fullmatch(value))),
    "capacity": _COUNT,
    "max_per_person": _COUNT,
    "min_tickets": _AMOUNT,
    "opens_at": _MOMENT,
    "closes_at": _MOMENT,
    "delay_seconds": _COUNT,
    "beacon": ("an object", lambda value: isinstance(value, dict)),
    "sequence": _COUNT,
}
_PRIZE_FIELDS: dict[str, _Rule] = {"position": _COUNT, "name": _TEXT}
_BEACON_FIELDS: dict[str, _Rule] = {
    "chain_hash": ("32 bytes in lower-case hex", _is_hex(32)),
    "public_key": ("96 bytes in lower-case hex", _is_hex(96)),
    "genesis_time": _COUNT,
    "period": _COUNT,
    "scheme": _TEXT,
}
