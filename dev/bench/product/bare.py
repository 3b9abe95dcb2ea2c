"""The writes of settling and refunding by psycopg alone, the yardstick of `dev.bench.product.catch_up`.

The same rows change in the same transactions, after the same locks. Nothing is looked up, checked or asked of the
provider: every value is known beforehand.
"""

import json
import secrets
from itertools import batched
from typing import Any

import psycopg

from dev.bench.product import numbers
from luxewin.ids import uuid7

LOCK_TALLY = "SELECT FROM purchases_persontally WHERE raffle_id = %s AND user_id = %s FOR NO KEY UPDATE"
LOCK_PURCHASE = "SELECT FROM purchases_purchase WHERE id = %s FOR NO KEY UPDATE"
LOCK_PAYMENT = "SELECT FROM purchases_payment WHERE id = %s FOR NO KEY UPDATE"
TAKE_NOTICE = "DELETE FROM purchases_stripenotice WHERE object_id = %s"
LOCK_REFUND = "SELECT FROM purchases_refund WHERE id = %s FOR NO KEY UPDATE"
END_PAYMENT = "UPDATE purchases_payment SET status = 'succeeded', updated_at = now() WHERE id = %s"
COUNT_SALE = "UPDATE raffles_ticketcounter SET held = held - 1, sold = sold + 1 WHERE raffle_id = %s RETURNING sold"
SEAT = """
    UPDATE purchases_purchase SET status = 'paid', first_ticket = %s, paid_at = now(), claimed_until = NULL
    WHERE id = %s
"""
OPEN_REFUND = """
    INSERT INTO purchases_refund (id, payment_id, amount, reason, attempt, spent_keys, status, error, updated_at)
    VALUES (%s, %s, %s, %s, 1, 0, 'requested', '', now())
"""
NOTE_REFUND = "UPDATE purchases_refund SET status = 'succeeded', stripe_id = %s, updated_at = now() WHERE id = %s"
SET_STATUS = "UPDATE purchases_purchase SET status = %s WHERE id = %s"
AUDIT = """
    INSERT INTO audit_auditentry (action, subject_type, subject_id, before, after, request_id)
    VALUES (%s, split_part(%s, '.', 1), %s, %s, %s, '')
"""
NOTIFY = """
    INSERT INTO accounts_notification (id, user_id, kind, context, dedupe_key, channel, status, attempts, error)
    SELECT CASE over.channel WHEN 'email' THEN told.id ELSE gen_random_uuid() END, user_id, kind, context, dedupe_key,
        over.channel, over.status, 0, ''
    FROM (SELECT %s::uuid AS id, %s::uuid AS user_id, %s::text AS kind, %s::jsonb AS context, %s::text AS dedupe_key)
        AS told, (VALUES ('email', 'queued'), ('inbox', 'delivered')) AS over (channel, status)
    ON CONFLICT DO NOTHING
"""
NOTE_CHANGE = """
    INSERT INTO purchases_stalemirror (object_id, about, noted_at, due_at, tries, error)
    VALUES (%s, %s, now(), now(), 0, '')
    ON CONFLICT (object_id) DO UPDATE SET noted_at = EXCLUDED.noted_at, due_at = EXCLUDED.due_at
"""
ENQUEUE = "INSERT INTO django_q_ormq (key, payload, lock) VALUES ('luxewin', %s, now())"
# Like the product's: purchases that leave their raffle in one transaction.
BATCH = 200
REASON = "The watch was stolen."


class Bare:
    """One connection that makes the writes one after another."""

    def __init__(self, database: str, raffle: str, title: str, payload: str) -> None:
        """Connect; `payload` is of a queued task, as large as the product's."""
        self.connection = psycopg.connect(database, autocommit=True)
        self.raffle, self.title, self.payload = raffle, title, payload

    def settle(self, number: int) -> None:
        """Settle one paid event."""
        purchase, person = numbers.identifier(number), numbers.identifier(numbers.person_of(number))
        with self.connection.transaction():
            self._run(LOCK_TALLY, self.raffle, person)
            self._run(LOCK_PURCHASE, purchase)
            self._run(LOCK_PAYMENT, purchase)
            self._run(END_PAYMENT, purchase)
            paid = {"status": "succeeded", "purchase": purchase, "intent": numbers.intent_id(number)}
            self._audit("payment.succeeded", purchase, {"status": "open"}, paid)
            self._run(NOTE_CHANGE, numbers.intent_id(number), "payment_intent")
            (ticket,) = self._run(COUNT_SALE, self.raffle).fetchone() or (0,)
            self._run(SEAT, ticket, purchase)
            tickets = {"first": ticket, "last": ticket, "count": 1}
            self._audit("purchase.paid", purchase, {"status": "pending"}, {"status": "paid"} | tickets)
            self._run(ENQUEUE, self.payload)  # the mail with the numbers
            self._run(TAKE_NOTICE, numbers.intent_id(number))

    def refund(self, first: int, size: int) -> None:
        """Refund all purchases of the raffle: first they leave it, then each is paid back."""
        refunds = [str(uuid7()) for _ in range(size)]
        every = list(zip(range(first, first + size), refunds, strict=True))
        for batch in batched(every, BATCH, strict=False):
            with self.connection.transaction():
                for number, refund in batch:
                    self._leave(numbers.identifier(number), refund)
        for number, refund in every:
            with self.connection.transaction():
                self._pay_back(number, refund)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def _leave(self, purchase: str, refund: str) -> None:
        self._run(LOCK_PURCHASE, purchase)
        self._run(SET_STATUS, "refunding", purchase)
        self._run(OPEN_REFUND, refund, purchase, numbers.PRICE, REASON)
        after = {"status": "refunding", "reason": REASON, "payment": purchase}
        self._audit("purchase.refunding", purchase, {"status": "paid"}, after)
        self._audit("refund.requested", refund, {}, _refund("requested", purchase, None))

    def _pay_back(self, number: int, refund: str) -> None:
        purchase, person = numbers.identifier(number), numbers.identifier(numbers.person_of(number))
        self._run(LOCK_PURCHASE, purchase)
        self._run(LOCK_REFUND, refund)
        stripe_id = f"re_{secrets.token_hex(12)}"
        self._run(NOTE_REFUND, stripe_id, refund)
        self._audit("refund.succeeded", refund, {"status": "requested"}, _refund("succeeded", purchase, stripe_id))
        self._run(NOTE_CHANGE, stripe_id, "refund")
        self._run(NOTE_CHANGE, numbers.intent_id(number), "payment_intent")
        self._run(SET_STATUS, "refunded", purchase)
        self._audit("purchase.refunded", purchase, {"status": "refunding"}, {"status": "refunded"})
        self._notify("purchase_refunded", person, refund, {"raffle": self.title, "reason": REASON})

    def _audit(self, action: str, subject: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        self._run(AUDIT, action, action, subject, json.dumps(before), json.dumps(after))

    def _notify(self, kind: str, person: str, about: str, context: dict[str, Any]) -> None:
        self._run(NOTIFY, uuid7(), person, kind, json.dumps(context), f"{kind}:{about}:{person}")

    def _run(self, statement: str, *values: object) -> psycopg.Cursor[Any]:
        return self.connection.execute(statement.encode(), values)


def _refund(status: str, payment: str, stripe_id: str | None) -> dict[str, Any]:
    return {"status": status, "payment": payment, "amount": numbers.PRICE, "attempt": 1, "stripe_id": stripe_id}
