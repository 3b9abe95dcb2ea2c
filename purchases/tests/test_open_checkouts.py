"""Open checkouts whose buyer may not buy any more: what ends them, and what becomes of money that still comes."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.eligibility import eligibilities_of
from accounts.models import Notification, User
from accounts.services import exclude_from_buying, pause_buying, set_spend_limit, update_profile
from accounts.tests.guarding import publish, rule
from luxewin.audit.models import AuditEntry
from purchases import services
from purchases.models import Payment, Purchase, Refund
from purchases.services import eligibility_changes
from purchases.tests.books import check_books
from purchases.tests.stage import bought, buy, counts, hold, pay, seated


def _columns(**values):
    """A change that goes past every service."""
    return lambda user: User.objects.filter(pk=user.pk).update(**values)


def _typed_by_hand(user):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET date_of_birth = '2012-01-01' WHERE id = %s", [user.pk])


def _years_ago(years):
    return timezone.now().date() - timedelta(days=365 * years)


# How the change comes about, and what the buyer reads where money came all the same.
CHANGES = {
    "pause": (lambda user: pause_buying(user, hours=24, actor=user), "paused buying"),
    "exclusion": (lambda user: exclude_from_buying(user, months=6, password=None, actor=user), "excluded yourself"),
    "limit": (lambda user: set_spend_limit(user, currency="gbp", limit=0), "monthly spending limit"),
    "limit of another currency": (lambda user: set_spend_limit(user, currency="eur", limit=0), "monthly spending"),
    "birth date": (_columns(date_of_birth=_years_ago(15)), "too young"),
    "birth date, by hand": (_typed_by_hand, "too young"),
    "no birth date": (_columns(date_of_birth=None), "profile"),
    "move": (lambda user: (rule("US", allowed=False), update_profile(user, country="US")), "where you live"),
    "country closed": (lambda user: rule("GB", allowed=False), "where you live"),
    "age of the country": (lambda user: rule("GB", minimum_age=99), "too young"),
    "regions": (lambda user: rule("GB", "GB-SCT"), "profile"),
    "address not verified": (_columns(email_verified_at=None), "e-mail address"),
    "account closed": (_columns(is_active=False), "account was closed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkout_that_no_longer_fits_ends_and_cannot_be_paid(change, alice, bob, on_sale, run_tasks):
    raffle = on_sale()
    mine = buy(alice, raffle, 2)
    other = hold(bob, on_sale(slug="other", currency="eur"))
    User.objects.filter(pk=bob.pk).update(country="FR")
    CHANGES[change][0](alice)
    run_tasks()
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.status, other.status) == ("expired", "pending")
    assert Payment.objects.get(purchase=mine).status == "canceled"
    assert pay(mine.payment.client_secret).is_error
    assert counts(raffle) == (0, 0)
    assert AuditEntry.objects.get(action="purchase.checkout_ended").subject_id == str(mine.pk)
    check_books()


@pytest.mark.parametrize("change", CHANGES)
def test_money_that_comes_all_the_same_goes_back_and_the_buyer_is_told_why(change, alice, on_sale, run_tasks):
    happens, because = CHANGES[change]
    raffle = on_sale()
    mine = buy(alice, raffle, 2)
    happens(alice)
    pay(mine.payment.client_secret).raise_for_status()
    settled = services.settle_purchase(mine.pk)
    assert (settled.status, settled.first_ticket) == ("refunding", None)
    assert counts(raffle) == (0, 0)
    run_tasks()
    mine.refresh_from_db()
    assert mine.status == "refunded"
    assert because in Refund.objects.get().reason
    assert because in Notification.objects.mails().get(kind="purchase_refunded").context["reason"]
    check_books()


def test_a_higher_minimum_age_ends_checkouts_too(alice, on_sale, run_tasks, settings):
    mine = buy(alice, on_sale())
    settings.MINIMUM_AGE = 99
    run_tasks()
    mine.refresh_from_db()
    assert mine.status == "expired"


def test_new_terms_end_checkouts_but_what_was_paid_before_stays(alice, on_sale, run_tasks):
    raffle = on_sale()
    paid, open_one = buy(alice, raffle), buy(alice, raffle)
    pay(paid.payment.client_secret).raise_for_status()
    publish("2")
    run_tasks()
    assert dict(Purchase.objects.values_list("pk", "status")) == {paid.pk: "paid", open_one.pk: "expired"}


def test_a_rule_that_is_set_for_later_ends_checkouts_when_its_time_comes(alice, on_sale, run_tasks):
    mine = buy(alice, on_sale())
    rule("GB", allowed=False, effective_from=timezone.now() + timedelta(hours=1))
    run_tasks()
    mine.refresh_from_db()
    assert mine.status == "pending"


def test_however_many_are_in_a_checkout_each_statement_asks_of_a_few(people, on_sale, run_tasks, monkeypatch):
    asked = []

    def ask(some):
        asked.append(len(some))
        return eligibilities_of(some)

    monkeypatch.setattr(eligibility_changes, "eligibilities_of", ask)
    monkeypatch.setattr(eligibility_changes, "BATCH", 2)
    raffle = on_sale()
    for buyer in people(5):
        hold(buyer, raffle)
    rule("GB", allowed=False)
    assert services.note_blocked_buyers() == 5
    assert services.note_blocked_buyers() == 0
    assert asked == [2, 2, 1]
    run_tasks()
    assert set(Purchase.objects.values_list("status", flat=True)) == {"expired"}


def test_a_lower_limit_ends_the_newest_checkouts_first(alice, on_sale, run_tasks):
    raffle, euros = on_sale(), on_sale(slug="euros", currency="eur")
    seated(alice, raffle, 1)
    first, second, third = (buy(alice, raffle, quantity) for quantity in (2, 2, 1))
    other = buy(alice, euros)
    set_spend_limit(alice, currency="gbp", limit=1_500)
    run_tasks()
    states = dict(Purchase.objects.exclude(status="paid").values_list("pk", "status"))
    # Nothing is left for another currency, which the limit does not name.
    assert states == {first.pk: "pending"} | dict.fromkeys((second.pk, third.pk, other.pk), "expired")


def test_a_limit_with_room_for_the_oldest_keeps_it_payable(alice, on_sale, run_tasks):
    raffle = on_sale()
    first, second, third = (buy(alice, raffle, quantity) for quantity in (2, 2, 1))
    set_spend_limit(alice, currency="gbp", limit=1_900)
    # Paid first, but begun last.
    pay(second.payment.client_secret).raise_for_status()
    assert services.settle_purchase(second.pk).status == "refunding"
    run_tasks()
    pay(first.payment.client_secret).raise_for_status()
    assert services.settle_purchase(first.pk).status == "paid"
    third.refresh_from_db()
    assert third.status in {"pending", "expired"}
    assert services.spent_this_month(alice.pk)["gbp"] <= 1_900
    check_books()


def test_a_limit_that_still_fits_ends_nothing(alice, on_sale, run_tasks):
    mine = buy(alice, on_sale(), 2)
    set_spend_limit(alice, currency="gbp", limit=1_000)
    run_tasks()
    pay(mine.payment.client_secret).raise_for_status()
    assert services.settle_purchase(mine.pk).status == "paid"


def test_a_checkout_of_last_month_counts_with_last_month(alice, on_sale, run_tasks):
    raffle = on_sale()
    old, new = buy(alice, raffle, 2), buy(alice, raffle, 2)
    begun = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    Purchase.objects.filter(pk=old.pk).update(created_at=begun - timedelta(seconds=1))
    set_spend_limit(alice, currency="gbp", limit=1_000)
    run_tasks()
    assert set(Purchase.objects.values_list("status", flat=True)) == {"pending"}
    set_spend_limit(alice, currency="gbp", limit=500)
    run_tasks()
    assert set(Purchase.objects.values_list("status", flat=True)) == {"expired"}
    assert {old.pk, new.pk} == set(Purchase.objects.values_list("pk", flat=True))


def _flags():
    return dict(Purchase.objects.filter(review_evidence__isnull=False).values_list("pk", "review_evidence__faults"))


def test_what_a_minor_paid_goes_to_finance(alice, bob, on_sale, run_tasks):
    raffle = on_sale()
    mine = bought(alice, raffle)
    bought(bob, raffle)
    User.objects.filter(pk=alice.pk).update(date_of_birth=_years_ago(15))
    run_tasks()
    run_tasks()
    assert _flags() == {mine.pk: ["By the birth date and place known now, the buyer was under 18 when they bought."]}
    mine.refresh_from_db()
    assert mine.status == "paid"
    assert AuditEntry.objects.filter(action="purchase.flagged").count() == 1


def test_what_somebody_paid_before_they_came_of_age_goes_to_finance_too(alice, on_sale, run_tasks):
    raffle = on_sale()
    before, since = seated(alice, raffle), seated(alice, raffle)
    Purchase.objects.filter(pk=before.pk).update(created_at=timezone.now() - timedelta(days=400))
    User.objects.filter(pk=alice.pk).update(date_of_birth=timezone.now().date() - timedelta(days=365 * 18 + 100))
    run_tasks()
    assert _flags() == {before.pk: ["By the birth date and place known now, the buyer was under 18 when they bought."]}
    assert since.status == "paid"


def test_a_rule_that_came_after_a_purchase_makes_nobody_a_minor(alice, on_sale, run_tasks):
    seated(alice, on_sale())
    rule("GB", minimum_age=50)
    User.objects.filter(pk=alice.pk).update(date_of_birth=date(1991, 1, 1))
    run_tasks()
    assert _flags() == {}
