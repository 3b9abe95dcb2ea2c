"""What is served of a draw proves it to anyone, by code that shares nothing with the code that made it."""

import json
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from luxewin.api.public_reads import FOR_GOOD, FRESH
from purchases.models import Purchase
from purchases.services import request_refund
from purchases.tests.stage import hold, seated
from raffles.services import cancel_raffle
from verification import entries, proof
from verification.chain import Chain
from verification.chain_types import ChainUnavailable
from verification.merkle import Entry, Step, check_path
from verification.models import ChainStep, ChainTransaction, Draw
from verification.services import advance_draw, draw_steps

from .drawing import URL, advance_to, closed, committed, crowd, download, put_in_state, verified
from .on_chain import rpc_url

State = Draw.State


def with_gaps(raffle, buyer):
    crowd(raffle, buyer, [2, 3, 1, 4, 2])
    for purchase in list(Purchase.objects.order_by("first_ticket"))[::2]:
        request_refund(purchase.pk, reason="Changed their mind.")


def sizes(*counts):
    return lambda raffle, buyer: crowd(raffle, buyer, list(counts))


WORDS = {"title": "Часы «Луна» 🕰 — ¼ \u2028 e\u0301", "prizes": [{"name": '時計 "№1" \\ \t'}]}
MANY = [1 + number % 9 for number in range(301)]
# Each is sold out, so that it may be committed before its time.
CASES = {
    "one entry": ({"capacity": 2}, sizes(2), 2),
    "many entries": ({"capacity": sum(MANY)}, sizes(*MANY), 4),
    "gaps after refunds": ({"capacity": 12, "alternates": 5}, with_gaps, 7),
    "more alternates than tickets": ({"capacity": 3, "alternates": 7}, sizes(3), 3),
    "no alternates": ({"capacity": 10, "alternates": 0}, sizes(5, 5), 2),
    "words of the world": (WORDS | {"capacity": 10}, sizes(5, 5), 3),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", CASES)
def test_the_verifier_follows_the_draw_from_three_files(anchored, selling, alice, client, tmp_path, case):
    terms, sell, picks = CASES[case]
    raffle = selling(**terms)
    advance_to(raffle, State.ANNOUNCED)
    sell(raffle, alice)
    closed(raffle)
    advance_to(raffle, State.SETTLED)
    bundle, entries, log = download(client, raffle, tmp_path)
    report = verified(bundle, entries, log, rpc=rpc_url())
    assert [check for check in report["checks"] if check["state"] == "FAILED"] == []
    assert (report["verdict"], report["development"]) == ("CONSISTENT", True), report
    unchecked = {check["name"] for check in report["checks"] if check["state"] == "not checked"}
    # What this node calls final is older than the draw.
    assert unchecked <= {"place", "place of the draw", "contract", "draw on the chain"}, report
    told = json.loads(bundle.read_text())
    assert len(told["picks"]) == picks
    assert json.loads(told["manifest"])["title"] == raffle.title
    assert len(entries.read_text().splitlines()) == 1 + Purchase.objects.paid().count() == 1 + told["entries"]["count"]


@pytest.mark.django_db(transaction=True)
def test_a_changed_entry_or_pick_is_not_verified(anchored, selling, alice, client, tmp_path):
    raffle = selling(capacity=15)
    crowd(raffle, alice, [5, 5, 5])
    advance_to(raffle, State.ANNOUNCED)
    closed(raffle)
    advance_to(raffle, State.SETTLED)
    bundle, entries, log = download(client, raffle, tmp_path)
    assert verified(bundle, entries, log)["verdict"] == "CONSISTENT"
    honest = bundle.read_text()
    told = json.loads(honest)
    told["picks"][0], told["picks"][1] = told["picks"][1], told["picks"][0]
    bundle.write_text(json.dumps(told))
    assert verified(bundle, entries, log)["verdict"] == "NOT VERIFIED"
    bundle.write_text(honest)
    lines = entries.read_text().splitlines(keepends=True)
    entries.write_text("".join([*lines[:-1], lines[-1].replace(",5,", ",6,")]))
    assert verified(bundle, entries, log)["verdict"] == "NOT VERIFIED"


def test_before_its_time_nothing_is_served(selling, alice, client):
    raffle = selling(capacity=5)

    def codes():
        answers = [client.get(f"{URL}/{raffle.pk}/{what}") for what in ("entries.csv", "bundle")]
        return [(answer.status_code, answer.json()["code"] if answer.status_code != 200 else "") for answer in answers]

    too_early = [(409, "not_frozen_yet"), (409, "not_frozen_yet")]
    assert codes() == too_early
    seated(alice, raffle, 5)
    assert codes() == too_early
    committed(raffle)
    assert codes() == [(200, ""), (200, "")]
    bundle = client.get(f"{URL}/{raffle.pk}/bundle").json()
    assert (bundle["picks"], bundle["seed"], bundle["beacon"]["signature"]) == ([], None, None)


def test_all_files_are_public_before_the_commitment_is_sent(anchored, selling, alice, client, monkeypatch):
    raffle = selling()
    crowd(raffle, alice, [2, 3])
    advance_to(raffle, State.ANNOUNCED)
    closed(raffle)
    seen = []

    def commit(*arguments, **terms):
        seen.append([client.get(f"{URL}/{raffle.pk}/{what}").status_code for what in ("bundle", "entries.csv", "log")])
        bundle = client.get(f"{URL}/{raffle.pk}/bundle").json()
        assert bundle["place"]["committed_at"] is None
        assert bundle["commitment"] == terms["commitment"].hex()
        raise ChainUnavailable("not now")

    monkeypatch.setattr(Chain, "prepare_commit", commit)
    while not seen:
        advance_draw(raffle.pk)
    assert seen[0] == [200, 200, 200]


def test_the_entries_are_streamed_batch_by_batch(selling, alice, client, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(entries, "BATCH", 2)
    raffle = selling()
    crowd(raffle, alice, [1, 2, 3])
    committed(raffle)
    with django_assert_num_queries(3):  # the draw and two batches
        answer = client.get(f"{URL}/{raffle.slug}/entries.csv")
        assert answer.streaming
        pieces = list(answer.streaming_content)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    header, *rest = pieces
    assert [header.splitlines()[0].split(b",", 1)[1:]] + [
        [b",".join(line.split(b",")[1:3]) for line in piece.splitlines()] for piece in rest
    ] == [
        [b"first_ticket,count,holder"],
        [b"1,1", b"2,2"],
        [b"4,3"],
    ]


def test_a_buyer_s_path_proves_their_entry(selling, api, people):
    raffle, buyers = selling(), people(3)
    purchases = [seated(buyer, raffle, size) for buyer, size in zip(buyers, (2, 5, 3), strict=True)]
    request_refund(purchases[0].pk, reason="Leaves a gap.")
    closed(raffle)
    draw = advance_draw(raffle.pk)
    for buyer, purchase, before in zip(buyers[1:], purchases[1:], (0, 5), strict=True):
        proof = api(buyer).get(f"{URL}/{raffle.pk}/entries/{purchase.pk}").json()
        entry = Entry(UUID(proof["entry_id"]), proof["first_ticket"], proof["count"], bytes.fromhex(proof["holder"]))
        assert entry[:3] == (purchase.entry_id, purchase.first_ticket, purchase.quantity)
        path = [Step(step["side"], step["sum"], bytes.fromhex(step["hash"])) for step in proof["path"]]
        root = bytes.fromhex(draw.root)
        assert check_path(entry, path, root, draw.tickets) == before == proof["tickets_before"]
        assert (proof["root"], proof["tickets"]) == (draw.root, draw.tickets)


def test_nobody_gets_a_path_that_is_not_theirs(selling, api, alice, bob):
    raffle = selling()
    purchase, pending = seated(alice, raffle, 2), hold(bob, raffle)
    here = f"{URL}/{raffle.pk}/entries"
    early = api(alice).get(f"{here}/{purchase.pk}")
    assert (early.status_code, early.json()["code"]) == (409, "not_frozen_yet")
    assert api().get(f"{here}/{purchase.pk}").status_code == 401
    assert api(bob).get(f"{here}/{purchase.pk}").status_code == 404
    assert api(bob).get(f"{here}/{pending.pk}").status_code == 404
    assert api(alice).get(f"{URL}/{selling().pk}/entries/{purchase.pk}").status_code == 404


def test_the_list_shows_every_promise_and_costs_the_same(selling, alice, client, django_assert_num_queries):
    def page():
        with django_assert_num_queries(1):
            return [(draw["sequence"], draw["state"]) for draw in client.get(f"{URL}/list").json()["results"]]

    cancel_raffle(selling().pk, reason="Stolen.")
    assert page() == [(1, "void")]
    selling()
    drawn = selling(capacity=4)
    seated(alice, drawn, 4)
    closed(drawn)
    advance_to(drawn, State.DRAWN)
    assert page() == [(3, "drawn"), (2, "promised"), (1, "void")]


def test_the_list_reads_no_path_and_only_so_many_draws_at_once(selling, client):
    selling()
    with CaptureQueriesContext(connection) as captured:
        client.get(f"{URL}/list?page_size=30")
    statements = [query["sql"] for query in captured]
    assert not [statement for statement in statements if '"path"' in statement]
    assert any(statement.endswith("LIMIT 31") for statement in statements)  # one more tells whether there is a next


def test_the_entries_file_can_be_asked_for_by_its_type(selling, alice, api):
    raffle = selling()
    crowd(raffle, alice, [1])
    address, wanted = f"{URL}/{raffle.pk}/entries.csv", {"accept": "text/csv"}
    early = api().get(address, headers=wanted)
    assert (early.status_code, early["Content-Type"]) == (409, "application/problem+json")
    assert early.json()["code"] == "not_frozen_yet"
    committed(raffle)
    served = api().get(address, headers=wanted)
    assert (served.status_code, served["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert api().get(address, headers={"accept": "image/png"}).status_code == 406


def test_committed_entries_are_sent_once(selling, alice, client):
    raffle = selling()
    crowd(raffle, alice, [1, 2])
    address = f"{URL}/{raffle.pk}/entries.csv"
    closed(raffle)
    draw_steps.announce(Draw.objects.select_related("raffle", "contract").get())
    draw_steps.freeze(Draw.objects.select_related("raffle").get())
    frozen = client.get(address)
    assert (frozen.status_code, frozen.get("ETag"), frozen["Cache-Control"]) == (200, None, FRESH)
    draw_steps.commit(Draw.objects.select_related("raffle", "contract").get())
    draw = Draw.objects.get()
    first = client.get(address)
    assert (first["ETag"], first["Cache-Control"]) == (f'"{draw.root}"', FRESH)
    again = client.get(address, headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert client.get(address, headers={"if-none-match": '"another"'}).status_code == 200


@pytest.mark.parametrize(
    ("state", "is_anchored", "depth", "entries_for_good", "bundle_for_good"),
    [
        ("committed", False, "final", False, False),
        ("drawn", False, "final", True, True),
        ("drawn", True, "final", False, False),
        ("settled", True, "done", True, False),
        ("settled", True, "final", True, True),
    ],
)
def test_what_can_never_change_is_kept_for_good(state, is_anchored, depth, entries_for_good, bundle_for_good):
    draw = Draw(raffle_id=uuid4(), state=state, contract_id=1 if is_anchored else None)
    step = ChainStep(transaction=ChainTransaction(state=depth))
    draw._prefetched_objects_cache = {"steps": [step] if is_anchored else []}
    assert (draw.is_over, proof.is_final(draw)) == (entries_for_good, bundle_for_good)


def test_the_files_of_a_draw_that_is_over_are_kept_for_good(selling, alice, client):
    raffle = selling()
    crowd(raffle, alice, [1, 2])
    closed(raffle)
    put_in_state(raffle, "drawn", root="a" * 64)
    for what in ("entries.csv", "bundle"):
        assert client.get(f"{URL}/{raffle.pk}/{what}")["Cache-Control"] == FOR_GOOD
    assert client.get(f"{URL}/{raffle.pk}/log")["Cache-Control"] == FRESH


def test_of_a_void_draw_nothing_is_said_to_come(selling, alice, client, api):
    raffle = selling()
    purchase = seated(alice, raffle)
    cancel_raffle(raffle.pk, reason="Stolen.")
    for what in ("entries.csv", "bundle"):
        refused = client.get(f"{URL}/{raffle.pk}/{what}")
        assert (refused.status_code, refused.json()["code"]) == (409, "draw_void")
    Purchase.objects.filter(pk=purchase.pk).update(status="paid")  # its refund takes a while
    own = api(alice).get(f"{URL}/{raffle.pk}/entries/{purchase.pk}")
    assert (own.status_code, own.json()["code"]) == (409, "draw_void")


@pytest.mark.parametrize("what", ["bundle", "entries.csv"])
def test_who_asks_again_and_again_is_told_to_wait(one_window, selling, client, what):
    raffle = selling()
    answers = [client.get(f"{URL}/{raffle.pk}/{what}") for _ in range(121)]
    assert [answer.status_code for answer in answers] == [409] * 120 + [429]


def test_while_the_commitment_is_in_no_block_there_is_no_bundle(anchored, selling, alice, client):
    raffle = selling()
    crowd(raffle, alice, [1, 2])
    advance_to(raffle, State.ANNOUNCED)
    closed(raffle)
    advance_to(raffle, State.SETTLED)
    served = client.get(f"{URL}/{raffle.pk}/bundle").json()
    sent = ChainTransaction.objects.filter(steps__draw=raffle.pk, steps__step="commit")
    block = sent.get().block
    sent.update(state="signed", block=None)
    moving = client.get(f"{URL}/{raffle.pk}/bundle")
    assert (moving.status_code, moving.json()["code"], moving["Retry-After"]) == (503, "commitment_moves", "15")
    sent.update(state="done", block=block)
    assert client.get(f"{URL}/{raffle.pk}/bundle").json() == served


def test_how_long_a_round_may_be_overdue_is_public(selling, client, settings):
    settings.DRAW_VOID_SECONDS = 7200
    raffle = selling()
    assert client.get(f"{URL}/{raffle.pk}").json()["void_after"] == 7200
    assert client.get(f"{URL}/list").json()["results"][0]["void_after"] == 7200
