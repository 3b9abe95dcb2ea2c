"""The faults, and how each is caused while people buy."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg

from dev.demo.shop import LateError, wait_until
from dev.faults.buyers import Buyer, Habit
from dev.faults.cluster import KINDS, processes_of
from dev.faults.keeper import HOLD_SECONDS, LONG_HOLD_SECONDS, WORKERS
from dev.faults.purchase_steps import STEPS
from dev.faults.scenario import Scenario
from dev.faults.stage import RECOVERY_SECONDS, Trial, restart
from dev.faults.switches import Scope

SCOPES: tuple[Scope, Scope] = ("process", "group")
CROWD = 4
BETWEEN_BATCHES = "refund_raffle.batch"
BATCH_AND_ONE = 201  # purchases.services.refunds.BATCH and one more
# The library tries three times before it gives up.
TRIES = 3
# On a cut connection curl itself repeats the first try, because it takes the connection for a stale one.
CUT_TRIES = TRIES + 1
TOO_SLOW = 12.0  # longer than purchases.gateway.TIMEOUT_SECONDS
PAID_SECONDS = 120


def _killed(step: str, habit: Habit, trial: Trial, buyers: list[Buyer] | None = None) -> None:
    for number in range(trial.times):
        trial.kill_at(step, SCOPES[number % 2], more=partial(trial.shop, 2, habit, buyers=buyers))
        trial.stage.wait_for_server()


def _killed_at_the_first_purchase(step: str, trial: Trial) -> None:
    """Kill at the purchases of people whom Stripe does not know yet. All join before anything is killed."""
    _killed(step, Habit.WAITS, trial, [trial.stage.newcomer() for _ in range(2 * trial.times)])


def _killed_within_a_long_hold(steps: tuple[str, ...], habit: Habit, trial: Trial) -> None:
    """Kill within a hold that outlives the dead process's claim, so that its end is not what resumes the purchase."""
    with _long_holds(trial):
        for number in range(trial.times):
            for step in steps:
                trial.stage.wait_for_server()
                trial.kill_at(step, SCOPES[number % 2], more=partial(trial.shop, 1, habit))
        trial.everyone_is_served()


@contextmanager
def _long_holds(trial: Trial) -> Iterator[None]:
    """Restart the server with LONG_HOLD_SECONDS, and afterwards as it was."""
    stack = trial.stage.stack
    stack.send_away("server")
    stack.bring_back("server", HOLD_SECONDS=str(LONG_HOLD_SECONDS))
    trial.stage.wait_for_server()
    try:
        yield
    finally:
        stack.send_away("server")
        stack.bring_back("server")
    trial.stage.wait_for_server()


def _hit_in_a_batch(step: str, scopes: Sequence[Scope], trial: Trial) -> None:
    """Kill or stop while payments are settled together, of which news came while the worker was away.

    They are held for longer than that takes, or each would be expired by itself.
    """
    stack = trial.stage.stack
    trial.shop(1, Habit.WAITS)  # before, its draw is to be announced, which takes the worker
    trial.everyone_is_served()
    with _long_holds(trial):
        for number in range(trial.times):
            stack.send_away("worker")
            trial.shop(CROWD, Habit.LEAVES)
            trial.everyone_is_served()
            wait_until("the news", lambda: _news(trial) >= CROWD, seconds=PAID_SECONDS, every=0.5)
            returning = iter([partial(stack.bring_back, "worker")])
            trial.kill_at(step, scopes[number % len(scopes)], more=partial(_next, returning))
            wait_until("all to be paid", lambda: set(trial.statuses()) == {"paid"}, seconds=RECOVERY_SECONDS, every=1)


def _next(calls: Iterator[Callable[[], object]]) -> None:
    """Make the next call, if there is one left."""
    for call in calls:
        call()
        return


def _news(trial: Trial) -> int:
    """Count the notices of payments that wait."""
    with psycopg.connect(trial.stage.stack.environment["DATABASE_URL"]) as database:
        found = database.execute("SELECT count(*) FROM purchases_stripenotice WHERE about = 'payment_intent'")
        return int(found.fetchall()[0][0])


def _killed_while_refunding(step: str, trial: Trial) -> None:
    trial.shop(trial.times + 3, Habit.WAITS)
    trial.everyone_is_served()
    cancelling = [trial.cancel]
    for number in range(trial.times):
        trial.kill_at(step, SCOPES[number % 2], more=lambda: cancelling and cancelling.pop()())


def _unheard(play: Callable[[Trial], None], trial: Trial) -> None:
    """Play while no webhook comes: only our own sweeps can resume what dead processes left."""
    trial.stage.at_stripe("event_faults", type=".", times=100_000, drop=True)
    play(trial)


def _killed_between_batches(trial: Trial) -> None:
    """Kill between batches, only once: it takes more purchases than one batch holds."""
    trial.shop(BATCH_AND_ONE, Habit.LEAVES, quantity=1)
    trial.everyone_is_served()
    wait_until("all to be paid", lambda: set(trial.statuses()) == {"paid"}, seconds=PAID_SECONDS, every=1)
    cancelling = [trial.cancel]
    trial.kill_at(BETWEEN_BATCHES, "process", passes=1, more=lambda: cancelling and cancelling.pop()())


def _in_the_middle(break_it: Callable[[Trial], None], trial: Trial) -> None:
    """Cause the fault while buyers come before, during and after it."""
    for _ in range(trial.times):
        trial.shop(CROWD, Habit.WAITS)
        trial.shop(1, Habit.LEAVES)
        time.sleep(0.3)
        trial.inject()
        break_it(trial)
        trial.shop(1, Habit.WAITS)
        trial.everyone_is_served()


def _restart(part: str, number: signal.Signals, trial: Trial) -> None:
    restart(trial.stage, part, number)


def _valkey_is_gone(trial: Trial) -> None:
    """Stop Valkey from before the first buyer until after the last."""
    supervisor = trial.stage.stack.supervisor
    for _ in range(trial.times):
        child = supervisor.part("valkey")
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        trial.inject()
        trial.shop(CROWD, Habit.WAITS)
        trial.shop(1, Habit.LEAVES)
        trial.everyone_is_served()
        supervisor.restart("valkey")


def _worker_is_away(trial: Trial) -> None:
    """Stop the worker for longer than a hold: nothing expires and no event takes effect meanwhile."""
    for _ in range(trial.times):
        trial.stage.stack.send_away("worker")
        trial.shop(2, Habit.LEAVES)
        trial.shop(1, Habit.ABANDONS)
        trial.shop(1, Habit.WAITS)
        time.sleep(HOLD_SECONDS + 1)
        trial.inject()
        trial.stage.stack.bring_back("worker")


def _process_of_worker_is_hit(number: signal.Signals, trial: Trial) -> None:
    """Signal each kind of process once, in a fresh worker; only the worker issues tickets to buyers who leave."""
    stack = trial.stage.stack
    for _ in range(trial.times):
        for kind in KINDS:
            stack.send_away("worker")
            stack.bring_back("worker")
            wait_until("the worker", lambda: stack.supervisor.children["worker"].poll() is None, seconds=PAID_SECONDS)
            processes_of(stack.supervisor.children["worker"].pid, WORKERS)[kind].send_signal(number)
            trial.inject()
            trial.shop(2, Habit.LEAVES)
            trial.everyone_is_served()
            wait_until("all to be paid", lambda: set(trial.statuses()) == {"paid"}, seconds=PAID_SECONDS, every=1)


def _stripe_answers_badly(habit: Habit, each: int, fault: dict[str, Any], trial: Trial) -> None:
    """Hit `each` requests in a row of one buyer; meanwhile nobody else sends any, so that all its tries are hit."""
    for _ in range(trial.times):
        trial.stage.at_stripe("faults", times=each, **fault)
        trial.starts()
        trial.shop(1, habit)
        trial.everyone_is_served()
        _count(trial, "faults", each)
    trial.shop(2, Habit.WAITS)


def _stripe_refunds_badly(each: int, fault: dict[str, Any], trial: Trial) -> None:
    """Hit all tries of every refund."""
    trial.shop(trial.times, Habit.WAITS)
    trial.everyone_is_served()
    trial.stage.at_stripe("faults", times=trial.times * each, **fault)
    trial.starts()
    trial.cancel()
    _count(trial, "faults", trial.times * each)


def _events_go_astray(fault: dict[str, Any], trial: Trial) -> None:
    ordered = trial.times * 2
    trial.stage.at_stripe("event_faults", type="payment_intent", times=ordered, **fault)
    trial.starts()
    trial.shop(trial.times + 1, Habit.LEAVES)
    trial.shop(1, Habit.WAITS)
    trial.everyone_is_served()
    _count(trial, "event_faults", ordered, enough=trial.times)


def _count(trial: Trial, orders: str, ordered: int, *, enough: int | None = None) -> None:
    """Wait until the ordered faults have hit, and note how many did."""

    def befallen() -> bool:
        return ordered - trial.stage.left_at_stripe(orders) >= (enough or ordered)

    with suppress(LateError):  # fewer than ordered: the count says how many
        wait_until("the ordered faults", befallen, seconds=PAID_SECONDS, every=0.5)
    trial.injected += ordered - trial.stage.left_at_stripe(orders)
    trial.stage.forget_at_stripe()


def _habit_at(step: str) -> Habit:
    """Return the habit that leads to the step: events settle for buyers who leave, the timer if they abandon."""
    app = step.partition(".")[0]
    return {"webhook": Habit.LEAVES, "settle": Habit.LEAVES, "expire": Habit.ABANDONS}.get(app, Habit.WAITS)


def _player(step: str) -> Callable[[Trial], None]:
    if step == BETWEEN_BATCHES:
        return _killed_between_batches
    if step.startswith("settle.together_"):
        return partial(_hit_in_a_batch, step, SCOPES)
    if step.startswith("refund."):
        return partial(_killed_while_refunding, step)
    if step == "create.customer_made":
        return partial(_killed_at_the_first_purchase, step)
    return partial(_killed, step, _habit_at(step))


KILLS = tuple(
    Scenario(step.name, f"SIGKILL of the {step.process}: {step.summary}", _player(step.name)) for step in STEPS
)
KILLED = tuple(each for each in KILLS if each.name != BETWEEN_BATCHES)
# Last, as the mails and mirrors of so many purchases keep the worker busy for a while.
LAST = tuple(each for each in KILLS if each.name == BETWEEN_BATCHES)
UNHEARD = tuple(
    Scenario(f"{each.name}.unheard", f"{each.summary}; no webhook comes", partial(_unheard, each.play))
    for each in KILLED
    if each.name in {"create.intent_made", "verify.asked", "expire.cancelled", "refund.made"}
)
INTENTS, CANCEL, CONFIRM, REFUNDS = (
    "^/v1/payment_intents$",
    "^/v1/payment_intents/[^/]+/cancel$",
    "^/v1/payment_intents/[^/]+/confirm$",
    "^/v1/refunds$",
)


def _at_stripe(name: str, summary: str, path: str, habit: Habit = Habit.WAITS, each: int = 1, **fault: Any) -> Scenario:
    order = {"path": path, "method": "POST"} | fault
    return Scenario(f"stripe.{name}", summary, partial(_stripe_answers_badly, habit, each, order))


def _at_refunds(name: str, summary: str, times: int = TRIES, **fault: Any) -> Scenario:
    order = {"path": REFUNDS, "method": "POST"} | fault
    return Scenario(f"stripe.{name}", summary, partial(_stripe_refunds_badly, times, order))


SERVICES = (
    Scenario(
        "create.long_hold",
        "SIGKILL of the web at three steps of the creation; the hold outlives the claim",
        partial(_killed_within_a_long_hold, ("create.held", "create.intent_made", "create.stored"), Habit.WAITS),
    ),
    Scenario(
        "settle.long_hold",
        "SIGKILL of the worker process that settles a payment; the hold outlives its claim",
        partial(_killed_within_a_long_hold, ("settle.counted",), Habit.LEAVES),
    ),
    *(
        Scenario(
            f"settle.together_{step}.stopped",
            f"SIGSTOP of the worker process that settles a batch: {where}",
            partial(_hit_in_a_batch, f"settle.together_{step}", ("stop",)),
        )
        for step, where in (("asked", "before the transaction"), ("issued", "inside the transaction"))
    ),
    Scenario(
        "postgres.fast",
        "PostgreSQL restarted (fast)",
        partial(_in_the_middle, partial(_restart, "postgres", signal.SIGINT)),
    ),
    Scenario(
        "postgres.immediate",
        "PostgreSQL restarted (immediate: crash recovery)",
        partial(_in_the_middle, partial(_restart, "postgres", signal.SIGQUIT)),
    ),
    Scenario("valkey.gone", "Valkey killed and gone from before the hold until after the settlement", _valkey_is_gone),
    Scenario("worker.away", "the worker away for longer than a hold", _worker_is_away),
    Scenario(
        "worker.process_killed",
        "SIGKILL of one process of the worker: each kind, one after the other",
        partial(_process_of_worker_is_hit, signal.SIGKILL),
    ),
    Scenario(
        "worker.process_stopped",
        "SIGSTOP of one process of the worker: each kind, one after the other",
        partial(_process_of_worker_is_hit, signal.SIGSTOP),
    ),
    Scenario(
        "stripe.killed",
        "Stripe stand-in killed and started again",
        partial(_in_the_middle, partial(_restart, "stripe", signal.SIGKILL)),
    ),
    _at_stripe("create_lost", "the intent is made, the answer lost, all tries", INTENTS, each=CUT_TRIES, lose=True),
    _at_stripe(
        "create_slow", "the intent is made, the answer later than our time-out", INTENTS, each=TRIES, delay=TOO_SLOW
    ),
    _at_stripe("create_503", "503 on creation, nothing made", INTENTS, each=TRIES, status=503),
    _at_stripe("create_500_after", "500 on creation, the intent is made", INTENTS, each=TRIES, status=500, after=True),
    _at_stripe("create_500_kept", "500 on creation, kept for its key", INTENTS, status=500, after=True, keep=True),
    _at_stripe("confirm_lost", "the card is charged, the answer lost", CONFIRM, lose=True),
    _at_stripe(
        "confirm_slow", "the card is charged, the answer comes after the hold ended", CONFIRM, delay=HOLD_SECONDS + 2.0
    ),
    _at_stripe(
        "cancel_lost",
        "the intent of an expired hold is cancelled, the answer lost, all three tries",
        CANCEL,
        habit=Habit.ABANDONS,
        each=CUT_TRIES,
        lose=True,
    ),
    _at_refunds("refund_lost", "the refund is made, the answer lost, all tries", CUT_TRIES, lose=True),
    _at_refunds("refund_503", "503 on the refund, all three tries", status=503),
    _at_refunds("refund_500_kept", "500 on the refund, kept for its key; nothing is made", 1, status=500, keep=True),
    _at_refunds(
        "refund_500_made", "500 on the refund, kept for its key; it is made", 1, status=500, after=True, keep=True
    ),
    Scenario("events.dropped", "webhooks never delivered", partial(_events_go_astray, {"drop": True})),
    Scenario("events.duplicated", "webhooks delivered four times", partial(_events_go_astray, {"duplicate": 3})),
    Scenario("events.reordered", "webhooks delivered out of order", partial(_events_go_astray, {"reorder": True})),
    Scenario(
        "events.late",
        "webhooks delivered after the hold ended",
        partial(_events_go_astray, {"delay": HOLD_SECONDS + 4.0}),
    ),
)
PURCHASES = KILLED + UNHEARD + SERVICES + LAST
