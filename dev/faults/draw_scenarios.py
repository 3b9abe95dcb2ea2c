"""The faults of draws, and how each is caused while raffles are drawn."""

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import httpx

from dev.demo.office import BackOffice
from dev.demo.shop import LateError, wait_until
from dev.faults.draw_stage import BUYERS, TRIP_SECONDS, DrawTrial
from dev.faults.draw_steps import BETWEEN_BATCHES, PASSING_ON, STEPS, TOGETHER
from dev.faults.keeper import DRAW_DELAY_SECONDS
from dev.faults.scenario import Scenario
from dev.faults.stage import restart
from dev.faults.switches import Scope
from dev.stack import STAFF_EMAIL

SCOPES: tuple[Scope, Scope] = ("process", "group")
TRIES = 3  # raffles played before a step counts as never taken
ONE_BATCH = 2  # dev.faults.worker.FEW
MANY: dict[str, Any] = {"buyers": 6, "quantity": 1, "prizes": [{"name": "The watch"}]}
SLOW = 15  # seconds from the commit to the round: time to break something in between
AWAY_SECONDS = 6
TOGETHER_COUNT = 3
ANNOUNCING = "draw.announce."
LOGGING = "draw.log."
LOG_SECONDS = 30  # several sweeps of the logs


_turns = itertools.count()


class Office(BackOffice):
    """The back office, with the page that forfeits a pick."""

    def forfeit(self, raffle: str, position: int) -> None:
        """Forfeit a pick. Raises httpx.HTTPError."""
        reason = {"kind": "disqualified", "reason": "Bought for somebody under age."}
        self._send(f"verification/draw/{raffle}/picks/{position}/forfeit/", reason)


def _killed(step: str, trial: DrawTrial) -> None:
    """Kill at the step. Each raffle leads the worker there once; something else may be faster with one of them."""
    for _ in range(trial.times):
        scope = SCOPES[next(_turns) % 2]
        for _ in range(TRIES):
            raffle = trial.draft()
            if trial.kill_at(step, scope, partial(_lead(step), trial, raffle, step), [raffle]):
                break


def _hung(step: str, trial: DrawTrial) -> None:
    """Stop the process at the step, with what it has locked, until others have taken the draw to its end."""
    for _ in range(trial.times):
        for _ in range(TRIES):
            raffle = trial.draft()
            if trial.kill_at(step, "stop", partial(_lead(step), trial, raffle, step), [raffle]):
                break
        try:
            trial.reaches(raffle, "settled")
        finally:
            trial.stage.switches.resume(step)


def _lead(step: str) -> Callable[[DrawTrial, str, str], None]:
    """Return what leads the worker to the step."""
    if step.startswith(ANNOUNCING):
        return _publish_alone_and_sell
    return _publish_and_sell_the_last_later if step.startswith(LOGGING) else _publish_and_sell


def _publish_and_sell(trial: DrawTrial, raffle: str, _step: str = "") -> None:
    trial.publish(raffle)
    trial.sell(raffle)


def _publish_and_sell_the_last_later(trial: DrawTrial, raffle: str, step: str) -> None:
    """Sell the last tickets after the step: the freeze of a raffle that is sold out places all leaves itself."""
    trial.publish(raffle)
    trial.sell(raffle, buyers=BUYERS - 1)
    with suppress(LateError):
        wait_until("the log", lambda: not trial.stage.switches.is_armed(step), seconds=LOG_SECONDS)
    trial.sell(raffle, buyers=1)


def _publish_alone_and_sell(trial: DrawTrial, raffle: str, step: str) -> None:
    """Publish without others about: an announcing task signs for all waiting draws, so another's might do it."""

    def is_over() -> bool:
        return not trial.stage.switches.is_armed(step) or trial.state(raffle) != "promised"

    trial.publish(raffle, is_over)
    trial.sell(raffle)


def _killed_between_batches(trial: DrawTrial) -> None:
    """Kill after the first two of five people who did not win were told."""
    for _ in range(trial.times):
        raffle = trial.draft(**MANY)
        trial.publish(raffle)
        sell = partial(trial.sell, raffle, buyers=MANY["buyers"], quantity=MANY["quantity"])
        trial.kill_at(BETWEEN_BATCHES, "process", sell, [raffle], passes=ONE_BATCH)


def _killed_settling_together(trial: DrawTrial) -> None:
    """Kill while draws are settled together; committed in one block, they share their round."""
    for number in range(trial.times):
        for _ in range(TRIES):
            raffles = [trial.draft() for _ in range(TOGETHER_COUNT)]
            for raffle in raffles:
                trial.publish(raffle)
            for raffle in raffles:
                trial.reaches(raffle, "announced")
            if trial.kill_at(TOGETHER, SCOPES[number % 2], partial(_commit_together, trial, raffles), raffles):
                break


def _commit_together(trial: DrawTrial, raffles: list[str]) -> None:
    """Stop new blocks until every commitment waits at the node, so that one block has all."""
    trial.ask_node("evm_setIntervalMining", 0)
    try:
        trial.sell(*raffles)
        trial.ask_node("evm_mine")  # commitments wait for a block that is dated after the last entry
        waiting = partial(_are_waiting, trial, len(raffles))
        wait_until("the commitments", waiting, seconds=TRIP_SECONDS)
        trial.ask_node("evm_mine")
    finally:
        trial.ask_node("evm_setIntervalMining", 1)


def _are_waiting(trial: DrawTrial, count: int) -> bool:
    return int(trial.ask_node("txpool_status")["pending"], 16) >= count


def _killed_forfeiting(trial: DrawTrial) -> None:
    """Kill a forfeit. Staff repeat a request without an answer; the prize passes on once."""
    for number in range(trial.times):
        raffle = trial.play()
        trial.reaches(raffle, "settled")
        trial.kill_at(PASSING_ON, SCOPES[number % 2], partial(_forfeit, trial, raffle), ())
        trial.stage.wait_for_server()
        _forfeit(trial, raffle)
        trial.forfeits[raffle] += 1


def _forfeit(trial: DrawTrial, raffle: str) -> None:
    """Forfeit in the back office, as a person does; a cut connection gives no answer."""
    stack = trial.stage.stack
    with suppress(httpx.HTTPError), Office(stack.url, address="203.0.113.3") as office:
        office.log_in(STAFF_EMAIL, stack.password)
        office.forfeit(raffle, 1)


def _with_a_second_worker(trial: DrawTrial) -> None:
    """Run two workers, and kill one with all its processes; the other goes on."""
    step = "draw.commit.sent"
    for number in range(trial.times):
        name = f"worker-{number + 2}"
        trial.stage.stack.add_worker(name)
        try:
            raffle = trial.draft()
            trial.kill_at(step, "group", partial(_publish_and_sell, trial, raffle), [raffle])
            trial.reaches(raffle, "settled")
        finally:
            trial.stage.stack.dismiss(name)


def _chain_killed(remembers: bool, trial: DrawTrial) -> None:
    """Kill the node between commitment and round. It forgets what it made since it last saved its state."""
    for _ in range(trial.times):
        for _ in range(TRIES):
            raffle = trial.play(delay_seconds=SLOW)
            trial.reaches(raffle, "committed")
            moment, transaction = trial.commitment(raffle)
            if remembers:
                saved = partial(_is_saved, trial, moment)
                wait_until("the node to save its state", saved, seconds=TRIP_SECONDS)
            _stop_between_saves(trial)
            restart(trial.stage, "chain", signal.SIGKILL)
            if bool(trial.ask_node("eth_getTransactionReceipt", transaction)) == remembers:
                trial.inject()
                break


def _stop_between_saves(trial: DrawTrial) -> None:
    """Halt the node while its state file is complete: it cannot start from a partial one."""

    def is_whole() -> bool:
        os.kill(node.pid, signal.SIGSTOP)
        try:
            json.loads(trial.chain_state.read_bytes())
        except ValueError:
            os.kill(node.pid, signal.SIGCONT)
            return False
        return True

    node = trial.stage.stack.supervisor.part("chain")
    wait_until("a moment between two saves", is_whole, seconds=TRIP_SECONDS)


def _is_saved(trial: DrawTrial, moment: int) -> bool:
    """Whether the node has saved the blocks up to this time; it writes its state every few seconds."""
    return trial.chain_state.stat().st_mtime > moment + 1


def _beacon_away(trial: DrawTrial) -> None:
    """Stop the beacon from before the round until well after it."""
    supervisor = trial.stage.stack.supervisor
    for _ in range(trial.times):
        raffle = trial.play(delay_seconds=2 * DRAW_DELAY_SECONDS)
        trial.reaches(raffle, "committed")
        child = supervisor.part("beacon")
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        trial.inject()
        time.sleep(2 * DRAW_DELAY_SECONDS + AWAY_SECONDS)
        supervisor.restart("beacon")


def _postgres_restarted(state: str, trial: DrawTrial) -> None:
    """Restart PostgreSQL as after a crash, once the draw has reached the state."""
    for _ in range(trial.times):
        raffle = trial.play()
        trial.reaches(raffle, state, "settled")
        trial.inject()
        restart(trial.stage, "postgres", signal.SIGQUIT)


SUMMARIES = {step.name: f"SIGKILL of the {step.process}: {step.summary}" for step in STEPS}
KILLS = tuple(
    Scenario(step.name, SUMMARIES[step.name], partial(_killed, step.name), DrawTrial, "kills", 4)
    for step in STEPS
    if step.name not in {BETWEEN_BATCHES, PASSING_ON, TOGETHER}
)


def _outage(name: str, summary: str, play: Callable[[DrawTrial], None], wave: str = "outages") -> Scenario:
    return Scenario(name, summary, play, DrawTrial, wave)


OUTAGES = (
    _outage(BETWEEN_BATCHES, SUMMARIES[BETWEEN_BATCHES], _killed_between_batches),
    _outage(PASSING_ON, SUMMARIES[PASSING_ON], _killed_forfeiting),
    _outage(TOGETHER, SUMMARIES[TOGETHER], _killed_settling_together),
    _outage("draw.beacon.away", "the beacon's relay is gone from before the round until after it", _beacon_away),
    _outage(
        "draw.postgres.commit",
        "PostgreSQL restarted (immediate: crash recovery) while the commitment is under way",
        partial(_postgres_restarted, "frozen"),
    ),
    _outage(
        "draw.postgres.settle",
        "PostgreSQL restarted (immediate: crash recovery) while the settlement is under way",
        partial(_postgres_restarted, "drawn"),
    ),
    _outage("draw.workers.two", "two workers, one of them killed: commit: sent, not noted", _with_a_second_worker),
    _outage(
        "draw.chain.killed",
        "anvil killed between commitment and round, and started again",
        partial(_chain_killed, True),
        "chain",
    ),
    _outage(
        "draw.chain.forgotten",
        "the same, and the blocks since it last saved are gone, the commitment's with them",
        partial(_chain_killed, False),
        "forgotten",
    ),
)
HANGS = tuple(
    Scenario(
        f"{step.name}.hung",
        f"SIGSTOP of the {step.process}: {step.summary}",
        partial(_hung, step.name),
        DrawTrial,
        "hangs",
    )
    for step in STEPS
    if step.name.startswith(LOGGING)
)
DRAWS = KILLS + HANGS + OUTAGES
