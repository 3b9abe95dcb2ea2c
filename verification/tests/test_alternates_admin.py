"""The pages on which staff say what becomes of a pick: who may, what they say, and that they ask first."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from luxewin.audit.models import AuditEntry
from verification.models import Award, Forfeit, Outcome, outcome_of
from verification.services import claim_award, forfeit_pick

from .held import held, picks_of

pytestmark = pytest.mark.usefixtures("after_claims")

ADMIN = "/admin/verification/draw/"
GIVEN = {"kind": "disqualified", "reason": "Works for the organiser."}


@pytest.fixture
def picks(on_sale, people):
    """Of two winners and an alternate."""
    return held(on_sale(), *people(3))


@pytest.fixture
def desk():
    def sign_in(user):
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def page(pick, name):
    return f"{ADMIN}{pick.draw_id}/picks/{pick.position}/{name}/"


def text(response):
    assert response.status_code == 200, response
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def said(response):
    return [str(message) for message in response.context["messages"]]


ROLES = {"mona": 200, "fiona": 403, "sam": 403, "audrey": 403, "alice": 302, "": 302}


@pytest.mark.parametrize("name", ["forfeit", "claim"])
@pytest.mark.parametrize("who", ROLES)
def test_raffle_managers_alone_open_the_pages_and_send_them(who, name, picks, desk, request):
    client = desk(request.getfixturevalue(who)) if who else Client()
    assert client.get(page(picks[0], name)).status_code == ROLES[who]
    sent = client.post(page(picks[0], name), GIVEN)
    done = Forfeit.objects.exists() or Award.objects.exclude(claimed_at=None).exists()
    assert done is (who == "mona")
    assert sent.status_code == {200: 302}.get(ROLES[who], ROLES[who])


@pytest.mark.parametrize("who", ["mona", "fiona", "sam", "audrey"])
def test_all_staff_read_what_became_of_the_picks_and_managers_see_what_to_do(who, picks, mona, desk, request):
    forfeit_pick(picks[0].pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Works for us.", actor=mona)
    claim_award(picks[2].pk, actor=mona)
    shown = desk(request.getfixturevalue(who)).get(f"{ADMIN}{picks[0].draw_id}/change/")
    for what in ("Disqualified", "Works for us.", "Prize handed over", picks[1].purchase.buyer.email):
        assert what in text(shown)
    links = re.findall(r"/picks/(\d+)/(\w+)/", shown.content.decode())
    # Nothing is left to do with the first and the third.
    assert links == ([("2", "claim"), ("2", "forfeit")] if who == "mona" else [])


def test_a_manager_disqualifies_a_winner_knowing_who_is_next(picks, mona, desk):
    client = desk(mona)
    asked = text(client.get(page(picks[0], "forfeit")))
    assert f"goes to the next reserve winner: pick 3, ticket 3 of {picks[2].purchase.buyer.email}" in asked
    assert "Do not name the person" in asked
    assert "Prize: The watch" in asked
    done = client.post(page(picks[0], "forfeit"), GIVEN, follow=True)
    assert done.redirect_chain == [(f"{ADMIN}{picks[0].draw_id}/change/", 302)]
    assert said(done) == ["Pick 1 is now disqualified. The person is told why by e-mail."]
    assert [outcome_of(pick) for pick in picks_of(picks[0].draw.raffle)][0::2] == ["disqualified", "stepped_up"]
    assert AuditEntry.objects.get(action="pick.forfeited").actor == mona.pk
    again = client.post(page(picks[0], "forfeit"), GIVEN, follow=True)
    assert said(again) == ["Not done: Pick 1 is already disqualified."]


def test_the_page_says_when_no_alternate_is_left(picks, mona, desk):
    forfeit_pick(picks[0].pk, kind=Forfeit.Kind.UNCLAIMED, reason="Nobody answered.", actor=mona)
    assert "No reserve winner is left: nobody will receive the prize." in text(
        desk(mona).get(page(picks[1], "forfeit"))
    )


FAULTY = [{}, GIVEN | {"reason": " "}, GIVEN | {"reason": "x" * 301}, GIVEN | {"kind": "drawn again"}]


@pytest.mark.parametrize("given", FAULTY, ids=["nothing", "blank", "too long", "another kind"])
def test_a_form_with_a_fault_is_shown_again(given, picks, mona, desk):
    response = desk(mona).post(page(picks[0], "forfeit"), given)
    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert not Forfeit.objects.exists()


def test_an_alternate_that_waits_can_only_be_disqualified(picks, mona, desk):
    client = desk(mona)
    asked = client.get(page(picks[2], "forfeit"))
    assert "will be skipped" in text(asked)
    assert b"unclaimed" not in asked.content
    assert client.post(page(picks[2], "forfeit"), GIVEN | {"kind": "unclaimed"}).status_code == 200
    assert not Forfeit.objects.exists()


def test_handing_a_prize_over_is_asked_for_and_recorded(picks, mona, desk):
    client = desk(mona)
    assert "This is final" in text(client.get(page(picks[0], "claim")))
    assert Award.objects.filter(claimed_at=None).count() == 2
    assert said(client.post(page(picks[0], "claim"), follow=True)) == ["The watch was handed over to pick 1."]
    assert picks_of(picks[0].draw.raffle)[0].award.claimed_at
    assert outcome_of(picks_of(picks[0].draw.raffle)[0]) == Outcome.CLAIMED
    assert said(client.post(page(picks[0], "claim"), follow=True)) == [
        "Not done: The prize of pick 1 was already handed over."
    ]
    assert said(client.post(page(picks[0], "forfeit"), GIVEN, follow=True)) == [
        "Not done: The prize of pick 1 was already handed over."
    ]


def test_a_pick_that_is_not_there_is_not_found(picks, mona, desk):
    assert desk(mona).get(page(picks[0], "forfeit").replace("/1/", "/9/")).status_code == 404


def test_a_draw_s_page_costs_the_same_for_two_picks_and_for_ten(on_sale, people, mona, desk):
    buyers, client = people(10), desk(mona)
    few, many = held(on_sale(), *buyers[:2]), held(on_sale(alternates=8), *buyers)
    costs = []
    for pick in (few[0], few[0], many[0]):
        with CaptureQueriesContext(connection) as captured:
            client.get(f"{ADMIN}{pick.draw_id}/change/")
        costs.append(len(captured))
    # The first time permissions and content types are read.
    assert costs[1] == costs[2]
