"""Steps of a purchase at which the process that takes them can be killed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

type Process = Literal["web", "worker"]
type Moment = Literal["before", "after"]


def always(_arguments: tuple[Any, ...], _result: Any) -> bool:
    """Count every call."""
    return True


def several(arguments: tuple[Any, ...], _result: Any) -> bool:
    """Count calls about more than one."""
    return len(arguments[0]) > 1


@dataclass(frozen=True)
class Step:
    """A moment in the product's code: before or after a call of one of the `targets`, in one kind of process.

    A target is the dotted name that the caller looks up; for a function imported by name, the importing module's name.
    `when`, called with a call's arguments and any result, decides if the call counts. A switch can be meant for one
    raffle only: `within` was then called with its id, or a row with that key.
    """

    name: str
    process: Process
    moment: Moment
    targets: tuple[str, ...]
    summary: str
    within: str = ""
    when: Callable[[tuple[Any, ...], Any], bool] = always


SERVICES = "purchases.services"
STEPS = (
    Step("create.asked", "web", "before", (f"{SERVICES}.payments.hold_tickets",), "before the hold"),
    Step("create.held", "web", "after", (f"{SERVICES}.payments.hold_tickets",), "after the hold, before Stripe"),
    Step(
        "create.customer_made",
        "web",
        "after",
        ("djstripe.models.Customer._api_create",),
        "after Stripe made the customer, before it is stored",
    ),
    Step(
        "create.intent_made",
        "web",
        "after",
        ("purchases.gateway.create_intent",),
        "after Stripe made the intent, before it is stored",
    ),
    Step(
        "create.stored",
        "web",
        "after",
        (f"{SERVICES}.purchase_tickets",),
        "after the intent is stored, before the answer",
    ),
    Step(
        "verify.asked",
        "web",
        "after",
        ("purchases.gateway.retrieve_intent",),
        "after Stripe's answer, before the transaction",
    ),
    Step(
        "verify.counted",
        "web",
        "after",
        (f"{SERVICES}.settlement.count_sale",),
        "inside the transaction that gives the numbers",
    ),
    Step(
        "verify.committed",
        "web",
        "after",
        (f"{SERVICES}.settlement.apply_intent",),
        "after the commit, before the answer",
    ),
    Step(
        "webhook.enqueued",
        "web",
        "after",
        ("purchases.receivers.enqueue",),
        "inside the event's transaction, after the receiver",
    ),
    Step(
        "webhook.committed",
        "web",
        "after",
        ("purchases.webhooks.StripeWebhookView.dispatch",),
        "after the event's commit, before the answer",
    ),
    Step("settle.begun", "worker", "before", ("purchases.tasks.sync_object",), "at the start of the task"),
    Step(
        "settle.asked",
        "worker",
        "after",
        ("purchases.gateway.retrieve_intent",),
        "after Stripe's answer, before the transaction",
    ),
    Step(
        "settle.counted",
        "worker",
        "after",
        (f"{SERVICES}.settlement.count_sale",),
        "inside the transaction that gives the numbers",
    ),
    Step(
        "settle.committed",
        "worker",
        "after",
        (f"{SERVICES}.settlement.apply_intent",),
        "after the commit, before the news of it is struck out",
    ),
    Step(
        "settle.done",
        "worker",
        "after",
        ("purchases.tasks.sync_object",),
        "after the news is struck out, before the task is acknowledged",
    ),
    Step(
        "settle.together_asked",
        "worker",
        "after",
        (f"{SERVICES}.settlement._ask",),
        "after Stripe's answers about a batch, before the transaction",
        when=several,
    ),
    Step(
        "settle.together_issued",
        "worker",
        "after",
        (f"{SERVICES}.settlement._issue_tickets",),
        "inside the transaction that gives the numbers of a batch",
        when=several,
    ),
    Step(
        "settle.together_committed",
        "worker",
        "after",
        (f"{SERVICES}.pending_syncs.settle_together",),
        "after the commit of a batch, before the news of it is struck out",
    ),
    Step(
        "expire.cancelled",
        "worker",
        "after",
        ("purchases.gateway.cancel_intent",),
        "after Stripe cancelled, before the release",
    ),
    Step(
        "expire.releasing",
        "worker",
        "after",
        (f"{SERVICES}.settlement.end_hold", f"{SERVICES}.holds.end_hold"),
        "inside the transaction that releases the hold",
    ),
    Step(
        "expire.committed",
        "worker",
        "after",
        ("purchases.tasks.expire_purchase",),
        "after the commit, before the task is acknowledged",
    ),
    Step(
        "refund.made",
        "worker",
        "after",
        ("purchases.gateway.create_refund",),
        "after Stripe made the refund, before it is noted",
    ),
    Step(
        "refund.noting",
        "worker",
        "after",
        (f"{SERVICES}.refunds._went_back",),
        "inside the transaction that notes the refund",
    ),
    Step(
        "refund.noted",
        "worker",
        "after",
        ("purchases.tasks.execute_refund",),
        "after the commit, before the task is acknowledged",
    ),
    Step(
        "refund_raffle.batch",
        "worker",
        "before",
        # Called once per batch, before its rows are locked.
        (f"{SERVICES}.refunds.Prefetch",),
        "a cancelled raffle: between two batches of refunds",
    ),
)
