"""What the receipt key signs: fixed keys give fixed bytes, and anything altered is refused."""

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import receipts
from verification.log import EMPTY_ROOT, Kind, Leaf

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
RAFFLE, ENTRY = UUID(int=1), UUID(int=2)
MANIFEST = bytes(range(100, 132))
LEAF = Leaf(Kind.ENTERED, ENTRY, 7, 3, bytes(range(200, 232)), 1_790_000_002)


def made(**changes):
    facts = {"raffle": RAFFLE, "manifest_hash": MANIFEST, "leaf": LEAF, "nonce": None}
    return receipts.receipt(KEY, **facts | changes)


def test_the_messages_are_those_of_the_protocol():
    assert receipts.receipt_message(RAFFLE, MANIFEST, LEAF) == (
        b"luxewin/receipt/v2" + RAFFLE.bytes + MANIFEST + LEAF.hash
    )
    assert receipts.head_message(MANIFEST, 5, EMPTY_ROOT, 9) == (
        b"luxewin/head/v2" + MANIFEST + bytes(7) + b"\5" + EMPTY_ROOT + bytes(7) + b"\t"
    )
    assert LEAF.data == b"\1" + ENTRY.bytes + bytes(7) + b"\7" + bytes(7) + b"\3" + LEAF.x + (1_790_000_002).to_bytes(8)


def test_a_receipt_is_always_the_same_and_holds():
    receipt = made(nonce=b"n" * 32)
    assert receipt == made(nonce=b"n" * 32)
    assert list(receipt) == [
        *("protocol", "raffle", "manifest_hash", "entry_id", "first_ticket", "count"),
        *("holder", "nonce", "at", "signature"),
    ]
    assert (receipt["nonce"], made()["nonce"]) == ((b"n" * 32).hex(), None)
    assert receipts.leaf_of(receipt) == LEAF
    receipts.check_receipt(receipt, PUBLIC)


@pytest.mark.parametrize(
    "change",
    [
        {"raffle": str(UUID(int=3))},
        {"manifest_hash": "00" * 32},
        {"entry_id": str(UUID(int=3))},
        {"first_ticket": 8},
        {"count": 4},
        {"holder": "00" * 32},
        {"at": 1_790_000_003},
        {"signature": "00" * 64},
        {"signature": "00"},
    ],
)
def test_an_altered_receipt_is_refused(change):
    with pytest.raises(receipts.SignatureError):
        receipts.check_receipt(made() | change, PUBLIC)


def test_a_head_holds_for_its_own_facts_only():
    facts = {"manifest_hash": MANIFEST, "size": 5, "root": EMPTY_ROOT, "at": 9}
    signature = receipts.sign_head(KEY, **facts)
    receipts.check_head(PUBLIC, signature, **facts)
    for change in ({"manifest_hash": bytes(32)}, {"size": 6}, {"root": bytes(32)}, {"at": 10}):
        with pytest.raises(receipts.SignatureError):
            receipts.check_head(PUBLIC, signature, **facts | change)
    with pytest.raises(receipts.SignatureError):
        receipts.check_head(bytes(32), signature, **facts)


def test_only_an_entered_leaf_gets_a_receipt():
    with pytest.raises(ValueError, match="entered"):
        made(leaf=LEAF._replace(kind=Kind.WITHDRAWN))
