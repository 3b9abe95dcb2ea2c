"""Buying within what protects people: each refusal by its code, what a limit counts, and what becomes of holds."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.errors import AccountInactive, Paused, SelfExcluded, TermsNotAccepted
from accounts.models import User
from accounts.services import accept_terms, exclude_from_buying, pause_buying, set_spend_limit
from accounts.tests.guarding import a_day_later, over, publish, rule
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written
from purchases import errors, services
from purchases.models import Payment, Purchase, Refund
from purchases.services.holds import release_hold
from purchases.services.postal import enter_postal
from purchases.tests.books import check_books
from purchases.tests.limits import passed_limits
from purchases.tests.stage import bought, buy, counts, hold, key, pay, seated

URL = "/api/v1/purchases/create"


def _pause(user):
    pause_buying(user, hours=24, actor=user)


def _exclude(user):
    exclude_from_buying(user, months=6, password=None, actor=user)


def _is_young(user):
    User.objects.filter(pk=user.pk).update(date_of_birth=timezone.now().date() - timedelta(days=17 * 365))


def _is_unknown(user):
    User.objects.filter(pk=user.pk).update(date_of_birth=None, country="")


# What happens before, the code, and what the refusal says besides.
REFUSALS = {
    "paused": (_pause, "paused", {"paused_until"}),
    "excluded": (_exclude, "self_excluded", {"excluded_until"}),
    "too young": (_is_young, "under_age", {"minimum_age"}),
    "unknown": (_is_unknown, "profile_incomplete", {"fields"}),
    "country": (lambda user: rule("GB", allowed=False), "country_not_allowed", set()),
    "older there": (lambda user: rule("GB", minimum_age=99), "under_age", {"minimum_age"}),
    "terms": (lambda user: publish("1"), "terms_not_accepted", {"version", "url"}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_whoever_may_not_buy_holds_nothing_and_is_told_why(case, alice, on_sale, new_key):
    happens, code, facts = REFUSALS[case]
    raffle, client = on_sale(), client_of(alice)
    happens(alice)
    with nothing_written():
        response = client.post(URL, {"raffle": str(raffle.pk), "quantity": 1}, headers=new_key())
    problem = assert_problem(response, 403, code)
    assert problem.keys() >= facts
    # The profile says the same in the same words.
    reasons = client.get("/api/v1/users/profile").json()["safeguards"]["reasons"]
    assert [(each["code"], each["detail"]) for each in reasons] == [(code, problem["detail"])]


def test_what_is_missing_is_named(alice, on_sale, new_key):
    _is_unknown(alice)
    response = client_of(alice).post(URL, {"raffle": str(on_sale().pk), "quantity": 1}, headers=new_key())
    assert response.json()["fields"] == ["date_of_birth", "country"]


def test_once_nothing_stands_in_the_way_the_same_person_buys(alice, on_sale):
    raffle = on_sale()
    publish("1")
    _pause(alice)
    over(alice)
    accept_terms(alice, version="1")
    assert hold(alice, raffle).status == "pending"


def test_the_limit_counts_what_is_held_and_paid_in_all_raffles_and_says_what_is_left(alice, on_sale, new_key):
    first, second = on_sale(), on_sale(slug="another")
    seated(alice, first, 2)
    hold(alice, second, 1)
    set_spend_limit(alice, currency="gbp", limit=2_400)
    client = client_of(alice)
    with nothing_written():
        response = client.post(URL, {"raffle": str(second.pk), "quantity": 2}, headers=new_key())
    problem = assert_problem(response, 409, "spend_limit_reached")
    facts = {"currency": "gbp", "limit": 2_400, "spent": 1_500, "left": 900}
    assert problem.items() >= facts.items()
    shown = client.get("/api/v1/users/profile").json()["safeguards"]["spend_limits"]
    assert shown[0].items() >= facts.items()
    assert hold(alice, second, 1).amount == 500
    assert list(passed_limits()) == []


def test_exactly_the_limit_can_be_spent(alice, on_sale):
    set_spend_limit(alice, currency="gbp", limit=1_000)
    raffle = on_sale()
    hold(alice, raffle, 2)
    with pytest.raises(errors.SpendLimitReached):
        hold(alice, raffle)


def test_a_lower_limit_counts_what_was_spent_before_it(alice, on_sale):
    raffle = on_sale()
    seated(alice, raffle, 4)
    set_spend_limit(alice, currency="gbp", limit=1_000)
    with pytest.raises(errors.SpendLimitReached) as refusal:
        hold(alice, raffle)
    assert refusal.value.data == {"currency": "gbp", "limit": 1_000, "spent": 2_000, "left": 0}


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        *(("pending", True), ("processing", True), ("paid", True)),
        *(("expired", False), ("review", False), ("refunding", False), ("refunded", False), ("void", False)),
    ],
)
def test_what_is_released_or_goes_back_does_not_count(status, counts, alice, on_sale):
    raffle = on_sale()
    Purchase.objects.filter(pk=seated(alice, raffle, 2).pk).update(status=status)
    set_spend_limit(alice, currency="gbp", limit=1_000)
    assert services.spent_this_month(alice.pk) == ({"gbp": 1_000} if counts else {})
    if counts:
        with pytest.raises(errors.SpendLimitReached):
            hold(alice, raffle)
    else:
        hold(alice, raffle, 2)


def test_a_disputed_purchase_counts(alice, on_sale):
    raffle = on_sale()
    Purchase.objects.filter(pk=seated(alice, raffle).pk).update(disputed_at=timezone.now())
    set_spend_limit(alice, currency="gbp", limit=500)
    with pytest.raises(errors.SpendLimitReached):
        hold(alice, raffle)


def test_what_was_bought_last_month_does_not_count(alice, on_sale):
    raffle = on_sale()
    begun = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    Purchase.objects.filter(pk=seated(alice, raffle, 2).pk).update(created_at=begun - timedelta(microseconds=1))
    set_spend_limit(alice, currency="gbp", limit=500)
    assert services.spent_this_month(alice.pk) == {}
    earliest = hold(alice, raffle)
    Purchase.objects.filter(pk=earliest.pk).update(created_at=begun)
    assert services.spent_this_month(alice.pk) == {"gbp": 500}
    with pytest.raises(errors.SpendLimitReached):
        hold(alice, raffle)


def test_a_raise_counts_a_day_later(alice, on_sale):
    raffle = on_sale()
    set_spend_limit(alice, currency="gbp", limit=500)
    hold(alice, raffle)
    set_spend_limit(alice, currency="gbp", limit=1_000)
    with pytest.raises(errors.SpendLimitReached):
        hold(alice, raffle)
    a_day_later(alice)
    hold(alice, raffle)
    set_spend_limit(alice, currency="gbp", limit=None)
    with pytest.raises(errors.SpendLimitReached):
        hold(alice, raffle)
    a_day_later(alice)
    hold(alice, raffle, 20)


def test_nothing_is_bought_in_a_currency_that_the_limit_does_not_name(alice, on_sale):
    euros = on_sale(currency="eur")
    set_spend_limit(alice, currency="gbp", limit=100_000)
    with pytest.raises(errors.SpendLimitReached) as refusal:
        hold(alice, euros)
    assert refusal.value.data["limit"] == 0
    set_spend_limit(alice, currency="eur", limit=500)
    a_day_later(alice)
    hold(alice, euros)


def test_nobody_else_s_limit_counts(alice, bob, on_sale):
    set_spend_limit(bob, currency="gbp", limit=0)
    assert hold(alice, on_sale()).status == "pending"


def test_the_answer_to_a_repeated_request_stays_what_it_was(alice, on_sale):
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 1, "key": key("once")}
    first = services.hold_tickets(**ask)
    set_spend_limit(alice, currency="gbp", limit=0)
    assert services.hold_tickets(**ask).purchase == first.purchase


def _close(user):
    user.is_active = False
    user.save()


BARS = {
    "a pause": (_pause, Paused),
    "an exclusion": (_exclude, SelfExcluded),
    "terms": (lambda user: publish("1"), TermsNotAccepted),
    "a closed account": (_close, AccountInactive),
}


@pytest.mark.parametrize("bar", BARS)
def test_a_repeated_request_opens_no_payment_for_somebody_who_may_not_buy_any_more(bar, alice, on_sale, new_key):
    happens, refusal = BARS[bar]
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 1, "key": key("once")}
    assert services.purchase_tickets(**ask).client_secret
    happens(alice)
    with nothing_written(), pytest.raises(refusal):
        services.purchase_tickets(**ask)
    # Nor where the first try never came as far as a payment.
    Payment.objects.update(status="failed", intent_id=None, client_secret="")
    with nothing_written(), pytest.raises(refusal):
        services.purchase_tickets(**ask)


def test_a_repeated_request_in_a_session_that_has_ended_is_refused(alice, on_sale, new_key):
    client, once = client_of(alice), new_key()
    body = {"raffle": str(on_sale().pk), "quantity": 1}
    assert client.post(URL, body, headers=once).json()["client_secret"]
    alice.sessions.end()
    assert_problem(client.post(URL, body, headers=once), 401, "session_ended")


@pytest.mark.parametrize("status", ["processing", "paid", "expired", "refunded"])
def test_a_repeated_request_still_tells_what_became_of_the_purchase(status, alice, on_sale):
    ask = {"buyer": alice, "raffle_id": on_sale().pk, "quantity": 1, "key": key("once")}
    became = {"status": status} | ({"first_ticket": 1, "paid_at": timezone.now()} if status == "paid" else {})
    Purchase.objects.filter(pk=services.purchase_tickets(**ask).pk).update(**became)
    _exclude(alice)
    again = services.purchase_tickets(**ask)
    assert (again.status, again.client_secret) == (status, None)


@pytest.mark.parametrize("bar", [_pause, _exclude], ids=["a pause", "an exclusion"])
def test_what_waits_in_the_checkout_is_let_go(bar, alice, bob, on_sale, run_tasks):
    raffle = on_sale()
    mine, other = buy(alice, raffle, 2), buy(bob, raffle)
    bar(alice)
    run_tasks()
    assert dict(Purchase.objects.values_list("pk", "status")) == {mine.pk: "expired", other.pk: "pending"}
    assert counts(raffle) == (1, 0)
    assert Payment.objects.get(purchase=mine).status == "canceled"
    check_books()


def test_what_was_settled_before_an_exclusion_stays_and_what_was_not_goes_back(alice, on_sale, run_tasks):
    raffle = on_sale()
    owned, paying = bought(alice, raffle), buy(alice, raffle, 2)
    pay(paying.payment.client_secret).raise_for_status()
    _exclude(alice)
    run_tasks()
    assert dict(Purchase.objects.values_list("pk", "status")) == {owned.pk: "paid", paying.pk: "refunded"}
    assert counts(raffle) == (0, 1)


def test_a_debit_that_a_bank_works_on_is_not_given_up(alice, on_sale):
    slow = hold(alice, on_sale())
    Purchase.objects.filter(pk=slow.pk).update(status="processing")
    assert services.end_checkouts(alice.pk) == 0


def _limit(user):
    set_spend_limit(user, currency="gbp", limit=100_000)


@pytest.mark.parametrize("happens", [_pause, _exclude, _is_young, _limit], ids=lambda each: each.__name__)
def test_late_money_of_somebody_who_may_not_buy_or_has_a_limit_goes_back(happens, alice, on_sale, monkeypatch):
    raffle = on_sale()
    late = buy(alice, raffle)
    # The answer to the cancellation is lost, and the money comes: as in `test_expiring`, only shorter.
    pay(late.payment.client_secret).raise_for_status()
    with monkeypatch.context() as patch:
        patch.setattr(Payment, "LIVE", [])
        release_hold(late.pk)
    happens(alice)
    assert services.settle_purchase(late.pk).status == "refunding"
    assert Refund.objects.get().amount == late.amount
    assert counts(raffle) == (0, 0)
    check_books()


def test_late_money_of_anybody_else_is_seated_again(alice, on_sale, monkeypatch):
    raffle = on_sale()
    late = buy(alice, raffle)
    pay(late.payment.client_secret).raise_for_status()
    with monkeypatch.context() as patch:
        patch.setattr(Payment, "LIVE", [])
        release_hold(late.pk)
    assert services.settle_purchase(late.pk).status == "paid"


LETTERS = {name: REFUSALS[name] for name in ("paused", "excluded", "too young", "unknown", "country")}


@pytest.mark.parametrize("case", LETTERS)
def test_no_letter_is_entered_for_somebody_who_may_not_take_part(case, alice, sam, on_sale):
    happens, code, _ = LETTERS[case]
    raffle = on_sale()
    happens(alice)
    letter = {"raffle_id": raffle.pk, "entrant": alice, "quantity": 1, "reference": "A1", "actor": sam}
    with pytest.raises(errors.EntrantRefused) as refusal:
        enter_postal(**letter, received_on=timezone.now().date())
    assert refusal.value.data == {"reason": code}
    assert not AuditEntry.objects.filter(action="purchase.entered").exists()


def test_a_letter_costs_nothing_so_that_no_limit_and_no_terms_of_sale_keep_it_out(alice, sam, on_sale):
    raffle = on_sale()
    set_spend_limit(alice, currency="gbp", limit=0)
    publish("1")
    letter = {"raffle_id": raffle.pk, "entrant": alice, "quantity": 1, "reference": "A1", "actor": sam}
    assert enter_postal(**letter, received_on=timezone.now().date()).status == "paid"
    assert services.spent_this_month(alice.pk) == {"gbp": 0}
