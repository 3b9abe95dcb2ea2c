"""Signals of raffles to other apps, sent inside the transaction of the change.

A receiver that raises rolls the change back. Senders pass `raffle` and `actor`,
`conditions_added` also the `addition`.
"""

from django.dispatch import Signal

raffle_published = Signal()
raffle_closed = Signal()
raffle_cancelled = Signal()
conditions_added = Signal()
