"""What the operator signs, in the verifier: receipts, heads and outcomes, and Ed25519 as strictly as the protocol."""

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import verifier

from .test_verifier import details, judged, names
from .verifier_draws import (
    OTHER_KEY,
    PURCHASES,
    RECEIPT_KEY,
    Draw,
    Leaf,
    development_draw,
    entries_of,
    log_of,
    public_bytes,
    to_bytes,
)

DRAW = development_draw()
LEFT_OUT = PURCHASES[1][0]
OTHER_MANIFEST = "ab" * 32


def told(draw: Draw, *receipts: dict[str, Any], **given: Any) -> verifier.Report:
    return judged(draw, receipts=[(str(n), to_bytes(each)) for n, each in enumerate(receipts)], **given)


# Receipts


def test_a_receipt_is_in() -> None:
    report = told(DRAW, DRAW.receipt(0), DRAW.receipt(0, nonce=None))
    assert report.verdict == "CONSISTENT"
    assert f"in: entry {PURCHASES[0][0]}, tickets 1 to 3" in details(report, verifier.OK)


def test_a_receipt_is_withdrawn() -> None:
    report = told(DRAW, DRAW.receipt(2))
    assert report.verdict == "CONSISTENT"
    assert f"withdrawn: entry {PURCHASES[2][0]}, tickets 14 to 19, by leaf 3" in details(report, verifier.OK)


def test_a_buyer_left_out_of_the_tree_is_proved_by_the_receipt() -> None:
    entries = [entry for entry in entries_of(DRAW.log) if entry.entry_id != LEFT_OUT]
    report = told(development_draw(made={"entries": entries}), DRAW.receipt(1))
    assert names(report) == {"entries follow from the log", "receipt '0'"}


def test_a_buyer_left_out_of_the_log_is_proved_by_the_receipt_alone() -> None:
    """The operator drops a purchase before anything else is made: only the receipt can tell."""
    short = log_of([each for each in PURCHASES if each[0] != LEFT_OUT])
    draw = development_draw(short)
    assert judged(draw).verdict == "CONSISTENT"
    report = told(draw, DRAW.receipt(1))
    assert (names(report), report.exit_code) == ({"receipt '0'"}, 1)
    assert f"left out: entry {LEFT_OUT}, tickets 4 to 13" in details(report)


@pytest.mark.parametrize("member", ["first_ticket", "count", "holder"])
def test_a_receipt_for_other_tickets_or_another_holder_is_left_out(member: str) -> None:
    value = "11" * 32 if member == "holder" else 2
    assert "left out" in details(told(DRAW, DRAW.receipt(0, **{member: value})))
    assert "left out" in details(told(DRAW, DRAW.receipt(2, **{member: value})))  # not what was withdrawn


def test_without_the_log_a_missing_entry_may_have_been_withdrawn() -> None:
    report = told(DRAW, DRAW.receipt(2), log=False)
    assert report.verdict == "CONSISTENT"
    assert "whether it was withdrawn or left out" in details(report, verifier.UNCHECKED)
    assert "in: entry" in details(told(DRAW, DRAW.receipt(0), log=False), verifier.OK)


def test_a_receipt_of_another_time_than_the_logs_is_in_with_a_doubt() -> None:
    report = told(DRAW, DRAW.receipt(0, at=DRAW.log[0].at + 1))
    assert report.verdict == "CONSISTENT"
    assert "the log's leaf has another time than the receipt" in details(report, verifier.OK)


def test_a_nonce_that_does_not_give_the_holder_is_doubted() -> None:
    report = told(DRAW, DRAW.receipt(0, nonce="11" * 32))
    assert report.verdict == "CONSISTENT"
    assert "its nonce does not give the holder" in details(report, verifier.OK)


def test_two_manifests_for_one_raffle_are_proved_by_a_receipt() -> None:
    report = told(DRAW, DRAW.receipt(0, manifest_hash=OTHER_MANIFEST))
    assert names(report) == {"receipt '0'"}
    assert f"another manifest's: {OTHER_MANIFEST} of raffle {DRAW.bundle['raffle']}, signed by this" in details(report)


def test_a_receipt_of_another_raffle_or_key_is_named_and_not_checked() -> None:
    other = "00000000-0000-4000-8000-000000000000"
    for receipt in (
        DRAW.receipt(0, manifest_hash=OTHER_MANIFEST, raffle=other),
        DRAW.receipt(0, OTHER_KEY, manifest_hash=OTHER_MANIFEST),
    ):
        report = told(DRAW, receipt)
        assert report.verdict == "CONSISTENT"
        assert f"another manifest's: {OTHER_MANIFEST}" in details(report, verifier.UNCHECKED)


@pytest.mark.parametrize("member", [*DRAW.receipt(0)])
def test_a_receipt_with_any_member_changed_after_signing_is_none(member: str) -> None:
    receipt = DRAW.receipt(0)
    old = receipt[member]
    receipt[member] = old + 1 if isinstance(old, int) else {"0": "1"}.get(old[0], "0") + old[1:]
    report = told(DRAW, receipt)
    if member in {"nonce", "manifest_hash"}:  # a nonce is not signed; of another manifest the key is not known
        assert report.verdict == "CONSISTENT"
    else:
        assert (report.verdict, report.exit_code) == ("NOT JUDGED", 2)
        assert "not a receipt" in details(report, verifier.UNUSABLE)


NO_RECEIPTS = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "cut": to_bytes(DRAW.receipt(0))[:-9],
    "a member more": to_bytes(DRAW.receipt(0) | {"note": ""}),
    "a member less": to_bytes({name: value for name, value in DRAW.receipt(0).items() if name != "at"}),
    "a member twice": b'{"at":1,' + to_bytes(DRAW.receipt(0))[1:],
    "a fraction": to_bytes(DRAW.receipt(0)).replace(b'"count": 3', b'"count": 3.0'),
    "no bytes": to_bytes(DRAW.receipt(0)).replace(b'"signature": "', b'"signature": "zz'),
    "a head": to_bytes(DRAW.head()),
}


@pytest.mark.parametrize("data", NO_RECEIPTS.values(), ids=NO_RECEIPTS)
def test_what_is_no_receipt_is_not_judged(data: bytes) -> None:
    report = judged(DRAW, receipts=[("mine", data)])
    assert (report.verdict, report.exit_code) == ("NOT JUDGED", 2)


def test_a_draw_that_fails_is_not_verified_whatever_the_receipt_is() -> None:
    broken = Draw(DRAW.bundle | {"seed": "00" * 32}, DRAW.entries, DRAW.log)
    assert judged(broken, receipts=[("mine", b"")]).verdict == "NOT VERIFIED"


# Heads


@pytest.mark.parametrize("size", range(1, 10))
def test_a_head_of_any_part_of_the_log_holds(size: int) -> None:
    report = judged(DRAW, head=to_bytes(DRAW.head(size)))
    assert report.verdict == "CONSISTENT"
    assert f"the log's first {size} leaves are those that were signed" in details(report, verifier.OK)


def test_a_head_of_another_log_proves_that_it_was_rewritten() -> None:
    before = log_of()
    before[0] = before[0]._replace(at=before[0].at + 1)
    head = Draw(DRAW.bundle, [], before).head(5)
    report = judged(DRAW, head=to_bytes(head))
    assert names(report) == {"log against the head"}
    assert "the root of the log's first 5 leaves is" in details(report)


def test_a_head_of_before_the_draw_with_more_leaves_proves_that_some_were_taken_away() -> None:
    longer = [*DRAW.log, DRAW.log[0]._replace(at=DRAW.log[0].at + 9)]
    report = judged(DRAW, head=to_bytes(Draw(DRAW.bundle, [], longer).head()))
    assert names(report) == {"log against the head"}
    assert "has 10 leaves, but log.size is 9: leaves were taken away" in details(report)


def test_a_head_of_after_the_draw_with_more_leaves_than_this_file_is_not_checked() -> None:
    longer = DRAW.with_outcomes(DRAW.claim(1, 1))
    report = judged(DRAW, head=to_bytes(longer.head()))
    assert report.verdict == "CONSISTENT"
    assert "get the log again" in details(report, verifier.UNCHECKED)


def test_a_leaf_later_than_the_head_that_holds_it_is_named() -> None:
    report = judged(DRAW, head=to_bytes(DRAW.head(5, at=DRAW.log[4].at - 1)))
    assert names(report) == {"log against the head"}
    assert f"leaf 4 has at = {DRAW.log[4].at}, later than the head's" in details(report)


@pytest.mark.parametrize("change", [{"size": 8}, {"at": 1}, {"root": "11" * 32}, {"signature": "11" * 64}], ids=str)
def test_a_head_changed_after_signing_is_none(change: dict) -> None:
    report = judged(DRAW, head=to_bytes(DRAW.head() | change))
    assert (report.verdict, report.exit_code) == ("NOT JUDGED", 2)
    assert judged(DRAW, head=to_bytes(DRAW.head(key=OTHER_KEY))).exit_code == 2


def test_a_receipt_must_be_in_every_head_that_is_60_seconds_later() -> None:
    late = DRAW.receipt(0, at=DRAW.log[0].at - 1)  # another leaf than the log's
    head = DRAW.head(at=late["at"] + 61 + 70)
    report = told(DRAW, late, head=to_bytes(head))
    assert names(report) == {"receipt '0'"}
    assert "its leaf is not in the head" in details(report)
    soon = DRAW.head(1, at=DRAW.log[0].at)
    assert told(DRAW, DRAW.receipt(4), head=to_bytes(soon)).verdict == "CONSISTENT"


# Outcomes after the draw: prizes 1 and 2, picks 3 and 4 are alternates

UNCLAIMED, CLAIM_SECONDS = "unclaimed", DRAW.manifest["claim_seconds"]
HONEST = {
    "handed over": [DRAW.claim(1, 1), DRAW.claim(2, 2)],
    "passed to the first alternate": [DRAW.forfeit(1, 1), DRAW.claim(3, 1)],
    "passed on twice": [DRAW.forfeit(1, 1), DRAW.forfeit(3, 1), DRAW.claim(4, 1)],
    "two prizes to two alternates": [DRAW.forfeit(2, 2), DRAW.forfeit(1, 1), DRAW.claim(3, 2), DRAW.claim(4, 1)],
    "an alternate leaves before being called": [DRAW.forfeit(3, 0), DRAW.forfeit(1, 1), DRAW.claim(4, 1)],
    "nobody is left": [DRAW.forfeit(n, p) for n, p in ((1, 1), (3, 1), (4, 1), (2, 2))],
    "nobody came": [DRAW.forfeit(1, 1, UNCLAIMED, after=CLAIM_SECONDS)],
    "nobody came twice": [
        DRAW.forfeit(1, 1, UNCLAIMED, after=CLAIM_SECONDS + 5),
        DRAW.forfeit(3, 1, UNCLAIMED, after=2 * CLAIM_SECONDS + 5),
    ],
    "as the round appears": [DRAW.forfeit(1, 1, after=0)],
}
OTHER_ID = "00000000-0000-4000-8000-000000000000"
BROKEN: dict[str, tuple[list[Leaf], str]] = {
    "another prize": ([DRAW.forfeit(1, 2)], "tells of prize 2, but pick 1 held 1"),
    "a prize of an alternate": ([DRAW.forfeit(3, 1)], "tells of prize 1, but pick 3 held none"),
    "no prize of a winner": ([DRAW.forfeit(1, 0)], "tells of prize 0, but pick 1 held 1"),
    "a claim by an alternate": ([DRAW.claim(3, 1)], "hands over to pick 3, who held no prize"),
    "a claim by the second alternate": ([DRAW.forfeit(1, 1), DRAW.claim(4, 1)], "but pick 4 held none"),
    "a claim after the forfeit": ([DRAW.forfeit(1, 1), DRAW.claim(1, 1)], "is a second outcome of pick 1"),
    "two claims": ([DRAW.claim(1, 1), DRAW.claim(1, 1)], "is a second outcome of pick 1"),
    "a pick 0": ([DRAW.forfeit(1, 1)._replace(a=0)], "is of pick 0, but there are 4"),
    "a pick 5": ([DRAW.forfeit(1, 1)._replace(a=5)], "is of pick 5, but there are 4"),
    "another entry": ([DRAW.forfeit(1, 1)._replace(entry_id=OTHER_ID)], f"is of entry {OTHER_ID}, expected pick 1's"),
    "before the round": ([DRAW.forfeit(1, 1, after=-1)], "before the round at"),
    "a claim with a reason": ([DRAW.claim(1, 1)._replace(x="11" * 32)], "is of kind 4 with x = 11"),
    "unclaimed too early": ([DRAW.forfeit(1, 1, UNCLAIMED, after=CLAIM_SECONDS - 1)], "says unclaimed at"),
    "unclaimed too early after being called": (
        [DRAW.forfeit(1, 1, after=50), DRAW.forfeit(3, 1, UNCLAIMED, after=CLAIM_SECONDS + 49)],
        "says unclaimed at",
    ),
    "unclaimed and never called": ([DRAW.forfeit(3, 0, UNCLAIMED, after=10**7)], "who had not been called"),
    "entered after the draw": ([DRAW.log[0]], "after the first 9 are kinds 3 and 4 only"),
}


@pytest.mark.parametrize("leaves", HONEST.values(), ids=HONEST)
def test_honest_outcomes_hold_and_are_the_operators_word_without_a_head(leaves: list[Leaf]) -> None:
    grown = DRAW.with_outcomes(*leaves)
    report = judged(grown)
    assert report.verdict == "CONSISTENT"
    assert details(report, verifier.NOTE).count("the operator's word") == len(leaves)
    signed = judged(grown, head=to_bytes(grown.head()))
    assert signed.verdict == "CONSISTENT"
    assert details(signed, verifier.NOTE).count("signed in the head") == len(leaves)


@pytest.mark.parametrize(("leaves", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_of_the_outcomes_is_named(leaves: list[Leaf], words: str) -> None:
    report = judged(DRAW.with_outcomes(*leaves))
    assert names(report) <= {"outcomes", "log rules"}
    assert words in details(report)
    assert report.exit_code == 1


def test_an_outcome_before_the_draw_or_more_of_them_than_picks_are_named() -> None:
    awaited = development_draw(made={"stage": "committed"})
    assert names(judged(awaited.with_outcomes(DRAW.claim(1, 1)))) == {"log file"}
    many = DRAW.with_outcomes(*[DRAW.claim(1, 1)] * 5)
    assert "more lines than the 13" in details(judged(many))


# Ed25519

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
# RFC 8032, section 7.1: secret key, message; what the wheel signs is compared with the RFC's first signature.
RFC8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", ""),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82"),
]
PUBLISHED = [
    (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe2465"
        "5141438e7a100b"
    ),
    (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb0"
        "0d291612bb0c00"
    ),
    (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc0"
        "27beceea1ec40a"
    ),
]
IDENTITY = (1).to_bytes(32, "little")
SMALL = [
    IDENTITY.hex(),  # order 1
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # order 2
    "0000000000000000000000000000000000000000000000000000000000000000",  # order 4
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  # order 8
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NOT_CANONICAL = [
    (P + 1).to_bytes(32, "little").hex(),  # y = 1 again
    P.to_bytes(32, "little").hex(),
    (1 + 2**255).to_bytes(32, "little").hex(),  # x = 0 with a sign
    (P - 1 + 2**255).to_bytes(32, "little").hex(),
    "ff" * 32,
    (2).to_bytes(32, "little").hex(),  # no point has this y
]


@pytest.mark.parametrize(("secret", "message", "signature"), [(*a, b) for a, b in zip(RFC8032, PUBLISHED, strict=True)])
def test_the_signatures_of_rfc_8032_are_valid(secret: str, message: str, signature: str) -> None:
    key = public_bytes(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    raw, text = bytes.fromhex(signature), bytes.fromhex(message)
    assert verifier.is_signed(key, raw, text)
    assert not verifier.is_signed(key, raw, text + b"!")
    for place in (0, 31, 32, 63):
        changed = bytearray(raw)
        changed[place] ^= 1
        assert not verifier.is_signed(key, bytes(changed), text)


@pytest.mark.parametrize("key", [*SMALL, *NOT_CANONICAL])
def test_a_key_that_is_no_point_of_order_l_is_refused(key: str) -> None:
    with pytest.raises(verifier.Flaw, match="receipt_key"):
        verifier.check_receipt_key({"receipt_key": key})
    assert names(judged(development_draw(receipt_key=key))) == {"receipt key"}


def test_a_key_with_a_part_of_small_order_is_refused() -> None:
    honest = verifier.ed_decode(public_bytes(RECEIPT_KEY))
    for small in SMALL[1:]:
        mixed = verifier.ed_encode(verifier.ed_add(honest, verifier.ed_decode(bytes.fromhex(small))))
        with pytest.raises(verifier.Flaw, match="not a point of order L"):
            verifier.check_receipt_key({"receipt_key": mixed.hex()})
    assert verifier.check_receipt_key({"receipt_key": public_bytes(RECEIPT_KEY).hex()})[0] == public_bytes(RECEIPT_KEY)


def signature_of(secret: int, r: bytes, nonce: int, message: bytes) -> tuple[bytes, bytes]:
    """Key and signature by textbook, with any R that is claimed for the nonce."""
    key = verifier.ed_encode(verifier.ed_times(verifier.ED_B, secret))
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return key, r + ((nonce + h * secret) % L).to_bytes(32, "little")


def test_an_s_of_l_or_more_is_refused() -> None:
    signature = RECEIPT_KEY.sign(b"text")
    s = int.from_bytes(signature[32:], "little")
    assert verifier.is_signed(public_bytes(RECEIPT_KEY), signature, b"text")
    for more in (L, 2 * L):
        other = signature[:32] + (s + more).to_bytes(32, "little")
        assert not verifier.is_signed(public_bytes(RECEIPT_KEY), other, b"text")


def test_an_r_that_is_the_identity_is_refused() -> None:
    key, signature = signature_of(12345, IDENTITY, 0, b"text")
    assert not verifier.is_signed(key, signature, b"text")
    nearly = verifier.ed_encode(verifier.ED_B)
    assert verifier.is_signed(*signature_of(12345, nearly, 1, b"text"), b"text")


def test_the_cofactor_is_not_cleared() -> None:
    """R with a part of small order satisfies the cofactored equation only."""
    small = verifier.ed_decode(bytes.fromhex(SMALL[4]))
    r = verifier.ed_encode(verifier.ed_add(verifier.ed_times(verifier.ED_B, 777), small))
    key, signature = signature_of(12345, r, 777, b"text")
    assert not verifier.is_signed(key, signature, b"text")


@pytest.mark.parametrize("r", [*SMALL[1:], *NOT_CANONICAL])
def test_an_r_that_is_no_canonical_point_of_the_group_is_refused(r: str) -> None:
    key, signature = signature_of(12345, bytes.fromhex(r), 0, b"text")
    assert not verifier.is_signed(key, signature, b"text")
