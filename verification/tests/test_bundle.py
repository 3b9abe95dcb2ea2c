"""What is served of a draw proves it to anyone, by code that shares nothing with the code that made it."""

import json
from uuid import UUID

import pytest

from purchases.models import Purchase
from purchases.services import request_refund
from purchases.tests.stage import hold, seated
from raffles.services import cancel_raffle
from verification import entries
from verification.merkle import Entry, Step, check_path
from verification.models import Draw
from verification.services import advance_draw

from .drawing import URL, advance_to, closed, committed, crowd, download, verified

State = Draw.State


def with_gaps(raffle, buyer):
    crowd(raffle, buyer, [2, 3, 1, 4, 2])
    for purchase in list(Purchase.objects.order_by("first_ticket"))[::2]:
        request_refund(purchase.pk, reason="Changed their mind.")


def sizes(*counts):
    return lambda raffle, buyer: crowd(raffle, buyer, list(counts))


WORDS = {"title": "Часы «Луна» 🕰 — ¼ \u2028 e\u0301", "prizes": [{"name": '時計 "№1" \\ \t'}]}
CASES = {
    "one entry": ({}, sizes(1), 1),
    "many entries": ({"capacity": 5_000}, sizes(*(1 + number % 9 for number in range(301))), 4),
    "gaps after refunds": ({"alternates": 5}, with_gaps, 7),
    "more prizes than tickets": ({"prizes": [{"name": f"No. {number}"} for number in range(6)]}, sizes(3), 3),
    "no alternates": ({"alternates": 0}, sizes(5, 5), 2),
    "words of the world": (WORDS, sizes(5, 5), 3),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verifier_follows_the_draw_from_two_files(selling, alice, client, tmp_path, case):
    terms, sell, picks = CASES[case]
    raffle = selling(**terms)
    sell(raffle, alice)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    bundle, entries = download(client, raffle, tmp_path)
    report = verified(bundle, entries)
    assert report["verified"], report
    told = json.loads(bundle.read_text())
    assert len(told["picks"]) == picks
    assert json.loads(told["manifest"])["title"] == raffle.title
    assert len(entries.read_text().splitlines()) == 1 + Purchase.objects.paid().count() == 1 + told["entries"]["count"]


def test_a_changed_entry_or_pick_is_not_verified(selling, alice, client, tmp_path):
    raffle = selling()
    crowd(raffle, alice, [5, 5, 5])
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    bundle, entries = download(client, raffle, tmp_path)
    honest = bundle.read_text()
    told = json.loads(honest)
    told["picks"][0], told["picks"][1] = told["picks"][1], told["picks"][0]
    bundle.write_text(json.dumps(told))
    assert not verified(bundle, entries)["verified"]
    bundle.write_text(honest)
    lines = entries.read_text().splitlines(keepends=True)
    entries.write_text("".join([*lines[:-1], lines[-1].replace(",5", ",6")]))
    assert not verified(bundle, entries)["verified"]


def test_before_its_time_nothing_is_served(selling, alice, client):
    raffle = selling(capacity=5)

    def codes():
        answers = [client.get(f"{URL}/{raffle.pk}/{what}") for what in ("entries.csv", "bundle")]
        return [(answer.status_code, answer.json()["code"] if answer.status_code != 200 else "") for answer in answers]

    too_early = [(409, "not_frozen_yet"), (409, "not_drawn_yet")]
    assert codes() == too_early
    seated(alice, raffle, 5)
    assert codes() == too_early
    committed(raffle)
    assert codes() == [(200, ""), (409, "not_drawn_yet")]


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
    assert [[line.split(b",", 1)[1] for line in piece.splitlines()] for piece in pieces] == [
        [b"first_ticket,count"],
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
        entry = Entry(UUID(proof["entry_id"]), proof["first_ticket"], proof["count"])
        assert entry == (purchase.entry_id, purchase.first_ticket, purchase.quantity)
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
        with django_assert_num_queries(3):
            return [(draw["sequence"], draw["state"]) for draw in client.get(f"{URL}/list").json()["results"]]

    cancel_raffle(selling().pk, reason="Stolen.")
    assert page() == [(1, "void")]
    selling()
    drawn = selling(capacity=4)
    seated(alice, drawn, 4)
    closed(drawn)
    advance_to(drawn, State.DRAWN)
    assert page() == [(3, "drawn"), (2, "promised"), (1, "void")]
