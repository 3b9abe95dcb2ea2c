"""Checks of our own books: counters are sums, numbers are given once, money has tickets and tickets have money."""

from collections.abc import Iterator

from django.db import connection

from luxewin.database import statement_timeout
from purchases.services.reconciliation.differences import Difference

# Each statement sees the database at one moment, and returns a line for each fault.
COUNTERS = """
    SELECT format('raffle %%s: %%s is %%s, its purchases have %%s', counter.raffle_id, name, counted, summed)
    FROM raffles_ticketcounter AS counter
    LEFT JOIN (
        SELECT raffle_id, sum(quantity) FILTER (WHERE status IN ('pending', 'processing')) AS held,
            sum(quantity) FILTER (WHERE first_ticket IS NOT NULL) AS sold,
            sum(quantity) FILTER (WHERE first_ticket IS NOT NULL AND route = 'postal') AS postal
        FROM purchases_purchase GROUP BY raffle_id
    ) AS has ON has.raffle_id = counter.raffle_id
    CROSS JOIN LATERAL (VALUES
        ('held', counter.held, coalesce(has.held, 0)),
        ('sold', counter.sold, coalesce(has.sold, 0)),
        ('postal', counter.postal, coalesce(has.postal, 0))
    ) AS each (name, counted, summed)
    WHERE counted <> summed
"""
# A refunded entry keeps its numbers, so every number from 1 to the last belongs to a purchase.
NUMBERS = """
    SELECT format('raffle %%s: numbers go on with %%s after %%s', raffle_id, first_ticket, before)
    FROM (
        SELECT raffle_id, first_ticket, coalesce(
            lag(first_ticket + quantity - 1) OVER (PARTITION BY raffle_id ORDER BY first_ticket), 0
        ) AS before
        FROM purchases_purchase WHERE first_ticket IS NOT NULL
    ) AS given
    WHERE first_ticket <> before + 1
"""
NUMBERS_OF_NOBODY = """
    SELECT format('purchase %%s: it has numbers and is %%s', id, status)
    FROM purchases_purchase
    WHERE first_ticket IS NOT NULL AND status NOT IN ('paid', 'refunding', 'refunded', 'void')
"""
TALLIES = """
    SELECT format(
        'raffle %%s, person %%s: the tally is %%s, their purchases have %%s',
        raffle_id, user_id, coalesce(taken, 0), coalesce(summed, 0)
    )
    FROM purchases_persontally FULL JOIN (
        SELECT raffle_id, buyer_id AS user_id, sum(quantity) AS summed
        FROM purchases_purchase WHERE status IN ('pending', 'processing') OR first_ticket IS NOT NULL
        GROUP BY raffle_id, buyer_id
    ) AS has USING (raffle_id, user_id)
    WHERE coalesce(taken, 0) <> coalesce(summed, 0)
"""
TICKETS_WITHOUT_MONEY = """
    SELECT format('purchase %%s: it is paid, and no payment of it succeeded', id)
    FROM purchases_purchase AS purchase
    WHERE status = 'paid' AND route = 'card' AND NOT EXISTS (
        SELECT FROM purchases_payment WHERE purchase_id = purchase.id AND status = 'succeeded'
    )
"""
# One payment paid for the tickets, or was lost in a dispute; what finance reviews is known already.
MONEY_WITHOUT_TICKETS = """
    SELECT format('payment %%s of purchase %%s: its money bought nothing, the purchase is %%s', id, purchase_id, state)
    FROM (
        SELECT payment.id, purchase_id, purchase.status AS state,
            row_number() OVER (PARTITION BY purchase_id ORDER BY attempt) AS place
        FROM purchases_payment AS payment JOIN purchases_purchase AS purchase ON purchase.id = purchase_id
        WHERE payment.status = 'succeeded' AND purchase.status <> 'review' AND review_evidence IS NULL
          AND NOT EXISTS (SELECT FROM purchases_refund WHERE payment_id = payment.id)
    ) AS kept
    WHERE state NOT IN ('paid', 'void') OR place > 1
"""
REFUNDS = """
    SELECT format('purchase %%s: it is %%s, and its refunds are %%s', id, status, coalesce(states, 'none'))
    FROM (
        SELECT purchase.id, purchase.status, string_agg(refund.status, ', ') AS states,
            coalesce(bool_and(refund.status IN ('succeeded', 'closed')), false) AS all_back
        FROM purchases_purchase AS purchase
        LEFT JOIN purchases_payment AS payment ON payment.purchase_id = purchase.id
        LEFT JOIN purchases_refund AS refund ON refund.payment_id = payment.id
        WHERE purchase.status IN ('refunding', 'refunded')
        GROUP BY purchase.id
    ) AS leaving
    WHERE states IS NULL OR all_back <> (status = 'refunded')
"""
# Stripe events that are neither in our books nor in dj-stripe's records.
UNSTORED = """
    SELECT format('event %%s (%%s): it cannot be taken in: %%s', event_id, type, error) FROM purchases_unstoredevent
"""
STATEMENTS = (
    COUNTERS,
    NUMBERS,
    NUMBERS_OF_NOBODY,
    TALLIES,
    TICKETS_WITHOUT_MONEY,
    MONEY_WITHOUT_TICKETS,
    REFUNDS,
    UNSTORED,
)


def faults_of_the_books() -> Iterator[Difference]:
    """Yield what does not add up in our own books; repair nothing. Cost: eight statements over all of them."""
    for statement in STATEMENTS:
        with statement_timeout("compare the books", minutes=10), connection.cursor() as cursor:
            cursor.execute(statement, {})
            lines = [line for (line,) in cursor]
        for line in lines:
            yield Difference(line)
