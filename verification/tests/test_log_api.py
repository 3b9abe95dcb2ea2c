"""The log over the API: the file, its heads, and proofs; and receipts where buyers see their purchases."""

import json
from hashlib import sha256

import pytest

from accounts.models import Notification, Preferences
from accounts.notifications import compose
from accounts.signing_keys import new_key
from purchases import services as purchases
from purchases.models import Purchase
from purchases.services.settlement import tell_buyers
from purchases.tests.stage import bought, seated
from purchases.tests.test_postal import enter
from raffles import services as raffles
from verification import log, receipt_keys, receipts
from verification.models import Draw, LogLeaf
from verification.services.log import sequence, sign_head

URL = "/api/v1/verification"


def file_of(api, raffle):
    answer = api().get(f"{URL}/{raffle.pk}/log")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def left_out(receipt, lines):
    """Whether the receipt convicts this log file: its leaf is not there."""
    return receipts.leaf_of(receipt).line not in lines.splitlines(keepends=True)


def test_the_log_file_has_the_leaves_in_order_and_an_empty_one_its_header(api, alice, bob, on_sale):
    raffle = on_sale()
    assert file_of(api, raffle) == log.HEADER == "kind,entry_id,a,b,x,at\n"
    first = seated(alice, raffle, 2)
    seated(bob, raffle)
    purchases.request_refund(first.pk, reason="asked")
    sequence(raffle.pk)
    kept = LogLeaf.objects.order_by("index")
    assert file_of(api, raffle) == log.HEADER + "".join(each.leaf.line for each in kept)
    assert [each.kind for each in kept] == [1, 1, 2]


def test_the_file_is_unchanged_until_the_log_grows_and_public_after_a_cancellation(api, alice, on_sale):
    raffle = on_sale()
    before = api().get(f"{URL}/{raffle.slug}/log")
    unchanged = api().get(f"{URL}/{raffle.slug}/log", headers={"If-None-Match": before["ETag"]})
    assert unchanged.status_code == 304
    seated(alice, raffle)
    raffles.cancel_raffle(raffle.pk, reason="stolen")
    purchases.refund_raffle(raffle.pk)
    sequence(raffle.pk)
    grown = api().get(f"{URL}/{raffle.slug}/log", headers={"If-None-Match": before["ETag"]})
    assert (grown.status_code, len(b"".join(grown.streaming_content).splitlines())) == (200, 3)


def test_heads_are_listed_newest_first_and_recompute_from_the_file(api, people, on_sale):
    raffle = on_sale()
    for buyer in people(3):
        seated(buyer, raffle)
        sign_head(raffle.pk)
    draw = Draw.objects.get(pk=raffle.pk)
    page = api().get(f"{URL}/{raffle.pk}/log/heads?page_size=2").json()
    assert [head["size"] for head in page["results"]] == [3, 2]
    leaves = [each.leaf for each in LogLeaf.objects.order_by("index")]
    for head in [*page["results"], *api().get(page["next"]).json()["results"]]:
        assert set(head) == {"size", "root", "at", "signature", "receipt_key"}
        root = log.root([leaf.hash for leaf in leaves[: head["size"]]])
        assert head["root"] == root.hex()
        facts = {"manifest_hash": bytes.fromhex(draw.manifest_hash), "root": root}
        signed = bytes.fromhex(head["signature"])
        receipts.check_head(bytes.fromhex(head["receipt_key"]), signed, size=head["size"], at=head["at"], **facts)


def test_a_proof_leads_from_the_receipts_leaf_to_a_head(api, alice, people, on_sale):
    raffle = on_sale()
    mine = seated(alice, raffle)
    for buyer in people(4):
        seated(buyer, raffle)
    receipt = api(alice).get(f"/api/v1/purchases/{mine.pk}").json()["receipt"]
    leaf = receipts.leaf_of(receipt).hash
    ask = f"{URL}/{raffle.pk}/log/proof?leaf={leaf.hex()}"
    missing = api().get(ask)
    assert (missing.status_code, missing.json()["code"]) == (404, "leaf_not_found")
    head = sign_head(raffle.pk)
    told = api().get(ask).json()
    assert (told["index"], told["size"]) == (0, 5)
    assert (told["head"]["root"], told["head"]["size"]) == (bytes(head.root).hex(), 5)
    log.check_inclusion(leaf, 0, 5, [bytes.fromhex(each) for each in told["proof"]], bytes(head.root))
    only = api().get(f"{ask}&size=1").json()
    assert (only["proof"], only["head"]) == ([], None)
    assert api().get(f"{ask}&size=6").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        *("", "leaf=", "leaf=00", "leaf=" + "A" * 64, "leaf=" + "0" * 65, "leaf=" + "0" * 63 + "%00"),
        *(f"leaf={'0' * 64}&size={size}" for size in ("0", "-1", "x", "1.5", "9" * 30, "%00")),
    ],
)
def test_a_malformed_question_is_a_bad_request(api, on_sale, query):
    assert api().get(f"{URL}/{on_sale().pk}/log/proof?{query}").status_code == 400


def test_a_paid_purchase_has_its_receipt_at_once_in_the_list_and_always_the_same(api, alice, on_sale):
    raffle = on_sale()
    nonce = b"a nonce of the device"
    body = {"raffle": str(raffle.pk), "quantity": 2, "holder": sha256(nonce).hexdigest()}
    made = api(alice).post("/api/v1/purchases/create", body, headers={"Idempotency-Key": "a"}).json()
    assert made["receipt"] is None
    seated_one = bought(alice, raffle, 2)
    shown = api(alice).post("/api/v1/purchases/verify", {"purchase": str(seated_one.pk)}).json()
    draw, leaf = Draw.objects.get(pk=raffle.pk), LogLeaf.objects.get().leaf
    seated_one.refresh_from_db()
    assert shown["receipt"] == {
        "protocol": "luxewin/draw/v2",
        "raffle": str(raffle.pk),
        "manifest_hash": draw.manifest_hash,
        "entry_id": str(leaf.entry_id),
        "first_ticket": 1,
        "count": 2,
        "holder": bytes(seated_one.holder).hex(),
        "nonce": bytes(seated_one.nonce).hex(),
        "at": leaf.at,
        "signature": shown["receipt"]["signature"],
    }
    assert receipts.leaf_of(shown["receipt"]) == leaf
    receipts.check_receipt(shown["receipt"], bytes.fromhex(draw.receipt_key))
    listed = api(alice).get("/api/v1/purchases/list").json()["results"]
    assert {each["id"]: each["receipt"] for each in listed}[str(seated_one.pk)] == shown["receipt"]


def test_a_list_of_receipts_asks_no_query_for_each(api, alice, on_sale, django_assert_num_queries):
    for _ in range(3):
        seated(alice, on_sale())
    client, counts = api(alice), []
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for size in (1, 3):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            listed = client.get(f"/api/v1/purchases/list?page_size={size}").json()["results"]
        assert all(each["receipt"] for each in listed)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_no_receipt_is_shown_for_what_is_no_entry_or_without_the_key(api, alice, on_sale, settings):
    raffle = on_sale()
    mine = seated(alice, raffle)
    path = f"/api/v1/purchases/{mine.pk}"
    assert api(alice).get(path).json()["receipt"]
    old = settings.RECEIPT_KEYS
    for words in (new_key(), "", "nonsense"):
        settings.RECEIPT_KEYS = words
        answer = api(alice).get(path)
        assert (answer.status_code, answer.json()["receipt"]) == (200, None)
        with pytest.raises(RuntimeError, match="RECEIPT_KEYS lacks"):
            receipt_keys.probe()
    settings.RECEIPT_KEYS = old
    receipt_keys.probe()
    purchases.request_refund(mine.pk, reason="asked")
    assert api(alice).get(path).json()["receipt"] is None


def test_without_a_key_nothing_is_published(draft, mona, settings, api):
    settings.RECEIPT_KEYS = ""
    raffle = draft()
    answer = api(mona).post(f"/api/v1/raffles/{raffle.pk}/publish")
    assert (answer.status_code, answer.json()["code"]) == (503, "receipt_key_missing")
    assert not Draw.objects.exists()


@pytest.mark.parametrize("language", ["en", "de"])
def test_mails_of_purchases_and_letters_carry_the_receipt_on_one_line_and_their_rows_no_nonce(
    alice, sam, on_sale, language
):
    Preferences.objects.update_or_create(user=alice, defaults={"language": language})
    raffle = on_sale()
    paid, letter = seated(alice, raffle), enter(sam, raffle, alice)
    tell_buyers([str(paid.pk)])
    purchases.postal.tell_entrants([str(letter.pk)])
    for kind, purchase in (("purchase_paid", paid), ("free_entry", letter)):
        told = Notification.objects.mails().get(kind=kind)
        (line,) = [line for line in compose(told).body.splitlines() if line.startswith("{")]
        receipt = json.loads(line)
        shown = Purchase.objects.for_display().get(pk=purchase.pk)
        assert receipt == receipts.receipt(
            receipt_keys.private_key(shown.draw_receipt_key),
            raffle=raffle.pk,
            manifest_hash=bytes.fromhex(shown.draw_manifest_hash),
            leaf=LogLeaf.objects.get(entry_id=purchase.entry_id).leaf,
            nonce=bytes(shown.nonce),
        )
        assert receipt["nonce"] not in json.dumps(told.context)


def test_a_log_that_drops_an_entry_is_convicted_by_that_buyers_receipt(api, alice, bob, on_sale):
    raffle = on_sale()
    mine, theirs = seated(alice, raffle), seated(bob, raffle)
    sequence(raffle.pk)
    honest = file_of(api, raffle)
    dropped = "".join(line for line in honest.splitlines(keepends=True) if str(mine.entry_id) not in line)
    shown = {each.pk: api(each.buyer).get(f"/api/v1/purchases/{each.pk}").json()["receipt"] for each in (mine, theirs)}
    assert not any(left_out(receipt, honest) for receipt in shown.values())
    assert [left_out(shown[each.pk], dropped) for each in (mine, theirs)] == [True, False]
