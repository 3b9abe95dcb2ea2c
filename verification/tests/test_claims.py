"""Claims: who won accepts the prize, staff check and send it, and what was needed for that is erased."""

from base64 import b64encode
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Notification
from accounts.privacy.exports import AREAS
from accounts.services import apply_rule
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of
from purchases.models import Dispute
from verification import announcements, services
from verification.errors import PrizeAccepted, WrongClaimStatus
from verification.models import Award, Claim, ClaimDocument, Forfeit
from verification.privacy import _erase_claims

from .held import held

PRIZES = "/api/v1/users/prizes"
HOME = {"name": "Ada Example", "line1": "1 High Street", "city": "Leeds", "postal_code": "LS1 1AA", "country": "gb"}
PHOTO = b"\xff\xd8\xff" + b"a photo" * 9
CASH = 90_000


@pytest.fixture
def award(alice, bob, on_sale):
    """Alice holds the watch; Bob is an alternate."""
    raffle = on_sale(prizes=[{"name": "A watch", "cash_alternative": CASH}], alternates=2)
    held(raffle, alice, bob)
    return Award.objects.get()


def accept(award, person, **changes):
    return client_of(person).post(f"{PRIZES}/{award.prize_id}/claim", {"takes": "prize", "address": HOME} | changes)


def send(award, person, content=PHOTO, media="image/jpeg"):
    body = {"media": media, "content": b64encode(content).decode()}
    return client_of(person).post(f"{PRIZES}/{award.prize_id}/documents", body)


def test_from_the_draw_to_the_door(award, alice, mona):
    client = client_of(alice)
    (shown,) = client.get(PRIZES).json()["results"]
    assert (shown["prize"]["name"], shown["claim"], shown["handed_over_at"]) == ("A watch", None, None)
    claimed = accept(award, alice).json()["claim"]
    assert (claimed["status"], claimed["address"]["country"], claimed["address"]["line2"]) == ("accepted", "GB", "")
    services.ask_for_documents(award.pk, wanted="A photo of your passport.", actor=mona)
    assert client.get(f"{PRIZES}/{award.prize_id}").json()["claim"]["wanted"] == "A photo of your passport."
    for _ in range(2):
        (document,) = send(award, alice).json()["claim"]["documents"]
    assert (document["media"], document["size"]) == ("image/jpeg", len(PHOTO))
    services.confirm_check(award.pk, actor=mona)
    services.dispatch_prize(award.pk, carrier="DHL", tracking="JD01", actor=mona)
    services.claim_award(award.pick_id, actor=mona)
    shown = client.get(f"{PRIZES}/{award.prize_id}").json()
    assert shown["handed_over_at"]
    assert (shown["claim"]["status"], shown["claim"]["carrier"], shown["claim"]["tracking"]) == (
        "delivered",
        "DHL",
        "JD01",
    )
    assert shown["claim"]["delivered_at"]
    kinds = ["prize_accepted", "claim_documents", "prize_dispatched"]
    assert (
        list(Notification.objects.mails().filter(kind__in=kinds).order_by("id").values_list("kind", flat=True)) == kinds
    )
    entries = AuditEntry.objects.filter(action__startswith="claim.").order_by("id")
    done = ["accepted", "documents_wanted", "document_sent", "checked", "dispatched"]
    assert [each.action for each in entries] == [f"claim.{name}" for name in done]
    assert not any("High Street" in str(each.after) for each in entries)


def test_what_is_sent_is_encrypted_in_the_database(award, alice, mona):
    accept(award, alice)
    services.ask_for_documents(award.pk, wanted="A passport.", actor=mona)
    send(award, alice)
    claim, document = Claim.objects.get(), ClaimDocument.objects.get()
    assert "High" not in claim.sealed_address
    assert claim.address["line1"] == "1 High Street"
    assert b64encode(PHOTO).decode() not in document.sealed_content
    assert document.content == PHOTO


def test_nobody_else_sees_or_claims_it(award, alice, bob):
    accept(award, alice)
    assert client_of(bob).get(PRIZES).json()["results"] == []
    for response in (client_of(bob).get(f"{PRIZES}/{award.prize_id}"), accept(award, bob), send(award, bob)):
        assert_problem(response, 404)
    assert_problem(client_of(alice).get(f"{PRIZES}/{uuid4()}"), 404)


def test_cash_needs_no_address_and_only_where_it_is_offered(award, alice, mona):
    assert_problem(accept(award, alice, takes="cash"), 400, fields={"address"})
    assert_problem(accept(award, alice, address=None), 400, fields={"address"})
    assert accept(award, alice, takes="cash", address=None).json()["claim"]["address"] is None
    services.confirm_check(award.pk, actor=mona)
    services.dispatch_prize(award.pk, carrier="Bank transfer", tracking="", actor=mona)
    assert Notification.objects.mails().get(kind="prize_dispatched").context["amount"] == CASH


def test_where_there_is_no_cash_alternative_nobody_takes_it(alice, bob, on_sale):
    held(on_sale(), alice, bob)
    assert_problem(accept(Award.objects.first(), alice, takes="cash", address=None), 400, fields={"takes"})
    assert not Claim.objects.exists()


BAD = [
    ({"takes": "both"}, {"takes"}),
    ({"address": HOME | {"country": "XX"}}, {"address.country"}),
    ({"address": HOME | {"line1": "a\u2028b", "city": ""}}, {"address.line1", "address.city"}),
    ({"address": HOME | {"planet": "Mars"}}, {"address.planet"}),
    ({"address": "Leeds"}, {"address"}),
    ({"more": 1}, {"more"}),
]


@pytest.mark.parametrize(("changes", "fields"), BAD)
def test_every_fault_is_named(changes, fields, award, alice):
    assert_problem(accept(award, alice, **changes), 400, fields=fields)


def test_it_can_be_changed_until_it_is_sent_and_is_checked_again(award, alice, mona):
    accept(award, alice)
    services.confirm_check(award.pk, actor=mona)
    assert accept(award, alice, address=HOME | {"city": "York"}).json()["claim"]["status"] == "accepted"
    with pytest.raises(WrongClaimStatus):
        services.dispatch_prize(award.pk, carrier="DHL", tracking="", actor=mona)
    services.confirm_check(award.pk, actor=mona)
    services.dispatch_prize(award.pk, carrier="DHL", tracking="", actor=mona)
    assert_problem(accept(award, alice), 409, "prize_dispatched")
    services.claim_award(award.pick_id, actor=mona)
    assert_problem(accept(award, alice), 409, "already_claimed")


def test_after_its_time_it_cannot_be_accepted_but_changed(award, alice, monkeypatch):
    later = timezone.now() + timedelta(days=400)
    with monkeypatch.context() as waited:
        waited.setattr("verification.services.claims.database_now", lambda: later)
        assert_problem(accept(award, alice), 409, "claim_time_over")
    accept(award, alice)
    monkeypatch.setattr("verification.services.claims.database_now", lambda: later)
    assert accept(award, alice, takes="cash", address=None).status_code == 200


def test_what_was_accepted_is_not_unclaimed_but_can_be_disqualified(award, alice, bob, mona, monkeypatch):
    accept(award, alice)
    monkeypatch.setattr("verification.services.outcomes.database_now", lambda: timezone.now() + timedelta(days=400))
    facts = {"reason": "Nobody came.", "actor": mona}
    with pytest.raises(PrizeAccepted):
        services.forfeit_pick(award.pick_id, kind=Forfeit.Kind.UNCLAIMED, **facts)
    services.forfeit_pick(award.pick_id, kind=Forfeit.Kind.DISQUALIFIED, **facts)
    assert_problem(accept(award, alice), 404)
    with pytest.raises(Exception, match="already disqualified"):
        services.confirm_check(award.pk, actor=mona)
    assert [each["prize"]["name"] for each in client_of(bob).get(PRIZES).json()["results"]] == ["A watch"]


def test_who_accepted_is_not_reminded(award, alice):
    award.pick.draw.raffle.refresh_from_db()
    assert [people for _, people, _ in announcements._waiting_awards()] == [alice]
    accept(award, alice)
    assert not announcements._waiting_awards()


DOCUMENTS = [
    ({"content": b"GIF89a"}, {"content"}),
    ({"content": PHOTO, "media": "image/gif"}, {"media"}),
    ({"content": PHOTO, "media": "application/pdf"}, {"content"}),
    ({"content": b"\xff\xd8\xff" + bytes(700_000)}, {"content"}),
    ({"content": b""}, {"content"}),
]


def test_documents_are_taken_while_they_are_wanted(award, alice, mona):
    assert_problem(send(award, alice), 409, "no_documents_wanted")
    accept(award, alice)
    assert_problem(send(award, alice), 409, "no_documents_wanted")
    services.ask_for_documents(award.pk, wanted="A passport.", actor=mona)
    for given, fields in DOCUMENTS:
        assert_problem(send(award, alice, **given), 400, fields=fields)
    path, body = f"{PRIZES}/{award.prize_id}/documents", {"media": "image/jpeg", "content": "no base64!"}
    assert_problem(client_of(alice).post(path, body), 400, fields={"content"})
    for number in range(services.MAX_DOCUMENTS):
        assert send(award, alice, PHOTO + bytes([number])).status_code == 200
    assert assert_problem(send(award, alice, PHOTO + b"more"), 409, "too_many_documents")["limit"] == 6


def test_what_stands_against_it_is_shown(award, alice):
    assert services.objections(award) == []
    payment = award.pick.purchase.payments.get()
    facts = {"reason": "fraudulent", "amount": 500, "currency": "gbp", "opened_at": timezone.now()}
    Dispute.objects.create(pk="du_1", payment=payment, status="needs_response", **facts)
    alice.date_of_birth = timezone.now().date() - timedelta(days=6_000)
    alice.save()
    said = " ".join(services.objections(award))
    assert "du_1" in said
    assert "18" in said


def test_a_rule_and_a_deletion_erase_what_was_sent(award, alice, mona):
    def kept():
        return bool(Claim.objects.get().sealed_address), ClaimDocument.objects.count()

    accept(award, alice)
    services.ask_for_documents(award.pk, wanted="A passport.", actor=mona)
    send(award, alice)
    (row,) = AREAS["draws/claims.json"].rows(alice)
    assert row["address"]["city"] == "Leeds"
    assert row["documents"][0]["content"] == b64encode(PHOTO).decode()
    assert apply_rule("claims") == 0
    services.claim_award(award.pick_id, actor=mona)
    Claim.objects.update(delivered_at=timezone.now() - timedelta(days=179))
    assert (apply_rule("claims"), kept()) == (0, (True, 1))
    Claim.objects.update(delivered_at=timezone.now() - timedelta(days=181))
    assert (apply_rule("claims"), kept()) == (1, (False, 0))
    assert client_of(alice).get(f"{PRIZES}/{award.prize_id}").json()["claim"]["address"] is None
    assert apply_rule("claims") == 0


def test_a_deleted_person_leaves_no_address(award, alice):
    accept(award, alice)
    _erase_claims(alice)
    assert Claim.objects.get().sealed_address == ""


class TestBackOffice:
    """Staff's side, on the claim's own page."""

    @pytest.fixture
    def staff(self, settings, mona):
        settings.STAFF_SECOND_FACTOR = False
        client = Client()
        client.force_login(mona)
        return client

    def page(self, award, name=""):
        return f"/admin/verification/claim/{award.pk}/{name}"

    def test_a_day_of_a_manager(self, award, alice, staff):
        accept(award, alice)
        page = staff.get(self.page(award, "change/")).content.decode()
        assert all(text in page for text in ("1 High Street", "Ask for documents…", "Nothing that we know of."))
        asked = staff.post(self.page(award, "ask/step/"), {"wanted": "A photo\u2028of it"})
        assert "U+2028" in asked.content.decode()
        assert staff.post(self.page(award, "ask/step/"), {"wanted": "A photo"}).status_code == 302
        send(award, alice)
        document = ClaimDocument.objects.get()
        path = self.page(award, f"documents/{document.pk}")
        assert path in staff.get(self.page(award, "change/")).content.decode()
        got = staff.get(path)
        assert (got.content, got["Content-Type"]) == (PHOTO, "image/jpeg")
        assert got["Content-Disposition"].startswith("attachment")
        assert AuditEntry.objects.filter(action="claim.document_read").count() == 1
        assert staff.post(self.page(award, "check/step/")).status_code == 302
        assert staff.post(self.page(award, "dispatch/step/"), {"carrier": "", "tracking": ""}).status_code == 200
        assert staff.post(self.page(award, "dispatch/step/"), {"carrier": "DHL", "tracking": "1"}).status_code == 302
        assert Claim.objects.get().status == "dispatched"
        again = staff.post(self.page(award, "dispatch/step/"), {"carrier": "DHL"}, follow=True)
        assert "Not done: This claim is dispatched." in again.content.decode()
        assert staff.get(self.page(award, "other/step/")).status_code == 404

    def test_others_see_no_address_and_take_no_step(self, award, alice, person, settings):
        settings.STAFF_SECOND_FACTOR = False
        accept(award, alice)
        client = Client()
        client.force_login(person("sue", role="support"))
        page = client.get(self.page(award, "change/"))
        assert page.status_code == 200
        assert "High Street" not in page.content.decode()
        for name in ("ask/step/", "documents/1"):
            assert client.get(self.page(award, name)).status_code == 403
