"""The steps of a draw at which the process that takes them can be killed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dev.faults.purchase_steps import Moment, Step, always

SERVICES, ANCHORING, CHAIN = "verification.services", "verification.anchoring", "verification.chain.Chain"
TASK, TELLING = "verification.tasks.advance_draw", "verification.tasks.notify_entrants"
LOGGING = "verification.tasks.grow_log"
#: For steps on the contract: the function that takes each, and the state that it leads to.
ANCHORS = {
    "announce": (f"{SERVICES}.draw_steps.anchor_promise", "announced"),
    "commit": (f"{SERVICES}.draw_steps.anchor_commit", "committed"),
    "settle": (f"{SERVICES}.draw_steps.anchor_settlement", "settled"),
}
BETWEEN_BATCHES, PASSING_ON, TOGETHER = "draw.tell.half_way", "draw.forfeit.passing_on", "draw.settle.together"


def _reaches(state: str, arguments: tuple[Any, ...], _result: Any) -> bool:
    return str(arguments[1]) == state


def _takes(step: str, arguments: tuple[Any, ...], _result: Any) -> bool:
    return bool(arguments[1].steps.filter(step=step).exists())


def _is_settled(_arguments: tuple[Any, ...], draw: Any) -> bool:
    return str(draw.state) == "settled"


def _has_placed(_arguments: tuple[Any, ...], batch: tuple[int, int]) -> bool:
    count, _ = batch
    return count > 0


def _step(
    name: str,
    moment: Moment,
    target: str,
    summary: str,
    within: str = TASK,
    when: Callable[[tuple[Any, ...], Any], bool] = always,
) -> Step:
    return Step(f"draw.{name}", "worker", moment, (target,), summary, within, when)


def _anchored(name: str) -> tuple[Step, ...]:
    """List the moments of a step that takes a transaction."""
    anchor, state = ANCHORS[name]
    reach, reaching = f"{SERVICES}.draw_steps.reach", partial(_reaches, state)
    note = f"{ANCHORING}.sending._note_receipt"
    return (
        _step(
            f"{name}.signed",
            "before",
            f"{ANCHORING}.contract_steps.send",
            f"{name}: signed and stored, not sent",
            anchor,
        ),
        _step(f"{name}.sent", "after", f"{CHAIN}.broadcast", f"{name}: sent, not noted", anchor),
        _step(f"{name}.mined", "before", note, f"{name}: mined, not noted", when=partial(_takes, name)),
        _step(f"{name}.confirmed", "after", anchor, f"{name}: confirmed, before the state's transaction"),
        _step(f"{name}.noting", "after", reach, f"{name}: inside the state's transaction", when=reaching),
    )


STEPS = (
    *_anchored("announce"),
    _step(
        "log.placed",
        "after",
        f"{SERVICES}.log._place_batch",
        "log: leaves have their places, not yet committed",
        LOGGING,
        _has_placed,
    ),
    _step("log.signed", "after", f"{SERVICES}.log._sign", "log: a head is signed, not yet committed", LOGGING),
    _step("log.committed", "after", "verification.tasks.sign_head", "log: after the transaction of a head", LOGGING),
    _step("freeze.noting", "after", "raffles.services.mark_frozen", "freeze: inside the transaction"),
    _step("freeze.committed", "before", f"{SERVICES}.draw_steps.entries_tree", "freeze: after the transaction"),
    _step("commit.built", "before", ANCHORS["commit"][0], "commit: the tree is built, nothing signed"),
    *_anchored("commit"),
    _step("commit.committed", "before", f"{SERVICES}.draw_steps.follow_commit", "commit: after the transaction"),
    _step(
        "decide.fetched",
        "after",
        "verification.beacon.BeaconClient.fetch",
        "decide: the signature is fetched, before the transaction",
    ),
    _step(
        "decide.picked",
        "after",
        f"{SERVICES}.draw_steps._write_picks",
        "decide: the picks are written, not yet committed",
    ),
    _step(
        "decide.told",
        "after",
        "verification.announcements.tell_winners",
        "decide: the winners are told, not yet committed",
    ),
    _step("decide.committed", "before", ANCHORS["settle"][0], "decide: after the transaction"),
    *_anchored("settle"),
    _step(
        "settle.done",
        "after",
        f"{SERVICES}.advance_draw",
        "settle: after the transaction, the task is not acknowledged",
        when=_is_settled,
    ),
    _step(
        TOGETHER.removeprefix("draw."),
        "after",
        f"{CHAIN}.broadcast",
        "settle: three draws in one call, sent, not noted",
        ANCHORS["settle"][0],
    ),
    _step(
        BETWEEN_BATCHES.removeprefix("draw."),
        "before",
        "verification.announcements.notify",
        "the others are told: after the first batch of them",
        TELLING,
    ),
    Step(
        PASSING_ON,
        "web",
        "after",
        (f"{SERVICES}.outcomes._pass_on",),
        "a pick is forfeited: the prize has passed on, not yet committed",
    ),
)
