"""Receivers of draws: publishing a raffle makes the promise, cancelling it ends the draw."""

from typing import Any

from luxewin.audit.services import Actor
from luxewin.tasks.queue import enqueue
from raffles.models import Raffle
from raffles.signals import raffle_cancelled, raffle_closed, raffle_published
from verification import services, tasks


def connect() -> None:
    """Connect the receivers. Call once, when the app is ready."""
    raffle_published.connect(on_published, dispatch_uid="verification.published")
    raffle_closed.connect(on_closed, dispatch_uid="verification.closed")
    raffle_cancelled.connect(on_cancelled, dispatch_uid="verification.cancelled")


def on_published(sender: type[Raffle], raffle: Raffle, actor: Actor | None, **kwargs: Any) -> None:
    """Fix the manifest, in the transaction that publishes."""
    services.promise_draw(raffle, actor=actor)
    enqueue(tasks.advance_draw, str(raffle.pk))


def on_closed(sender: type[Raffle], raffle: Raffle, **kwargs: Any) -> None:
    """Advance the draw, whose entries can now be frozen."""
    enqueue(tasks.advance_draw, str(raffle.pk))


def on_cancelled(sender: type[Raffle], raffle: Raffle, actor: Actor | None, **kwargs: Any) -> None:
    """Void the draw; its number in the sequence stays taken, and the reason is public."""
    services.end_with_raffle(raffle, actor=actor)
