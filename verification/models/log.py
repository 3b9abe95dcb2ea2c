"""The public log of a raffle, which only grows: leaves, the hashes that make proofs cheap, and signed heads."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from luxewin.tasks.models import Claimable
from raffles.models import Raffle
from verification.log import HASH, Kind, Leaf

SIGNATURE = 64


class Log(Claimable):
    """How far the log of a raffle is. Its row is locked by whoever sequences or signs, and never by a buyer.

    The trigger log_goes_forward (verification/sql) lets it only grow.
    """

    raffle = models.OneToOneField(Raffle, models.PROTECT, primary_key=True, related_name="log")
    size = models.PositiveBigIntegerField(default=0, help_text="How many leaves have their place.")
    entries_size = models.PositiveBigIntegerField(
        null=True, help_text="How many of them the commitment covers: all that there were when the entries were frozen."
    )
    signed_size = models.PositiveBigIntegerField(default=0, help_text="The size of the newest head.")
    signed_at = models.DateTimeField(null=True, help_text="When the newest head was signed.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(signed_size__lte=F("size")) & (Q(entries_size=None) | Q(entries_size__lte=F("size"))),
                name="log_sizes",
            )
        ]

    def __str__(self) -> str:
        return f"log of {self.raffle_id}: {self.size}"


class LogLeaf(models.Model):
    """One leaf, written in the transaction of what it says; a sequencer gives it its place in the log later.

    Purchases write kinds 1 and 2 by the trigger entries_are_logged, whatever code changes them. The trigger
    leaves_are_fixed computes the hash and lets nothing change but the place, once.
    """

    # Rows are written while people buy: no foreign key, which would lock the raffle's row, and no index but these.
    raffle = models.ForeignKey(Raffle, models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False)
    entry_id = models.UUIDField()
    kind = models.PositiveSmallIntegerField(choices=[(kind.value, kind.name.capitalize()) for kind in Kind])
    a = models.PositiveBigIntegerField(help_text="The first ticket, or the position of the pick.")
    b = models.PositiveBigIntegerField(help_text="How many tickets, or the position of the prize.")
    x = models.BinaryField(max_length=HASH, help_text="The holder, or SHA-256 of the public reason.")
    at = models.PositiveBigIntegerField(help_text="Unix seconds.")
    hash = models.BinaryField(max_length=HASH, default=bytes, editable=False)
    index = models.PositiveBigIntegerField(null=True, help_text="Its place in the log, from 0.")

    ENTRY: ClassVar = (Kind.ENTERED.value, Kind.WITHDRAWN.value)
    OUTCOME: ClassVar = (Kind.FORFEITED.value, Kind.CLAIMED.value)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["entry_id", "kind"], condition=Q(kind__in=[1, 2]), name="log_entry_once_each_way"
            ),
            models.UniqueConstraint(fields=["raffle", "a"], condition=Q(kind__in=[3, 4]), name="log_pick_ends_once"),
            models.UniqueConstraint(
                fields=["raffle", "index"], condition=Q(index__isnull=False), name="log_place_once"
            ),
            models.CheckConstraint(condition=Q(kind__in=[1, 2, 3, 4]), name="log_leaf_kind"),
        ]
        indexes = [
            models.Index(fields=["raffle", "id"], condition=Q(index=None), name="log_leaf_waiting"),
            models.Index(fields=["hash"], condition=Q(index__isnull=False), name="log_leaf_by_hash"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.entry_id}"

    @property
    def leaf(self) -> Leaf:
        """The leaf as the protocol has it."""
        return Leaf(self.kind, self.entry_id, self.a, self.b, bytes(self.x), self.at)


class LogBlock(models.Model):
    """The hash of a full block of leaves (`verification.log.BLOCK`)."""

    log = models.ForeignKey(Log, models.PROTECT, related_name="blocks", db_index=False)
    number = models.PositiveBigIntegerField()
    hash = models.BinaryField(max_length=HASH)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["log", "number"], name="log_block_once")]

    def __str__(self) -> str:
        return f"block {self.number} of {self.log_id}"


class LogHead(models.Model):
    """A signed statement of what the first leaves of a log are. Heads only go on, in size and time."""

    log = models.ForeignKey(Log, models.PROTECT, related_name="heads", db_index=False)
    size = models.PositiveBigIntegerField()
    root = models.BinaryField(max_length=HASH)
    at = models.PositiveBigIntegerField(help_text="Unix seconds.")
    signature = models.BinaryField(max_length=SIGNATURE)

    class Meta:
        ordering = ["-size"]
        constraints = [models.UniqueConstraint(fields=["log", "size"], name="log_head_once")]

    def __str__(self) -> str:
        return f"head of {self.log_id} at {self.size}"
