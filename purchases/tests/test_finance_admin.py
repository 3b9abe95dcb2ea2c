"""Finance in the back office: what needs a look is found, and every way to end it asks for a reason first."""

import html
import json
import re
from datetime import timedelta

import pytest
import stripe
from django.test import Client
from django.utils import timezone

from accounts.services import exclude_from_buying
from luxewin.audit.models import AuditEntry
from purchases import gateway, services
from purchases.errors import NotRefundable
from purchases.models import Payment, Purchase, Reconciliation, Refund, StaleMirror, StripeNotice, UnstoredEvent
from purchases.tests.stage import bought, buy, confirm, hold, pay

PURCHASES, REFUNDS = "/admin/purchases/purchase/", "/admin/purchases/refund/"
pytestmark = [pytest.mark.usefixtures("own_stripe"), pytest.mark.filterwarnings("ignore:Overriding get_actions")]


@pytest.fixture
def desk():
    """A member of staff at the back office."""

    def sign_in(user):
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def act(client, action, *rows, page=PURCHASES, **fields):
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows], **fields}
    return html.unescape(client.post(page, data, follow=True).content.decode())


@pytest.fixture
def reviewed(alice, on_sale):
    """Somebody lowered the amount at Stripe: 4 of 5 pounds came."""
    purchase = buy(alice, on_sale(ticket_price=500))
    stripe.PaymentIntent.modify(purchase.payment.intent_id, amount=400)
    pay(purchase.payment.client_secret).raise_for_status()
    return services.settle_purchase(purchase.pk)


def test_a_refund_wants_a_reason_first_and_the_reason_is_kept(alice, fiona, on_sale, desk):
    purchase, client = bought(alice, on_sale()), desk(fiona)
    page = act(client, "refund", purchase)
    assert 'name="reason"' in page
    assert str(purchase.pk) in page
    assert f"<li>{alice.email}, 1 ticket of {purchase.raffle}, 5.00\N{NO-BREAK SPACE}GBP</li>" in page
    assert 'name="reason"' in act(client, "refund", purchase, confirmed="1", reason="  ")
    assert not Refund.objects.exists()
    told = act(client, "refund", purchase, confirmed="1", reason="Bought by mistake.")
    assert f"Being refunded: {alice.email}, 1 ticket of {purchase.raffle}" in told
    assert Refund.objects.get().reason == "Bought by mistake."
    entry = AuditEntry.objects.get(action="purchase.refunding")
    assert (entry.actor, entry.after["reason"]) == (fiona.pk, "Bought by mistake.")


def test_of_several_each_says_how_it_went(alice, bob, fiona, on_sale, desk):
    raffle = on_sale()
    paid, held = bought(alice, raffle), hold(bob, raffle)
    told = act(desk(fiona), "refund", paid, held, confirmed="1", reason="Both.")
    assert f"Being refunded: {alice.email}, 1 ticket" in told
    assert re.search(f"Not done: {re.escape(bob.email)}, .* Only a purchase paid by card can be refunded", told)


def test_a_review_ends_by_sending_back_what_came(reviewed, fiona, desk, run_tasks):
    assert reviewed.status == "review"
    told = act(desk(fiona), "resolve", reviewed, confirmed="1", reason="The amount was changed.")
    assert f"4.00\N{NO-BREAK SPACE}GBP is being refunded: {reviewed.buyer.email}" in told
    run_tasks()
    refund = Refund.objects.get()
    assert (refund.amount, refund.status, Purchase.objects.get().status) == (400, "succeeded", "refunded")
    assert [each.amount for each in stripe.Refund.list(payment_intent=reviewed.payment.intent_id).data] == [400]
    # What did not match stays on record.
    assert Purchase.objects.get().review_evidence["faults"]
    assert not list(services.faults_of_the_books())
    with pytest.raises(NotRefundable):
        services.resolve_review(reviewed.pk, reason="Again.")


def test_what_is_not_in_review_has_nothing_to_send_back(alice, fiona, on_sale, desk):
    told = act(desk(fiona), "resolve", bought(alice, on_sale()), confirmed="1", reason="A try.")
    assert "There is no money to refund from a review" in told
    assert not Refund.objects.exists()


def test_what_its_tickets_were_paid_with_does_not_go_back_while_they_stay(alice, on_sale):
    purchase = bought(alice, on_sale())
    Payment.objects.update(customer="cus_of_somebody_else")  # now the money does not match
    with pytest.raises(NotRefundable):
        services.resolve_review(purchase.pk, reason="A try.")
    assert not Refund.objects.exists()


def test_a_lost_dispute_takes_the_purchase_out(alice, fiona, on_sale, desk, own_stripe):
    purchase = bought(alice, on_sale())
    client = desk(fiona)
    assert "can be withdrawn without refund" in act(client, "void", purchase, confirmed="1", reason="Not lost.")
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    stripe.Dispute.close(dispute["id"])
    services.note_dispute(dispute["id"])
    assert "Withdrawn without refund: " in act(client, "void", purchase, confirmed="1", reason="Lost.")
    assert Purchase.objects.get().status == "void"


def test_a_failed_refund_is_tried_again(alice, fiona, on_sale, desk, own_stripe, run_tasks):
    purchase = buy(alice, on_sale())
    confirm(purchase.payment.client_secret, "pm_card_refundFail").raise_for_status()
    services.settle_purchase(purchase.pk)
    refund = services.request_refund(purchase.pk, reason="Sold the car.")
    run_tasks()
    client = desk(fiona)
    assert "Only a failed refund can be tried again" in act(client, "retry", refund, page=REFUNDS)
    refund.refresh_from_db()
    own_stripe(f"refunds/{refund.stripe_id}/finish")
    services.note_refund(refund.stripe_id)
    assert f"to {alice.email}: trying the refund again." in act(client, "retry", refund, page=REFUNDS)
    refund.refresh_from_db()
    assert (refund.status, refund.attempt) == ("requested", 2)


@pytest.mark.parametrize("who", ["sam", "audrey", "mona"])
@pytest.mark.parametrize("action", ["refund", "void", "resolve"])
def test_nobody_else_sends_money_back(who, action, request, alice, on_sale, desk):
    purchase = bought(alice, on_sale())
    client = desk(request.getfixturevalue(who))
    act(client, action, purchase, confirmed="1", reason="Because.")
    assert not Refund.objects.exists()
    assert Purchase.objects.get().status == "paid"


def test_what_needs_a_look_is_found(alice, bob, fiona, on_sale, desk, own_stripe, reviewed, run_tasks):
    raffle = on_sale()
    disputed, failed, plain = bought(alice, raffle), bought(bob, raffle), bought(bob, raffle)
    dispute = own_stripe("disputes", payment_intent=disputed.payment.intent_id)
    services.note_dispute(dispute["id"])
    own_stripe("faults", path="^/v1/refunds$", method="POST", status=400, times=2)
    services.request_refund(failed.pk, reason="They asked.")
    run_tasks()
    expected = {"review": reviewed, "flagged": reviewed, "disputed": disputed, "refund_failed": failed}
    for attention, purchase in expected.items():
        listed = desk(fiona).get(f"{PURCHASES}?attention={attention}").context["cl"].queryset
        assert list(listed) == [purchase], attention
    assert plain in desk(fiona).get(PURCHASES).context["cl"].queryset
    page = desk(fiona).get(PURCHASES).content.decode()
    assert (page.count("Paid, disputed"), page.count("refund failed")) == (1, 1)
    stripe.Dispute.modify(dispute["id"], evidence={"uncategorized_text": "winning_evidence"}, submit=True)
    services.note_dispute(dispute["id"])
    assert not desk(fiona).get(f"{PURCHASES}?attention=disputed").context["cl"].queryset
    assert "Paid, disputed" not in desk(fiona).get(PURCHASES).content.decode()


def test_a_purchase_s_page_shows_its_money_and_no_secret(alice, fiona, on_sale, desk, own_stripe, run_tasks):
    purchase = bought(alice, on_sale())
    own_stripe("disputes", payment_intent=purchase.payment.intent_id, reason="product_not_received")
    services.note_dispute(stripe.Dispute.list(payment_intent=purchase.payment.intent_id).data[0].id)
    services.request_refund(purchase.pk, reason="They asked.")
    run_tasks()
    page = desk(fiona).get(f"{PURCHASES}{purchase.pk}/change/").content.decode()
    price = "5.00\N{NO-BREAK SPACE}GBP"
    for shown in (purchase.payment.intent_id, "product_not_received", "needs_response", price, "They asked."):
        assert shown in page
    assert "_secret_" not in page


@pytest.mark.parametrize("who", ["fiona", "audrey"])
def test_every_page_about_money_opens_and_hides_secrets(who, request, alice, on_sale, desk, own_stripe, hear, reviewed):
    purchase = bought(alice, on_sale())
    own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    services.request_refund(purchase.pk, reason="They asked.")
    hear()
    Reconciliation.objects.create(since=purchase.created_at, until=purchase.created_at, reached=purchase.created_at)
    client = desk(request.getfixturevalue(who))
    for model in (
        "purchases/payment",
        "purchases/refund",
        "purchases/dispute",
        "purchases/reconciliation",
        "djstripe/event",
        "djstripe/paymentintent",
        "djstripe/dispute",
    ):
        rows = client.get(f"/admin/{model}/?q=a" if model != "purchases/reconciliation" else f"/admin/{model}/")
        assert rows.status_code == 200, model
        listed = client.get(f"/admin/{model}/").context["cl"].queryset
        assert listed, model
        page = client.get(f"/admin/{model}/{listed[0].pk}/change/")
        assert page.status_code == 200, model
        assert "_secret_" not in page.content.decode(), model


def test_a_review_is_read_with_what_came_and_what_was_due(reviewed, fiona, desk):
    page = html.unescape(desk(fiona).get(f"{PURCHASES}{reviewed.pk}/change/").content.decode())
    assert "<div>amount_received is 400, expected 500</div>" in page
    assert re.search(rf"<div>4.00\xa0GBP was paid by cus_\w+ with {reviewed.payment.intent_id}</div>", page)
    assert str(reviewed.pk) in page
    assert "{'" not in page


def test_lists_name_people_raffles_and_amounts(alice, fiona, on_sale, desk, own_stripe, hear):
    purchase = bought(alice, on_sale())
    dispute = own_stripe("disputes", payment_intent=purchase.payment.intent_id)
    services.note_dispute(dispute["id"])
    services.request_refund(purchase.pk, reason="They asked.")
    hear()
    client, price = desk(fiona), "5.00\N{NO-BREAK SPACE}GBP"
    for model in ("purchase", "payment", "refund", "dispute"):
        page = html.unescape(client.get(f"/admin/purchases/{model}/").content.decode())
        for shown in (alice.email, str(purchase.raffle), price):
            assert shown in page, model
    for model in ("paymentintent", "charge", "dispute"):
        assert price in client.get(f"/admin/djstripe/{model}/").content.decode(), model
    assert "Being refunded, disputed" in client.get(PURCHASES).content.decode()


UNSTORED = "/admin/purchases/unstoredevent/"


def unstored(content):
    return UnstoredEvent.objects.create(
        pk="evt_1", type="refund.updated", content=content, made_at=timezone.now(), error="KeyError: 'data'"
    )


@pytest.mark.parametrize(("who", "acts"), [("fiona", True), ("audrey", False)])
def test_an_event_that_could_not_be_taken_in_is_shown_with_its_fault_and_tried_by_finance(who, acts, request, desk):
    client = desk(request.getfixturevalue(who))
    kept = unstored('{"id": "evt_1", "client_secret": "pi_1_secret_2"}')
    page = html.unescape(client.get(UNSTORED).content.decode())
    for shown in ("refund.updated", "KeyError: 'data'", "evt_1"):
        assert shown in page
    assert "_secret_" not in client.get(f"{UNSTORED}{kept.pk}/change/").content.decode()
    assert ("Not processed" in act(client, "try_again", kept, page=UNSTORED)) is acts
    kept.refresh_from_db()
    assert kept.tries == 1 + acts


def test_once_it_is_taken_in_it_is_there_no_more(alice, fiona, on_sale, desk):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    started = timezone.now()
    pages = gateway.events_between(started - timedelta(minutes=5), started + timedelta(seconds=5))
    [event] = [each for page in pages for each in page]
    told = act(desk(fiona), "try_again", unstored(json.dumps(event)), page=UNSTORED)
    assert "Processed: refund.updated evt_1." in told
    assert not UnstoredEvent.objects.exists()
    assert StripeNotice.objects.get().pk == purchase.payment.intent_id


def test_a_record_that_fails_again_and_again_is_shown_with_its_fault(fiona, desk, monkeypatch):
    services.note_change((StripeNotice.About.INTENT, "pi_1"))
    StaleMirror.objects.update(tries=7, error="KeyError: 'customer'")
    page = html.unescape(desk(fiona).get("/admin/purchases/stalemirror/").content.decode())
    assert "KeyError: 'customer'" in page
    assert "pi_1" in page


def test_a_card_of_somebody_who_is_excluded_is_shown_where_another_account_pays_with_it(
    alice, bob, people, fiona, on_sale, desk, run_tasks
):
    raffle, (other,) = on_sale(), people(1)
    mine = bought(alice, raffle)
    bought(bob, raffle)
    bought(other, raffle)
    run_tasks()
    page = f"{PURCHASES}{mine.pk}/change/"
    assert bob.email not in desk(fiona).get(page).content.decode()
    exclude_from_buying(bob, months=6, password=None, actor=bob)
    shown = desk(fiona).get(page).content.decode()
    assert bob.email in shown
    assert other.email not in shown
    exclude_from_buying(alice, months=6, password=None, actor=alice)
    assert services.excluded_people_with_same_card(mine) == [bob]


def test_another_card_is_nobody_elses(alice, bob, on_sale, run_tasks):
    raffle = on_sale()
    mine = bought(alice, raffle)
    theirs = buy(bob, raffle)
    pay(theirs.payment.client_secret, "5555555555554444").raise_for_status()
    services.settle_purchase(theirs.pk)
    run_tasks()
    exclude_from_buying(bob, months=6, password=None, actor=bob)
    assert services.excluded_people_with_same_card(mine) == []
