"""The manifest: one form to the byte, and every fault named at once."""

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

import pytest
import rfc8785

from verification.beacon import QUICKNET
from verification.manifest import Anchor, FreeRoute, ManifestError, Prize, build, canonical, manifest_hash, parse

pytestmark = pytest.mark.usefixtures("least_delays")

TERMS = {
    "operator": "LuxeWin Ltd",
    "raffle": UUID("0199a0c4-7e1d-7c3a-9d8e-5b1f0c2a7e44"),
    "title": "Datejust 41 „Wimbledon“",
    "prizes": [Prize("Watch", 950_000, 900_000), Prize("Strap")],
    "alternates": 3,
    "ticket_price": 2500,
    "currency": "eur",
    "capacity": 1000,
    "max_per_person": 10,
    "min_tickets": 100,
    "opens_at": datetime(2026, 12, 1, 10, tzinfo=UTC),
    "closes_at": datetime(2026, 12, 24, 18, 30, tzinfo=timezone(timedelta(hours=1))),
    "conditions": "Adults only.",
    "free_route": FreeRoute("Write to us.", datetime(2026, 12, 20, tzinfo=UTC)),
    "claim_seconds": 1_209_600,
    "delay_seconds": 900,
    "commit_within_seconds": 604_800,
    "void_after_seconds": 604_800,
    "beacon": QUICKNET.as_manifest(),
    "anchor": Anchor(1, "0x" + "ab" * 20),
    "receipt_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "sequence": 7,
}

PRIZE = {"position": 1, "name": "Watch", "value": None, "cash_alternative": None}


def faults_of(text: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse(text)
    return caught.value.faults


def with_change(**changes: object) -> bytes:
    return rfc8785.dumps({**build(**TERMS), **changes})


def test_a_built_manifest_is_parsed_to_itself() -> None:
    manifest = build(**TERMS)
    assert parse(canonical(manifest)) == parse(canonical(manifest).decode()) == manifest


def test_a_manifest_has_the_protocol_s_fields_and_no_others() -> None:
    manifest = build(**TERMS)
    assert set(manifest) == {*TERMS, "protocol"}
    assert manifest["protocol"] == "luxewin/draw/v2"
    assert manifest["prizes"] == [
        {"position": 1, "name": "Watch", "value": 950_000, "cash_alternative": 900_000},
        {"position": 2, "name": "Strap", "value": None, "cash_alternative": None},
    ]
    assert manifest["free_route"] == {"instructions": "Write to us.", "until": "2026-12-20T00:00:00Z"}
    assert manifest["anchor"] == {"chain_id": 1, "contract": "0x" + "ab" * 20}


def test_times_are_written_in_utc_with_z() -> None:
    manifest = build(**TERMS)
    assert (manifest["opens_at"], manifest["closes_at"]) == ("2026-12-01T10:00:00Z", "2026-12-24T17:30:00Z")


def test_the_canonical_form_is_sorted_compact_and_utf_8() -> None:
    text = canonical(build(**TERMS))
    # A hash of this very manifest, computed once: whoever changes a name, an order or a form sees it here.
    assert manifest_hash(text).hex() == "c0cfb30647ecaf329223dff8ace69f401f7420313f3354ddd78a802023ee2b02"
    assert text.startswith(b'{"alternates":3,"anchor":{"chain_id":1,"contract":"0xabab')
    assert "„Wimbledon“".encode() in text
    assert manifest_hash(text) == sha256(text).digest()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ManifestError, match="no time zone"):
        build(**{**TERMS, "opens_at": datetime(2026, 12, 1)})  # noqa: DTZ001 (what is tested)


def test_a_time_with_a_fraction_of_a_second_is_refused() -> None:
    with pytest.raises(ManifestError, match="no whole second"):
        build(**{**TERMS, "opens_at": datetime(2026, 12, 1, microsecond=1, tzinfo=UTC)})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"title": "  "}, "title is not a text"),
        ({"prizes": []}, "prizes is not a list of at least one prize"),
        ({"alternates": -1}, "alternates is not an integer of at least 0"),
        ({"ticket_price": 2**53}, "ticket_price is not an integer of at least 0"),
        ({"capacity": True}, "capacity is not an integer of at least 1"),
        ({"currency": "euro"}, "currency is not an ISO 4217 code in lower case"),
        ({"sequence": 0}, "sequence is not an integer of at least 1"),
        ({"min_tickets": 1001}, "min_tickets is more than capacity"),
        ({"max_per_person": 1001}, "max_per_person is more than capacity"),
        (
            {"prizes": [Prize("Pen")] * 3, "capacity": 2, "max_per_person": 2, "min_tickets": 2},
            "prizes are 3, more than capacity",
        ),
        ({"alternates": 99}, "alternates and prizes together are more than 100, which is all that one draw can pick"),
        (
            {"free_route": FreeRoute("x", datetime(2026, 12, 1, 10, tzinfo=UTC))},
            "free_route.until is not after opens_at",
        ),
        ({"free_route": FreeRoute("x", datetime(2026, 12, 25, tzinfo=UTC))}, "free_route.until is after closes_at"),
        ({"free_route": FreeRoute(" ", datetime(2026, 12, 20, tzinfo=UTC))}, "free_route.instructions is not a text"),
        ({"claim_seconds": 86_399}, "claim_seconds is not an integer from 86400 to 31536000"),
        ({"commit_within_seconds": 31_536_001}, "commit_within_seconds is not an integer from 1 to 31536000"),
        ({"delay_seconds": 599}, "delay_seconds is less than 600"),
        ({"void_after_seconds": 604_799}, "void_after_seconds is less than 604800"),
        ({"anchor": None, "delay_seconds": 599}, "delay_seconds is less than 600"),
        ({"anchor": Anchor(1, "0xab")}, "anchor.contract is not an address in lower-case hex after 0x"),
        ({"receipt_key": "ab"}, "receipt_key is not 32 bytes in lower-case hex"),
        ({"operator": ""}, "operator is not a text"),
        ({"prizes": [Prize("Watch", -1)]}, "prizes.1.value is not an integer of at least 0 or null"),
        ({"closes_at": TERMS["opens_at"], "free_route": None}, "closes_at is not after opens_at"),
        (
            {"anchor": Anchor(31337, "0x" + "ab" * 20), "delay_seconds": 2},
            "delay_seconds is less than the beacon's period",
        ),
        ({"beacon": {**TERMS["beacon"], "public_key": "ab"}}, "beacon.public_key is not 96 bytes in lower-case hex"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_terms_that_contradict_the_protocol_build_no_manifest(change: dict, fault: str) -> None:
    with pytest.raises(ManifestError) as caught:
        build(**{**TERMS, **change})
    assert caught.value.faults == [fault]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"protocol": "luxewin/draw/v1"}, 'protocol is not "luxewin/draw/v2"'),
        ({"raffle": "0199A0C4-7E1D-7C3A-9D8E-5B1F0C2A7E44"}, "raffle is not a UUID in lower case"),
        ({"note": "more"}, "note is not known"),
        ({"capacity": 10.5}, "capacity is not an integer of at least 1"),
        ({"capacity": "10"}, "capacity is not an integer of at least 1"),
        ({"opens_at": "2026-12-01T10:00:00+00:00"}, "opens_at is not a UTC time of whole seconds, ending in Z"),
        ({"opens_at": "2026-13-01T10:00:00Z"}, "opens_at is not a UTC time of whole seconds, ending in Z"),
        ({"beacon": None}, "beacon is not an object"),
        ({"prizes": ["Watch"]}, "prizes.1 is not an object"),
        ({"opens_at": "2026-12-01T10:00:00.5Z"}, "opens_at is not a UTC time of whole seconds, ending in Z"),
        ({"opens_at": "2026-12-01T24:00:00Z"}, "opens_at is not a UTC time of whole seconds, ending in Z"),
        ({"opens_at": "1969-12-01T10:00:00Z"}, "opens_at is not a UTC time of whole seconds, ending in Z"),
        ({"currency": "EUR"}, "currency is not an ISO 4217 code in lower case"),
        ({"anchor": {"chain_id": 1}}, "anchor.contract is missing"),
        ({"prizes": [PRIZE | {"position": 2}]}, "prizes.1.position is 2"),
        ({"prizes": [{name: PRIZE[name] for name in PRIZE if name != "name"}]}, "prizes.1.name is missing"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_ill_formed_manifest_is_refused_with_its_fault(change: dict, fault: str) -> None:
    assert faults_of(with_change(**change)) == [fault]


def test_every_fault_is_named_at_once() -> None:
    manifest = {**build(**TERMS), "capacity": 0, "title": 5, "note": "more"}
    del manifest["sequence"]
    faults = faults_of(json.dumps(manifest))
    assert sorted(faults) == [
        "capacity is not an integer of at least 1",
        "is not in canonical form (RFC 8785)",
        "note is not known",
        "sequence is missing",
        "title is not a text",
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: b" " + text,
        lambda text: text + b"\n",
        lambda text: text.replace(b'"alternates":3', b'"alternates": 3'),
        lambda text: text.replace(b'"alternates":3', b'"alternates":1,"alternates":3'),
        lambda text: text.replace(b"Watch", b"\\u0057atch"),
        lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")).encode(),
    ],
    ids=["leading blank", "trailing newline", "inner blank", "key twice", "escape", "order"],
)
def test_the_same_manifest_in_other_bytes_is_refused(spoil) -> None:
    assert faults_of(spoil(canonical(build(**TERMS)))) == ["is not in canonical form (RFC 8785)"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"title":"\xff"}',
        b"[" * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        " " * 2**21,
        "\ud800",
    ],
    ids=["empty", "list", "null", "open", "no utf-8", "bad utf-8", "deep", "huge number", "huge", "surrogate"],
)
def test_what_is_no_manifest_at_all_is_refused(text: str | bytes) -> None:
    assert faults_of(text)


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "1e400"], ids=["lone surrogate", "NaN", "infinity"])
def test_values_without_a_canonical_form_are_refused(value: str) -> None:
    text = canonical(build(**TERMS)).decode().replace('"alternates":3', f'"alternates":{value}')
    faults = faults_of(text)
    assert "alternates is not an integer of at least 0" in faults
    assert any(fault.startswith("has no canonical form") for fault in faults)
