"""The back office: the same services as the API, no secrets, nothing to bend."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Notification, Session, User
from accounts.tokens import open_session
from luxewin.audit.models import AuditEntry
from purchases.models import Payment, Purchase, Refund
from raffles.models import Raffle

RAFFLES = "/admin/raffles/raffle/"


@pytest.fixture
def desk() -> Callable[[User], Client]:
    """A member of staff at the back office."""

    def sign_in(user: User) -> Client:
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def form() -> Callable[..., dict[str, Any]]:
    """What the page of a draft sends."""

    def make(**changes: Any) -> dict[str, Any]:
        fields = {
            "title": "A fine watch",
            "slug": "fine-watch",
            "category": "watch",
            "description": "",
            "image_url": "",
            "ticket_price": "5.00",
            "currency": "gbp",
            "capacity": 100,
            "max_per_person": 10,
            "debit_percent": 20,
            "min_tickets": 0,
            "alternates": 2,
            "conditions": "Adults only.",
            "claim_seconds": 1_209_600,
            "commit_within_seconds": 604_800,
            "delay_seconds": 60,
            "question": "",
            "choices": "",
            "answer": "",
            "opens_at_0": "2030-01-01",
            "opens_at_1": "12:00",
            "closes_at_0": "2030-02-01",
            "closes_at_1": "12:00",
            "prizes-TOTAL_FORMS": 1,
            "prizes-INITIAL_FORMS": 0,
            "prizes-MIN_NUM_FORMS": 0,
            "prizes-MAX_NUM_FORMS": 1000,
            "prizes-0-position": 1,
            "prizes-0-name": "The watch",
            "prizes-0-description": "",
            "prizes-0-retail_value": "",
        }
        return fields | changes

    return make


@pytest.fixture
def purchase(alice, on_sale) -> Purchase:
    """Alice's, paid."""
    made = Purchase.objects.create(
        raffle=on_sale(),
        buyer=alice,
        quantity=1,
        amount=500,
        currency="gbp",
        status="paid",
        first_ticket=1,
        idempotency_key=uuid4().hex,
        request_digest=b"d",
        expires_at=timezone.now(),
        paid_at=timezone.now(),
    )
    Payment.objects.create(purchase=made, status="succeeded", intent_id="pi_1", client_secret="pi_1_secret_hidden")
    return made


def _messages(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def _agreed(page: Any) -> dict[str, Any]:
    """What the page sends that shows in words what is about to be fixed."""
    return {"confirmed": "1", "terms": [f"{each['raffle'].pk} {each['digest']}" for each in page.context["raffles"]]}


def test_a_manager_writes_a_draft_with_its_prizes_and_publishes_it(mona, desk, form):
    client = desk(mona)
    response = client.post(f"{RAFFLES}add/", form(), follow=True)
    assert response.status_code == 200, response.content
    raffle = Raffle.objects.get()
    assert [prize.name for prize in raffle.prizes.all()] == ["The watch"]
    assert AuditEntry.objects.get(action="raffle.created").actor == mona.pk
    chosen = {"action": "publish", "_selected_action": [str(raffle.pk)]}
    response = client.post(RAFFLES, chosen | _agreed(client.post(RAFFLES, chosen)), follow=True)
    assert "was published" in _messages(response)
    raffle.refresh_from_db()
    assert raffle.draw.sequence == 1
    assert client.get(f"{RAFFLES}{raffle.pk}/change/").status_code == 200
    again = client.post(RAFFLES, chosen, follow=True)
    assert "Only a draft can be published" in _messages(again)


def test_a_manager_changes_a_draft_and_the_change_is_audited(mona, desk, form, draft):
    raffle = draft(slug="fine-watch")
    prizes = list(raffle.prizes.all())
    rows = {"prizes-TOTAL_FORMS": 2, "prizes-INITIAL_FORMS": 2}
    for number, prize in enumerate(prizes):
        rows |= {
            f"prizes-{number}-id": prize.pk,
            f"prizes-{number}-position": prize.position,
            f"prizes-{number}-name": f"Prize {number}",
        }
        rows |= {
            f"prizes-{number}-raffle": raffle.pk,
            f"prizes-{number}-description": "",
            f"prizes-{number}-retail_value": "",
        }
    response = desk(mona).post(f"{RAFFLES}{raffle.pk}/change/", form(ticket_price="9.00", **rows), follow=True)
    assert response.status_code == 200
    raffle.refresh_from_db()
    assert raffle.ticket_price == 900
    assert [prize.name for prize in raffle.prizes.all()] == ["Prize 0", "Prize 1"]
    assert AuditEntry.objects.get(action="raffle.updated").after["ticket_price"] == "900"


FAULTS = {
    "capacity": 0,
    "ticket_price": 10**12,
    "max_per_person": -1,
    "currency": "XX",
    "category": "ship",
    "title": "",
    "slug": "a b",
    "opens_at_0": "soon",
    "closes_at_0": "2029-01-01",
    "min_tickets": 101,
    "image_url": "javascript:1",
    "delay_seconds": -1,
    "prizes-0-position": 0,
    "prizes-0-retail_value": -1,
    "alternates": 10**6,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_draft_is_shown_again_and_not_written(name, mona, desk, form):
    response = desk(mona).post(f"{RAFFLES}add/", form(**{name: FAULTS[name]}))
    assert response.status_code == 200
    assert b"errorlist" in response.content or b"errornote" in response.content
    assert Raffle.objects.count() == 0


QUESTIONS = [
    ({"question": "Which?"}, ["answer"]),
    ({"answer": "A"}, ["question"]),
    ({"question": "Which?", "answer": "C", "choices": "A\r\nB"}, ["answer"]),
    ({"question": "Which?", "answer": "A", "choices": "A\r\na"}, ["choices"]),
    ({"question": "Which?", "answer": "A", "choices": "A"}, ["choices"]),
]


@pytest.mark.parametrize(("change", "fields"), QUESTIONS, ids=[str(number) for number in range(len(QUESTIONS))])
def test_a_faulty_question_is_shown_at_its_field(change, fields, mona, desk, form):
    response = desk(mona).post(f"{RAFFLES}add/", form(**change))
    assert list(response.context["adminform"].form.errors) == fields
    assert Raffle.objects.count() == 0


def test_a_manager_writes_a_question_and_others_do_not_see_its_answer(mona, sam, audrey, desk, form):
    asked = {"question": "Which is a watch?", "choices": "Carrera T\r\n\r\n Grand Seiko ", "answer": "Grand SEIKO"}
    desk(mona).post(f"{RAFFLES}add/", form(**asked))
    raffle = Raffle.objects.get()
    assert (raffle.question, raffle.choices, raffle.answer) == (
        "Which is a watch?",
        ["Carrera T", "Grand Seiko"],
        "grand seiko",
    )
    page = f"{RAFFLES}{raffle.pk}/change/"
    assert "Carrera T\nGrand Seiko</textarea>" in desk(mona).get(page).content.decode()
    for status in ("draft", "published"):
        Raffle.objects.filter(pk=raffle.pk).update(status=status)
        assert "grand seiko" in desk(mona).get(page).content.decode()
        for reader in (sam, audrey):
            text = desk(reader).get(page).content.decode()
            assert "Which is a watch?" in text
            assert "grand seiko" not in text


@pytest.mark.parametrize("slug", ["list", "create", "00000000-0000-7000-8000-000000000000"])
def test_a_slug_that_is_another_address_is_refused_here_too(slug, mona, desk, form):
    response = desk(mona).post(f"{RAFFLES}add/", form(slug=slug))
    assert response.status_code == 200
    assert Raffle.objects.count() == 0


def test_a_slug_in_use_is_shown_as_a_fault(mona, desk, form, draft):
    draft(slug="fine-watch")
    assert desk(mona).post(f"{RAFFLES}add/", form()).status_code == 200
    assert Raffle.objects.count() == 1


def test_the_terms_of_a_published_raffle_are_only_read(mona, desk, form, on_sale):
    raffle = on_sale()
    page = desk(mona).get(f"{RAFFLES}{raffle.pk}/change/").content.decode()
    assert 'name="ticket_price"' not in page
    assert 'name="prizes-0-name"' not in page
    assert 'name="conditions"' not in page
    assert 'name="description"' in page
    # What the page sends of the two tables that it only shows.
    tables = {"prizes-TOTAL_FORMS": 0, "additions-TOTAL_FORMS": 0, "additions-INITIAL_FORMS": 0}
    assert all(f'name="{name}"' in page for name in tables)
    changes = form(ticket_price=1, description="New words.", conditions="None.", **tables)
    assert desk(mona).post(f"{RAFFLES}{raffle.pk}/change/", changes, follow=True).status_code == 200
    raffle.refresh_from_db()
    assert (raffle.ticket_price, raffle.conditions, raffle.description) == (500, "Adults only.", "New words.")
    assert desk(mona).post(f"{RAFFLES}{raffle.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_draft_can_be_deleted_and_only_a_published_raffle_cancelled(mona, desk, draft, on_sale):
    written, sold, client = draft(slug="d"), on_sale(), desk(mona)
    data = {"action": "cancel", "_selected_action": [str(sold.pk), str(written.pk)]}
    response = client.post(RAFFLES, data | {"confirmed": "1", "reason": "The watch was stolen."}, follow=True)
    assert "was cancelled" in _messages(response)
    sold.refresh_from_db()
    written.refresh_from_db()
    assert (sold.status, written.status) == ("cancelled", "draft")
    assert client.post(f"{RAFFLES}{written.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Raffle.objects.filter(pk=written.pk).exists()


@pytest.mark.parametrize("action", ["publish", "cancel"])
@pytest.mark.parametrize("who", ["fiona", "sam", "audrey"])
def test_nobody_else_publishes_or_cancels(action, who, request, desk, draft):
    raffle = draft()
    data = {"action": action, "_selected_action": [str(raffle.pk)], "confirmed": "1", "reason": "Mine."}
    desk(request.getfixturevalue(who)).post(RAFFLES, data, follow=True)
    raffle.refresh_from_db()
    assert raffle.status == "draft"


@pytest.mark.parametrize(("who", "may"), [("fiona", True), ("sam", False), ("audrey", False)])
def test_finance_alone_refunds(who, may, request, desk, purchase):
    data = {"action": "refund", "_selected_action": [str(purchase.pk)], "confirmed": "1", "reason": "They asked."}
    desk(request.getfixturevalue(who)).post("/admin/purchases/purchase/", data, follow=True)
    assert Refund.objects.filter(payment__purchase=purchase).exists() is may


def test_a_purchase_that_cannot_be_refunded_says_why(fiona, desk, purchase):
    Purchase.objects.filter(pk=purchase.pk).update(status="pending")
    data = {"action": "refund", "_selected_action": [str(purchase.pk)], "confirmed": "1", "reason": "They asked."}
    response = desk(fiona).post("/admin/purchases/purchase/", data, follow=True)
    assert "Only a purchase paid by card can be refunded" in _messages(response)


def test_no_page_shows_a_secret(person, desk, purchase, alice):
    pair = open_session(alice, user_agent="")
    told = Notification.objects.create(
        user=alice, kind="verify_email", context={"token": "link-hidden"}, dedupe_key="k"
    )
    client = desk(person("root", role="auditors", is_superuser=True))
    pages = [
        f"purchases/purchase/{purchase.pk}/change/",
        f"accounts/notification/{told.pk}/change/",
        f"accounts/session/{Session.objects.get().pk}/change/",
        f"accounts/user/{alice.pk}/change/",
    ]
    token_id = str(Session.objects.get().token_id)
    for page in pages:
        response = client.get(f"/admin/{page}")
        assert response.status_code == 200, page
        text = response.content.decode()
        for secret in ("secret_hidden", "link-hidden", pair.refresh, token_id, token_id.replace("-", "")):
            assert secret not in text, page


PAGES = [
    "raffles/raffle",
    "purchases/purchase",
    "purchases/postalentry",
    "purchases/skillattempt",
    "verification/draw",
    "accounts/user",
    "audit/auditentry",
    "django_q/ormq",
]


@pytest.mark.parametrize("page", PAGES)
def test_auditors_open_and_search_every_list_and_write_nowhere(page, audrey, desk, purchase):
    client = desk(audrey)
    for query in (
        "",
        "?q=fine",
        "?q=%00",
        "?q=" + "x" * 5000,
        "?p=99",
        "?o=1.2",
        "?q=00000000-0000-7000-8000-000000000000",
    ):
        assert client.get(f"/admin/{page}/{query}").status_code in {200, 302}, query
    assert client.get(f"/admin/{page}/?nowhere=1").status_code == 400
    assert client.get(f"/admin/{page}/add/").status_code == 403


@pytest.mark.parametrize("page", PAGES)
def test_a_row_that_is_not_there_leads_back(page, audrey, desk):
    # The number is the largest: a small one may be there.
    for key in ("00000000-0000-7000-8000-000000000000", "x", str(2**63 - 1), "%00"):
        assert desk(audrey).get(f"/admin/{page}/{key}/change/").status_code in {302, 404}, key


def test_support_ends_nobody_s_session_and_the_superuser_does(sam, alice, person, desk):
    open_session(alice, user_agent="")
    data = {"action": "end", "_selected_action": [str(Session.objects.get().pk)], "confirmed": "1", "reason": "Stolen."}
    assert desk(sam).post("/admin/accounts/session/", data).status_code == 403
    desk(person("root", role="auditors", is_superuser=True)).post("/admin/accounts/session/", data, follow=True)
    assert Session.objects.alive().count() == 0


def test_a_raffle_s_list_costs_the_same_for_many(mona, desk, on_sale, django_assert_max_num_queries):
    client = desk(mona)
    for _ in range(12):
        on_sale()
    with django_assert_max_num_queries(12):
        assert client.get(RAFFLES).status_code == 200


def test_the_back_office_signs_in_by_e_mail(mona):
    mona.set_password("correct horse battery staple")
    mona.save()
    client = Client()
    data = {"username": "MONA@example.com", "password": "correct horse battery staple", "next": "/admin/"}
    assert client.post("/admin/login/", data, follow=True).redirect_chain == [("/admin/", 302)]
    assert client.get("/admin/").status_code == 200
