"""Holds that run out again and again make their person wait, longer each time; what is let go early does not count."""

from datetime import datetime, timedelta

import pytest
import stripe
from django.utils import timezone

from accounts.models import User
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from purchases import errors, services
from purchases.models import LapseWait, Payment, Purchase
from purchases.services.holds import release_hold
from purchases.tests.stage import bought, buy, counts, hold, pay

WAITS = [(3, timedelta(minutes=5)), (4, timedelta(minutes=15)), (5, timedelta(hours=1)), (6, timedelta(hours=6))]


def ago(purchase, seconds):
    """As if it had been made so many seconds earlier."""
    gone = timedelta(seconds=seconds)
    Purchase.objects.filter(pk=purchase.pk).update(
        created_at=purchase.created_at - gone, expires_at=purchase.expires_at - gone
    )
    return purchase


@pytest.fixture
def lapse(alice, on_sale, settings):
    """`lapse()`: Alice lets a hold run out."""
    raffle = on_sale()

    def run_out():
        purchase = ago(buy(alice, raffle), settings.HOLD_SECONDS + 1)
        services.expire_purchase(purchase.pk)
        return Purchase.objects.get(pk=purchase.pk)

    run_out.raffle = raffle
    return run_out


def lapsed(hours, times, user, raffle):
    """Holds that ran out before, and nobody was made to wait for."""
    for number in range(times):
        purchase = Purchase.objects.create(
            raffle=raffle,
            buyer=user,
            quantity=1,
            amount=500,
            currency="gbp",
            status="expired",
            idempotency_key=f"lapsed {hours} {number}",
            request_digest=b"d",
            expires_at=timezone.now(),
        )
        Purchase.objects.filter(pk=purchase.pk).update(lapsed_at=timezone.now() - timedelta(hours=hours))


def test_the_waits_are_rows(db):
    assert list(LapseWait.objects.values_list("lapses", "wait")) == WAITS


def test_after_three_that_ran_out_one_waits_and_is_told_until_when(lapse, alice, new_key):
    assert all(lapse().lapsed_at for _ in range(3))
    newest = Purchase.objects.latest("lapsed_at").lapsed_at
    body = {"raffle": str(lapse.raffle.pk), "quantity": 1}
    client = client_of(alice)
    with nothing_written():
        response = client.post("/api/v1/purchases/create", body, headers=new_key())
    problem = assert_problem(response, 429, "too_many_lapsed_holds")
    assert datetime.fromisoformat(problem["try_again_at"]) == newest + timedelta(minutes=5)
    assert 0 < int(response["Retry-After"]) <= 300
    assert counts(lapse.raffle) == (0, 0)


@pytest.mark.parametrize(("times", "wait"), [(3, WAITS[0][1]), (4, WAITS[1][1]), (5, WAITS[2][1]), (9, WAITS[3][1])])
def test_each_makes_one_wait_longer(times, wait, alice, bob, on_sale):
    raffle = on_sale()
    lapsed(0, times, alice, raffle)
    with pytest.raises(errors.TooManyLapsedHolds) as refusal:
        hold(alice, raffle)
    left = refusal.value.data["try_again_at"] - timezone.now()
    assert wait - timedelta(minutes=1) < left <= wait
    assert hold(bob, raffle).status == "pending"


def test_what_is_a_day_old_or_waited_for_does_not_count(alice, on_sale):
    raffle = on_sale()
    lapsed(25, 9, alice, raffle)
    lapsed(1, 4, alice, raffle)
    assert hold(alice, raffle).status == "pending"


def test_no_lapse_is_what_was_paid_late_or_could_not_be_paid_or_ended_with_its_raffle(
    alice, on_sale, settings, run_tasks
):
    raffle = on_sale()
    late = ago(buy(alice, raffle), settings.HOLD_SECONDS + 1)
    pay(late.payment.client_secret).raise_for_status()
    services.expire_purchase(late.pk)
    unpayable = ago(hold(alice, raffle), settings.HOLD_SECONDS + 1)
    assert release_hold(unpayable.pk)
    cancelled = ago(buy(alice, raffle), settings.HOLD_SECONDS - 1)
    Purchase.objects.filter(pk=cancelled.pk).update(expires_at=timezone.now() + timedelta(minutes=1))
    raffle.status = "cancelled"
    type(raffle).objects.filter(pk=raffle.pk).update(status="cancelled")
    services.refund_raffle(raffle.pk)
    run_tasks()
    assert not Purchase.objects.exclude(lapsed_at=None).exists()


def cancel(user, purchase):
    return client_of(user).post(f"/api/v1/purchases/{purchase.pk}/cancel")


def test_a_buyer_lets_a_hold_go_at_once(alice, on_sale):
    raffle = on_sale()
    purchase = buy(alice, raffle, 3)
    for _ in range(2):
        answer = cancel(alice, purchase)
        assert (answer.status_code, answer.json()["status"], answer.json()["client_secret"]) == (200, "expired", None)
    assert counts(raffle) == (0, 0)
    assert stripe.PaymentIntent.retrieve(Payment.objects.get().intent_id).status == "canceled"
    assert Purchase.objects.get().lapsed_at is None
    entry = AuditEntry.objects.get(action="purchase.checkout_ended")
    assert (entry.actor, entry.after) == (alice.pk, {"because": "let_go"})
    assert hold(alice, raffle).status == "pending"


def test_what_is_let_go_late_counts_as_run_out(alice, on_sale, settings):
    purchase = ago(buy(alice, on_sale()), settings.HOLD_SECONDS - 5)
    assert cancel(alice, purchase).json()["status"] == "expired"
    assert Purchase.objects.get().lapsed_at


def test_what_was_paid_meanwhile_is_settled_instead(alice, on_sale):
    purchase = buy(alice, on_sale())
    pay(purchase.payment.client_secret).raise_for_status()
    assert cancel(alice, purchase).json()["status"] == "paid"


def test_while_stripe_is_away_the_hold_is_over_and_a_sweep_ends_it(alice, on_sale, no_stripe, run_tasks):
    purchase = buy(alice, on_sale())
    away = no_stripe()
    assert_problem(cancel(alice, purchase), 503, "payment_provider_unavailable")
    away.undo()
    run_tasks()
    assert Purchase.objects.get().status == "expired"


def test_nobody_lets_go_what_is_paid_or_another_s(alice, bob, on_sale):
    purchase = bought(alice, on_sale())
    assert_problem(cancel(alice, purchase), 409, "not_held")
    assert_problem(cancel(bob, purchase), 404, "not_found")
    assert client_of(alice).post("/api/v1/purchases/nonsense/cancel").status_code == 404


def test_a_wait_is_changed_in_the_back_office_within_a_day_and_audited(lapse, alice, person, client):
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    client.force_login(root)
    page = "/admin/purchases/lapsewait/3/change/"
    for wrong in ("2 00:00:00", "-1 00:00:00", "soon"):
        assert client.post(page, {"wait": wrong}).status_code == 200
    assert client.post(page, {"wait": "00:20:00"}).status_code == 302
    row = AuditEntry.objects.get(action="lapse_wait.changed")
    assert (row.actor, row.before, row.after) == (root.pk, {"wait_seconds": 300}, {"wait_seconds": 1200})
    for _ in range(3):
        lapse()
    with pytest.raises(errors.TooManyLapsedHolds) as refusal:
        hold(alice, lapse.raffle)
    assert refusal.value.data["try_again_at"] - timezone.now() > timedelta(minutes=19)


def test_others_see_the_waits_and_change_none(person, client):
    client.force_login(person("fay", role="finance"))
    page = "/admin/purchases/lapsewait/3/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"wait": "00:20:00"}).status_code == 403
    assert client.get("/admin/purchases/lapsewait/add/").status_code == 403
