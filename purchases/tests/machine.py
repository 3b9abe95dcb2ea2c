"""Buyers, banks, staff, Stripe's webhooks and sudden death, in any order, with the books checked after each step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import stripe
from django.apps import apps
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils.module_loading import import_string
from django_q.models import OrmQ
from djstripe.models import WebhookEndpoint
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from accounts.models import User
from luxewin.api.idempotency import IdempotencyKey
from luxewin.api.problems import Problem
from luxewin.tasks import sweeps
from luxewin.tasks.models import Claimable
from luxewin.tests.asking import HTTP
from luxewin.tests.watching import Watch
from purchases import gateway, services
from purchases.models import Payment, Purchase, Refund
from purchases.tests.books import check_books, check_money
from purchases.tests.deaths import SOMETIMES_DIES, mortal
from purchases.tests.model import HOLDING, Entry, Model, Seen, SeenAttempt
from purchases.tests.stage import confirm, counts, deliver, key, over
from raffles.models import Raffle
from raffles.services import cancel_raffle, close_raffle

CAPACITY, LIMIT, PRICE = 9, 6, 500
PAST = "2020-01-01T00:00Z"
# Payment methods of Stripe's for tests, and what an intent is afterwards.
GOOD = "pm_card_visa"
METHODS = {
    GOOD: "succeeded",
    "pm_card_visa_chargeDeclined": "open",
    "pm_sepaDebit_success_de": "processing",
    "pm_sepaDebit_failed_de": "processing",
}


@dataclass
class World:
    """What the machine is given by the test that runs it."""

    person: Callable[..., User]
    on_sale: Callable[..., Raffle]
    endpoint: WebhookEndpoint


@dataclass
class Told:
    """What the machine knows of an entry beside the model."""

    purchase: Any
    key: IdempotencyKey
    #: The secret of each attempt's intent, if the client was told it.
    secrets: dict[int, str] = field(default_factory=dict)


class Buying(RuleBasedStateMachine):
    """Two people, a raffle of nine tickets, and everybody who can get in their way. Set `world` before it runs."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        # Whatever the example does is rolled back; its customers stay at Stripe, where nobody asks for them again.
        self.rolled_back = transaction.atomic()
        self.rolled_back.__enter__()
        self.watch = Watch()
        self.people = [self.world.person("ann"), self.world.person("ben")]
        # Each pays by debit once: which of two is held for a bank is a matter of the order in which they are looked at.
        self.debited: set[int] = set()
        terms = {"capacity": CAPACITY, "max_per_person": LIMIT, "ticket_price": PRICE, "currency": "eur"}
        terms |= {"debit_percent": 100}
        self.raffle = self.world.on_sale(**terms)
        for person in self.people:
            gateway.customer_of(person)
        self.model = Model(capacity=CAPACITY, limit=LIMIT)
        self.told: dict[Entry, Told] = {}
        self.first_event = self._events(limit=1)[:1]
        self.sound = True
        # Nothing has been done since the worker was through; something has at Stripe that it tells of.
        self.idle, self.happened = True, False

    # What a person does.

    @initialize(quantities=st.tuples(st.integers(1, 4), st.integers(1, 4)))
    def both_hold(self, quantities: tuple[int, int]) -> None:
        for person, quantity in enumerate(quantities):
            self.hold(person, quantity, None)

    @rule(person=st.integers(0, 1), quantity=st.integers(1, 4), death=SOMETIMES_DIES)
    def hold(self, person: int, quantity: int, death: str | None) -> None:
        refusal = self.model.refusal(person, quantity)
        once = key()
        code, died = self._buy(self.people[person], quantity, once, death)
        assert code == refusal
        if refusal is None:
            entry = self.model.hold(person, quantity, died=died)
            purchase = Purchase.objects.get(idempotency_key=once.value)
            self.told[entry] = Told(purchase.pk, once)
            self._learn(entry)
            self.idle = False

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0), later=st.booleans(), death=SOMETIMES_DIES)
    def send_the_same_request_again(self, which: int, later: bool, death: str | None) -> None:
        entry = self._entry(which)
        if later:
            Payment.objects.update(calling_since=PAST)
            for each in self.model.entries:
                each.calling = False
        code, died = self._buy(self.people[entry.person], entry.quantity, self.told[entry].key, death)
        assert code == self.model.ask_again(entry, died=died)
        self._learn(entry)

    def _buy(self, buyer: User, quantity: int, once: IdempotencyKey, death: str | None) -> tuple[str | None, bool]:
        ask = {"buyer": buyer, "raffle_id": self.raffle.pk, "quantity": quantity, "key": once}
        with mortal(death) as deaths:
            code = self._code(lambda: services.purchase_tickets(**ask))
        return None if deaths else code, bool(deaths)

    @precondition(lambda self: self._attempts("open"))
    @rule(which=st.integers(0))
    def pay(self, which: int) -> None:
        self._pay(self._attempts("open"), which, GOOD)

    @precondition(lambda self: self._attempts("open"))
    @rule(which=st.integers(0), method=st.sampled_from([each for each in METHODS if "Debit" in each]))
    def pay_by_debit(self, which: int, method: str) -> None:
        self._pay(self._attempts("open"), which, method)

    @precondition(lambda self: any(each.secrets for each in self.told.values()))
    @rule(which=st.integers(0), method=st.sampled_from(sorted(METHODS)))
    def try_to_pay(self, which: int, method: str) -> None:
        """Also with a card that is declined, or what is paid or cancelled already."""
        self._pay([(entry, number) for entry, told in self.told.items() for number in told.secrets], which, method)

    def _pay(self, able: list[tuple[Entry, int]], which: int, method: str) -> None:
        entry, number = able[which % len(able)]
        attempt = entry.attempts[number]
        if "Debit" in method and entry.person in self.debited:
            method = GOOD
        answer = confirm(self.told[entry].secrets[number], method)
        if attempt.intent != "open":
            assert answer.status_code == 400
            return
        assert answer.status_code == (402 if method.endswith("Declined") else 200), answer.text
        attempt.intent, attempt.debit_fails = METHODS[method], "failed" in method
        if "Debit" in method:
            self.debited.add(entry.person)
        self._something_happened()

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0), death=SOMETIMES_DIES)
    def verify(self, which: int, death: str | None) -> None:
        entry = self._entry(which)
        with mortal(death) as deaths:
            services.settle_purchase(self.told[entry].purchase)
        if not deaths:
            self.model.settle(entry)

    # What happens at Stripe, and what of it reaches us.

    @precondition(lambda self: self._attempts("processing"))
    @rule(which=st.integers(0))
    def the_bank_answers(self, which: int) -> None:
        waiting = self._attempts("processing")
        entry, number = waiting[which % len(waiting)]
        self._finish(entry, number)
        attempt = entry.attempts[number]
        attempt.intent = "open" if attempt.debit_fails else "succeeded"
        self._something_happened()

    @precondition(lambda self: self._attempts("open"))
    @rule(which=st.integers(0))
    def somebody_cancels_an_intent_by_hand(self, which: int) -> None:
        able = self._attempts("open")
        entry, number = able[which % len(able)]
        stripe.PaymentIntent.cancel(self._intent_id(entry, number))
        entry.attempts[number].intent = "canceled"
        self._something_happened()

    @precondition(lambda self: self.happened)
    @rule(data=st.data())
    def webhooks_come(self, data: st.DataObject) -> None:
        """Any of all events so far, in any order, each once, twice or five times; others never."""
        if not (events := self._events()):
            return
        chosen = data.draw(st.lists(st.sampled_from(range(len(events))), min_size=1, max_size=4), label="events")
        times = data.draw(st.sampled_from([1, 2, 5]), label="times")
        for event in [events[number] for number in chosen] * times:
            assert deliver(self.world.endpoint, event) == 200
            about = event["data"]["object"]["id"]
            for entry, told in self.told.items():
                for number, attempt in enumerate(entry.attempts):
                    # Of an intent that was given up before we knew it nothing is to be learnt.
                    if about == told_intent(told, number) and attempt.status in {"started", "open", "processing"}:
                        attempt.news = True
        self.idle = False

    # What the worker and staff do.

    @precondition(lambda self: not self.idle)
    @rule()
    def a_worker_works(self) -> None:
        self._work()
        self.model.work(self._seen())
        self.idle = True

    @precondition(lambda self: self.model.held)
    @rule(which=st.integers(0))
    def time_passes(self, which: int) -> None:
        self._time_passes(which)

    def _time_passes(self, which: int) -> Entry:
        holding = [each for each in self.model.entries if each.status in HOLDING]
        entry = holding[which % len(holding)]
        self._run_out(entry)
        return entry

    def _run_out(self, entry: Entry) -> None:
        Purchase.objects.filter(pk=self.told[entry].purchase).update(expires_at=PAST)
        entry.overdue, self.idle = True, False

    @precondition(lambda self: self.model.held)
    @rule(which=st.integers(0), death=SOMETIMES_DIES)
    def expire(self, which: int, death: str | None) -> None:
        entry = self._time_passes(which)
        with mortal(death) as deaths:
            services.expire_purchase(self.told[entry].purchase)
        self.model.expire(entry, died=bool(deaths))

    @precondition(lambda self: self._attempts("processing"))
    @rule(which=st.integers(0))
    def a_hold_ends_while_the_bank_works(self, which: int) -> None:
        """What the bank sends then is late money."""
        able = self._attempts("processing")
        entry = able[which % len(able)][0]
        for _ in range(2):
            if entry.status in HOLDING:
                self._run_out(entry)
                services.expire_purchase(self.told[entry].purchase)
                self.model.expire(entry, died=False)

    @precondition(lambda self: self.model.sold)
    @rule(which=st.integers(0), death=SOMETIMES_DIES)
    def refund(self, which: int, death: str | None) -> None:
        entry = self._entry(which)
        with mortal(death) as deaths:
            code = self._code(lambda: services.request_refund(self.told[entry].purchase, reason="Asked for."))
        refusal = self.model.request_refund(entry, died=bool(deaths))
        assert deaths or code == refusal
        self.idle = False

    @precondition(lambda self: list(self.model.open_refunds()))
    @rule(which=st.integers(0), death=SOMETIMES_DIES)
    def execute_a_refund(self, which: int, death: str | None) -> None:
        waiting = list(self.model.open_refunds())
        entry, attempt = waiting[which % len(waiting)]
        number = entry.attempts.index(attempt) + 1
        refund = Refund.objects.get(payment__purchase=self.told[entry].purchase, payment__attempt=number)
        with mortal(death) as deaths:
            services.execute_refund(refund.pk)
        self.model.execute_refund(entry, attempt, died=bool(deaths))

    @precondition(lambda self: not self.model.cancelled and len(self.told) > 2)
    @rule()
    def cancel_the_raffle(self) -> None:
        cancel_raffle(self.raffle.pk, reason="Stolen.")
        self.model.cancelled = True
        self.idle = False

    @precondition(lambda self: self.model.cancelled)
    @rule(death=SOMETIMES_DIES)
    def refund_everyone(self, death: str | None) -> None:
        with mortal(death) as deaths:
            services.refund_raffle(self.raffle.pk)
        self.model.refund_everyone(died=bool(deaths))

    @precondition(lambda self: not self.model.cancelled and len(self.told) > 2 and not self.model.closed)
    @rule()
    def close_the_raffle(self) -> None:
        over(self.raffle)
        assert close_raffle(self.raffle.pk)
        self.model.closed = True

    # What is always so.

    @invariant()
    def the_books_are_the_models(self) -> None:
        self.sound = False
        assert self._seen() == {entry: entry.seen() for entry in self.model.entries}
        assert counts(self.raffle) == (self.model.held, self.model.sold)
        check_books()
        self.watch.check()
        self.sound = True

    def teardown(self) -> None:
        try:
            if self.sound:
                self.in_the_end_money_is_tickets()
        finally:
            transaction.set_rollback(True)
            self.rolled_back.__exit__(None, None, None)

    def in_the_end_money_is_tickets(self) -> None:
        """Once the banks have answered, all holds have run out and the worker went round, nothing is left open."""
        for entry, number in self._attempts("processing"):
            self._finish(entry, number)
        for told in self.told.values():
            services.settle_purchase(told.purchase)
        Purchase.objects.holding().update(expires_at=PAST)
        self._work()
        check_books()
        check_money()
        assert set(Purchase.objects.values_list("status", flat=True)) <= {"paid", "expired", "refunded"}

    # How it is done.

    def _something_happened(self) -> None:
        self.happened, self.idle = True, False

    def _entry(self, which: int) -> Entry:
        return self.model.entries[which % len(self.model.entries)]

    def _attempts(self, intent: str) -> list[tuple[Entry, int]]:
        """Those whose intent is in this state at Stripe and whose id the machine knows."""
        every = ((entry, number) for entry, told in self.told.items() for number in told.secrets)
        return [(entry, number) for entry, number in every if entry.attempts[number].intent == intent]

    def _intent_id(self, entry: Entry, number: int) -> str:
        return str(told_intent(self.told[entry], number))

    def _finish(self, entry: Entry, number: int) -> None:
        url = f"{stripe.api_base}/_config/payment_intents/{self._intent_id(entry, number)}/finish"
        HTTP.post(url, json={}).raise_for_status()

    def _learn(self, entry: Entry) -> None:
        """A client is told the secret of the intent that can be paid."""
        told = self.told[entry]
        open_ = Payment.objects.filter(purchase=told.purchase, status="open").first()
        if open_ and entry.last.status == "open":
            told.secrets[len(entry.attempts) - 1] = open_.client_secret

    @staticmethod
    def _code(ask: Callable[[], Any]) -> str | None:
        try:
            ask()
        except Problem as refusal:
            return refusal.code
        return None

    def _seen(self) -> dict[Entry, Seen]:
        refund = Refund.objects.filter(payment=OuterRef("pk")).values("status")
        attempts: dict[Any, list[SeenAttempt]] = {told.purchase: [] for told in self.told.values()}
        rows = Payment.objects.order_by("attempt").annotate(refund_status=Subquery(refund))
        for payment in rows:
            seen = SeenAttempt(payment.status, payment.intent_id is not None, payment.refund_status)
            attempts[payment.purchase_id].append(seen)
        found = {each.pk: each for each in Purchase.objects.all()}
        assert found.keys() == attempts.keys()
        return {
            entry: Seen(found[told.purchase].status, found[told.purchase].first_ticket, tuple(attempts[told.purchase]))
            for entry, told in self.told.items()
        }

    def _events(self, limit: int = 100) -> list[dict[str, Any]]:
        """Those that our endpoint would get, oldest first, since this example began."""
        params: dict[str, Any] = {"limit": limit}
        if limit > 1 and self.first_event:
            params["ending_before"] = self.first_event[0]["id"]
        url = f"{stripe.api_base}/v1/events"
        listed = HTTP.get(url, params=params, auth=(str(stripe.api_key), "")).raise_for_status().json()
        return [each for each in reversed(listed["data"]) if limit == 1 or each["type"] in gateway.EVENTS]

    @staticmethod
    def _work() -> None:
        """The sweeps and the queue of this app until nothing is left, long after whatever died."""
        for model in apps.get_models():
            if issubclass(model, Claimable):
                model.objects.update(claimed_until=None)
        while True:
            for entry in sweeps.SWEEPS:
                if entry.run.__module__.startswith("purchases."):
                    entry.run()
            ours = [each for each in OrmQ.objects.order_by("id") if each.task["func"].startswith("purchases.")]
            OrmQ.objects.all().delete()
            if not ours:
                return
            for queued in ours:
                import_string(queued.task["func"])(*queued.task["args"])


def told_intent(told: Told, number: int) -> str | None:
    """The id of an attempt's intent, from its secret, as every client knows it."""
    secret = told.secrets.get(number)
    return secret and secret.partition("_secret_")[0]
