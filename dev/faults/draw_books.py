"""One draw as the database, the chain, the verifier and people's mails have it, and what is lost."""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from dev.faults.chain_books import ChainBooks
from dev.launch import PROJECT

STEPS = ("announce", "commit", "settle")
ROAD = ("draw.promised", "draw.announced", "draw.frozen", "draw.committed", "draw.drawn", "draw.settled")
VERIFIER_SECONDS = 60
# What verifier.py ends with on a development chain, where nothing better is said.
CONSISTENT = 3
#: Part of the subject of the mails of each kind; in braces the prize.
SUBJECTS = {
    "draw_won": ": you won ",
    "draw_alternate": ": you are an alternate",
    "draw_lost": "The draw of ",
    "draw_disqualified": ": your ticket was disqualified",
    "draw_stepped_up": ": you won {} after all",
}
DRAW = """
    SELECT state, sequence, manifest_hash, commitment, tickets, committed_at, round, randomness, seed, trouble
    FROM verification_draw WHERE raffle_id = %s
"""
PICKS = """
    SELECT pick.index, prize.name AS prize, buyer.email, forfeit.kind AS forfeit, held.name AS held, award.lost_at
    FROM verification_pick AS pick
    JOIN purchases_purchase AS purchase ON purchase.id = pick.purchase_id
    JOIN accounts_user AS buyer ON buyer.id = purchase.buyer_id
    LEFT JOIN raffles_prize AS prize ON prize.id = pick.prize_id
    LEFT JOIN verification_forfeit AS forfeit ON forfeit.pick_id = pick.id
    LEFT JOIN verification_award AS award ON award.pick_id = pick.id
    LEFT JOIN raffles_prize AS held ON held.id = award.prize_id
    WHERE pick.draw_id = %s ORDER BY pick.position
"""
BUYERS = """
    SELECT DISTINCT buyer.email FROM purchases_purchase AS purchase
    JOIN accounts_user AS buyer ON buyer.id = purchase.buyer_id WHERE raffle_id = %s AND status = 'paid'
"""
TAKEN = """
    SELECT step.step, step.live, sent.hash, sent.block IS NOT NULL AS mined FROM verification_chainstep AS step
    JOIN verification_chaintransaction AS sent ON sent.id = step.transaction_id WHERE step.draw_id = %s
"""
TOLD = """
    SELECT told.kind, told.status, told.attempts, person.email, told.context ->> 'prize' AS prize
    FROM accounts_notification AS told JOIN accounts_user AS person ON person.id = told.user_id
    WHERE told.context ->> 'raffle_id' = %s AND told.kind LIKE 'draw%%' AND told.channel = 'email'
"""
# What is wrong with its log: places with a gap or twice, leaves without one, entries without a leaf.
LOG = """
    SELECT count(*) FILTER (WHERE index IS NULL) AS waiting, count(DISTINCT index) AS places,
        coalesce(max(index) + 1, 0) AS size, count(*) FILTER (WHERE kind = 1) AS entered,
        (SELECT count(*) FROM purchases_purchase WHERE raffle_id = %(raffle)s AND first_ticket IS NOT NULL) AS sold
    FROM verification_logleaf WHERE raffle_id = %(raffle)s
"""
AUDIT = "SELECT action FROM audit_auditentry WHERE subject_id = %s AND action = ANY(%s)"
STATES = "SELECT state FROM verification_draw WHERE raffle_id = ANY(%s::uuid[])"
DONE = """
    SELECT greatest(
        (SELECT max(at) FROM audit_auditentry WHERE subject_id = ANY(%(raffles)s) AND action = 'draw.settled'),
        (SELECT max(sent_at) FROM accounts_notification
         WHERE context ->> 'raffle_id' = ANY(%(raffles)s) AND kind LIKE 'draw%%')
    )
"""
UNTOLD = """
    SELECT (
        SELECT count(*) FROM accounts_notification
        WHERE context ->> 'raffle_id' = ANY(%(raffles)s) AND kind LIKE 'draw%%' AND status IN ('queued', 'sent')
    ) + (SELECT count(*) FROM verification_untolddraw WHERE draw_id = ANY(%(raffles)s::uuid[]))
"""


class DrawLoss(StrEnum):
    """What can be lost of a draw; the columns of the report."""

    NONE = "draws without result"
    SECOND = "second results"
    DOUBLED = "doubled transactions"
    TOLD = "people told twice or never"
    UNLIKE = "rows unlike chain or proof"


@dataclass
class Verdict:
    """The verifier's result, from its own process, for bundle, entries and log as served."""

    code: int
    text: str
    indices: list[int]

    @classmethod
    def of(cls, bundle: bytes, entries: bytes, log: bytes, folder: Path) -> "Verdict":
        """Run the verifier on files in `folder`."""
        files = {folder / "bundle.json": bundle, folder / "entries.csv": entries, folder / "log.csv": log}
        for file, content in files.items():
            file.write_bytes(content)
        done = subprocess.run(  # noqa: S603 (our own command line)
            [sys.executable, "-I", "verification/verifier.py", *files],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=VERIFIER_SECONDS,
            check=False,
        )
        picks = json.loads(bundle)["picks"]
        return cls(done.returncode, (done.stdout or done.stderr).strip(), [pick["index"] for pick in picks])


@dataclass
class DrawBooks:
    """One draw's rows, with its chain, its verdict and the mails."""

    draw: Any
    picks: Sequence[Any]
    buyers: set[str]
    taken: Sequence[Any]
    told: Sequence[Any]
    audited: Counter[str]
    chain: ChainBooks
    mails: Sequence[dict[str, Any]]
    raffle: str
    verdict: Verdict | None = None
    log: Any = None

    @classmethod
    def of(cls, raffle: str, database: str, chain: ChainBooks, mails: Sequence[dict[str, Any]]) -> "DrawBooks":
        """Read the rows. Raises psycopg.Error while the database is down."""
        with psycopg.connect(database, connect_timeout=5, row_factory=namedtuple_row) as connection:
            draw, picks, buyers, taken, told = (
                connection.execute(query, [raffle]).fetchall() for query in (DRAW, PICKS, BUYERS, TAKEN, TOLD)
            )
            audited = connection.execute(AUDIT, [raffle, list(ROAD)]).fetchall()
            log = connection.execute(LOG, {"raffle": raffle}).fetchone()
        people, road = {row[0] for row in buyers}, Counter(row[0] for row in audited)
        return cls(draw[0], picks, people, taken, told, road, chain, mails, raffle, log=log)

    def losses(self, forfeits: int = 0) -> dict[DrawLoss, list[str]]:
        """Return what is wrong, by kind; empty if the draw has exactly one result and everyone was told.

        `forfeits` is how many of its picks staff forfeited.
        """
        if self.draw.state != "settled":
            return {DrawLoss.NONE: [f"draw {self.draw.sequence} is {self.draw.state}: {self.draw.trouble}"]}
        found = {
            DrawLoss.NONE: list(self._steps_missing()),
            DrawLoss.SECOND: [*self._second_results(), *self._prizes_held_wrongly(forfeits)],
            DrawLoss.DOUBLED: list(self._doubled_transactions()),
            DrawLoss.TOLD: list(self._told_wrongly()),
        }
        if not found[DrawLoss.NONE]:
            found[DrawLoss.UNLIKE] = list(self._unlike())
        return {loss: what for loss, what in found.items() if what}

    def _events(self, step: str) -> list[Any]:
        return self.chain.events[step, self.draw.manifest_hash]

    def _steps_missing(self) -> Iterator[str]:
        for step in STEPS:
            if not self._events(step):
                yield f"draw {self.draw.sequence} is settled here, and the contract has no {step} of it"

    def _second_results(self) -> Iterator[str]:
        for step in STEPS:
            if len(self._events(step)) > 1:
                yield f"draw {self.draw.sequence}: the contract has {len(self._events(step))} events of its {step}"
        if self.audited != Counter(ROAD):
            yield f"draw {self.draw.sequence} went {dict(self.audited)}"

    def _doubled_transactions(self) -> Iterator[str]:
        for step in STEPS:
            times = self.chain.calls[step, self.draw.manifest_hash]
            if times > 1:
                yield f"draw {self.draw.sequence}: {times} transactions {step} it"
            signed = [row.hash for row in self.taken if row.step == step]
            if len(signed) != 1:
                yield f"draw {self.draw.sequence}: rows of its {step} are {signed}"

    def _prizes_held_wrongly(self, forfeits: int) -> Iterator[str]:
        held = Counter(row.held for row in self.picks if row.held and row.lost_at is None)
        if held != (prizes := Counter(row.prize for row in self.picks if row.prize)):
            yield f"draw {self.draw.sequence}: held are {dict(held)}, won were {dict(prizes)}"
        forfeited = [row for row in self.picks if row.forfeit]
        if len(forfeited) != forfeits or any(row.held and row.lost_at is None for row in forfeited):
            yield f"draw {self.draw.sequence}: {forfeits} picks were to be forfeited, {forfeited} are"

    def _told_wrongly(self) -> Iterator[str]:
        won: defaultdict[str, list[str]] = defaultdict(list)
        for row in self.picks:
            won[row.email] += [row.prize] if row.prize else []
        winners, picked = {email for email, prizes in won.items() if prizes}, set(won)
        news: dict[str, list[tuple[str, str | None]]] = {
            # One mail about all that a person won; it names the prize if there is only one.
            "draw_won": [(email, won[email][0] if len(won[email]) == 1 else None) for email in winners],
            "draw_alternate": [(email, None) for email in picked - winners],
            "draw_lost": [(email, None) for email in self.buyers - picked],
            "draw_disqualified": [(row.email, row.held) for row in self.picks if row.forfeit],
            "draw_stepped_up": [(row.email, row.held) for row in self.picks if row.held and not row.prize],
        }
        told = [(row.kind, row.email, row.prize) for row in self.told]
        expected = [(kind, *each) for kind, people in news.items() for each in people]
        if Counter(told) != Counter(expected):
            yield f"draw {self.draw.sequence}: told are {sorted(told)}, expected {sorted(expected)}"
        for row in self.told:
            mails = self._mails_of(row)
            # A worker that died between sending and noting sends the same Message-ID again.
            if row.status != "accepted" or not 1 <= mails <= row.attempts:
                yield f"{row.email} got {mails} mails of {row.kind}, in {row.attempts} attempts; it is {row.status}"

    def _mails_of(self, row: Any) -> int:
        place, subject = f"/verify/{self.raffle}", SUBJECTS[row.kind].format(row.prize)
        mine = [each for each in self.mails if row.email in each["to"] and place in each["text"]]
        return sum(subject in each["subject"] for each in mine)

    def _log_wrong(self) -> Iterator[str]:
        found = self.log
        if found and (found.waiting or found.places != found.size or found.entered != found.sold):
            yield f"draw {self.draw.sequence}: of its log {found}"

    def _unlike(self) -> Iterator[str]:
        yield from self._log_wrong()
        name, indices = f"draw {self.draw.sequence}", [pick.index for pick in self.picks]
        announced, committed, settled = (self._events(step)[-1] for step in STEPS)
        commitment, tickets, _, committed_at, number = committed.words
        # The settlement's words: round, randomness, seed, the array's offset, its length, its values.
        told = (announced.topics[1], f"{commitment:064x}", tickets, committed_at, number, f"{settled.words[2]:064x}")
        ours = (self.draw.sequence, self.draw.commitment, self.draw.tickets, self.draw.committed_at, self.draw.round)
        if told != (*ours, self.draw.seed):
            yield f"{name}: the contract has {told}, the rows {(*ours, self.draw.seed)}"
        if (picked := settled.words[5 : 5 + settled.words[4]]) != indices:
            yield f"{name}: the contract picked {picked}, the rows are {indices}"
        hashes = {row.step: row.hash for row in self.taken if row.live and row.mined}
        on_chain = dict(zip(STEPS, (each.transaction for each in (announced, committed, settled)), strict=True))
        if hashes != on_chain:
            yield f"{name}: the steps were taken by {on_chain}, the rows say {hashes}"
        if self.verdict and (self.verdict.code != CONSISTENT or self.verdict.indices != indices):
            yield f"{name}: verifier.py ends with {self.verdict.code}: {self.verdict.text[-300:]}"


def undone(raffles: Sequence[str], database: str) -> int:
    """Count these draws that are not settled; if all are, their mails that are not sent, and those not all written."""
    with psycopg.connect(database, connect_timeout=5) as connection:
        states = [state for (state,) in connection.execute(STATES, [list(raffles)])]
        open_ones = len(raffles) - states.count("settled")
        (untold,) = connection.execute(UNTOLD, {"raffles": list(raffles)}).fetchone() or (0,)
    return open_ones or untold


def done_at(raffles: Sequence[str], database: str) -> float:
    """Return when the last of these draws was settled, or the last of their mails sent, in Unix seconds."""
    with psycopg.connect(database, connect_timeout=5) as connection:
        (moment,) = connection.execute(DONE, {"raffles": list(raffles)}).fetchone() or (None,)
    return float(moment.timestamp()) if moment else 0.0


def known_transactions(database: str) -> int:
    """Count the operator's transactions in the rows."""
    with psycopg.connect(database, connect_timeout=5) as connection:
        query = "SELECT count(*) FROM verification_chaintransaction WHERE account_id IS NOT NULL"
        (count,) = connection.execute(query).fetchone() or (0,)
    return int(count)
