"""Draws: their promises, states and picks."""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from luxewin.lines import LineField
from luxewin.tasks.models import Claimable
from purchases.models import Purchase
from raffles.models import Prize, Raffle
from verification.beacon import Beacon
from verification.manifest import parse
from verification.querysets import DrawQuerySet


class Contract(models.Model):
    """One of our draw contracts on a chain; new draws use the newest of the configured chain."""

    chain_id = models.PositiveBigIntegerField()
    address = models.CharField(max_length=42)
    transaction = models.CharField(max_length=66)
    first_sequence = models.PositiveIntegerField(
        "first draw number", null=True, help_text="Empty if somebody else deployed the contract."
    )
    chain_hash = models.CharField(
        "beacon chain hash", max_length=64, blank=True, help_text="Empty until it was read from the contract."
    )
    void_after = models.PositiveIntegerField(
        null=True, help_text="The delays of its voids, in seconds. Empty until it was read from the contract."
    )
    deployed_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = "draw contract"
        constraints = [models.UniqueConstraint(fields=["chain_id", "address"], name="contract_once")]

    def __str__(self) -> str:
        return f"{self.address} on chain {self.chain_id}"

    def takes(self, sequence: int) -> bool:
        """Whether it takes this number next: it can never pass a gap left by a number promised elsewhere."""
        last = self.draws.aggregate(last=models.Max("sequence"))["last"]
        due = self.first_sequence if last is None else last + 1
        return due is None or due == sequence


class DrawSequence(models.Model):
    """The one row that numbers draws without a gap: the transaction that publishes a raffle increments it."""

    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="draw_sequence_one_row")]

    def __str__(self) -> str:
        return str(self.last)


class Draw(Claimable):
    """The draw of one raffle. One idempotent step leads to each state (`verification.services`)."""

    class State(models.TextChoices):
        PROMISED = "promised", "Promised"  # the manifest is fixed and public here
        ANNOUNCED = "announced", "Announced"  # the contract has the manifest's hash (or no chain is configured)
        FROZEN = "frozen", "Frozen"  # the entries are fixed for good; once they have a root, all files are public
        COMMITTED = "committed", "Committed"  # the commitment is on the chain, whose time fixes the beacon round
        DRAWN = "drawn", "Drawn"  # the round appeared, the picks are fixed
        SETTLED = "settled", "Settled"  # the contract computed the same picks
        VOID = "void", "Void"  # cancelled before the freeze, or the round never appeared: no picks

    HELD: ClassVar = (State.DRAWN, State.SETTLED)

    raffle = models.OneToOneField(Raffle, models.PROTECT, primary_key=True, related_name="draw")
    sequence = models.PositiveIntegerField("draw number", unique=True)
    manifest = models.TextField(help_text="The rules of the draw as canonical JSON (RFC 8785).")
    manifest_hash = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PROMISED)
    receipt_key = models.CharField(
        max_length=64, help_text="The public key, Ed25519, that signs receipts and heads of the log."
    )
    # Decided at publication: an anchored draw waits for its chain, another never needs one.
    contract = models.ForeignKey(Contract, models.PROTECT, null=True, related_name="draws")
    root = models.CharField("Merkle root of the entries", max_length=64, blank=True)
    tickets = models.PositiveBigIntegerField("tickets in the draw", null=True, help_text="Called N in the proof.")
    entries = models.PositiveIntegerField("entries in the draw", null=True)
    log_root = models.CharField("root of the log", max_length=64, blank=True)
    log_size = models.PositiveBigIntegerField("leaves of the log", null=True, help_text="Those that made the entries.")
    commitment = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 over the roots and sizes of entries and log."
    )
    committed_at = models.PositiveBigIntegerField(null=True, help_text="When the commitment was made, in Unix seconds.")
    round = models.PositiveBigIntegerField("beacon round", null=True)
    signature = models.CharField(max_length=96, blank=True)
    randomness = models.CharField("random number", max_length=64, blank=True)
    seed = models.CharField(max_length=64, blank=True)
    # Decided at publication, like everything that is promised.
    void_after = models.PositiveIntegerField(
        help_text=(
            "How many seconds the round must be overdue before the draw can be declared void, "
            "and how long it then takes until the draw is void."
        )
    )
    void_declared_at = models.DateTimeField("declared void at", null=True)
    void_reason = LineField("public reason", max_length=200, blank=True, help_text="Anyone can read it.")
    # When the next step can be tried, for states that wait for a time (the beacon's round).
    due_at = models.DateTimeField("next step at", db_default=Now())
    trouble = models.CharField("problem", max_length=300, blank=True, help_text="Why the last step failed or waits.")

    contradiction = models.CharField(
        max_length=300, blank=True, help_text="What the chain says otherwise than we do. Anyone can read it."
    )

    objects = DrawQuerySet.as_manager()

    class Meta:
        ordering = ["-sequence"]
        permissions = [("declare_void", "Can declare a draw void whose round never appeared")]

    def __str__(self) -> str:
        return f"Draw {self.sequence}: {self.get_state_display().lower()}"

    @property
    def is_anchored(self) -> bool:
        """Whether its steps are recorded on a chain."""
        return self.contract_id is not None

    @property
    def is_frozen(self) -> bool:
        """Whether its entries are fixed, and a draw of them is or will be held."""
        return self.state in (self.State.FROZEN, self.State.COMMITTED) or self.is_drawn

    @property
    def is_drawn(self) -> bool:
        """Whether its picks are fixed."""
        return self.state in self.HELD

    @property
    def is_over(self) -> bool:
        """Whether nothing can change its entries and picks any more: settled, or drawn without a chain."""
        return self.state == self.State.SETTLED or (self.state == self.State.DRAWN and not self.is_anchored)

    @property
    def is_published(self) -> bool:
        """Whether entries, log and bundle are public: from before the commitment is sent."""
        return bool(self.root)

    @cached_property
    def terms(self) -> dict[str, Any]:
        """What the manifest promises."""
        return parse(self.manifest)

    @property
    def commit_by(self) -> int:
        """When the draw lapses unless it is committed, in Unix seconds."""
        closes_at = datetime.fromisoformat(self.terms["closes_at"])
        return int(closes_at.timestamp()) + int(self.terms["commit_within_seconds"])

    @property
    def wanted(self) -> int:
        """How many picks the rules ask for, if there are enough tickets."""
        return len(self.terms["prizes"]) + int(self.terms["alternates"])

    @property
    def promised_beacon(self) -> Beacon:
        """The beacon that the manifest names, even if another is configured today."""
        promise = self.terms["beacon"]
        return Beacon(
            chain_hash=bytes.fromhex(promise["chain_hash"]),
            public_key=bytes.fromhex(promise["public_key"]),
            genesis_time=promise["genesis_time"],
            period=promise["period"],
            scheme=promise["scheme"],
        )

    @property
    def void_at(self) -> datetime | None:
        """When it can become void; None unless that was declared. Until then its round still decides."""
        return self.void_declared_at and self.void_declared_at + timedelta(seconds=self.void_after)


class Pick(models.Model):
    """One pick: pick 1 wins prize 1, and so on; picks after the prizes are alternates, in order."""

    draw = models.ForeignKey(Draw, models.PROTECT, related_name="picks")
    position = models.PositiveSmallIntegerField()
    prize = models.ForeignKey(Prize, models.PROTECT, null=True, related_name="+", verbose_name="picked for")
    index = models.PositiveBigIntegerField()
    ticket = models.PositiveBigIntegerField()
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="picks")
    path = models.JSONField(help_text="Proves that the entry has this place under the Merkle root.")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["draw", "position"], name="pick_position_once"),
            models.UniqueConstraint(fields=["draw", "ticket"], name="pick_ticket_once"),
        ]

    def __str__(self) -> str:
        return f"{'Winner' if self.prize_id else 'Reserve winner'} {self.position}: ticket {self.ticket}"

    @property
    def role(self) -> str:
        """`winner` or `alternate`."""
        return "alternate" if self.prize_id is None else "winner"


class UndoneDecision(models.Model):
    """A decision of an anchored draw that a reorganisation undid before anybody was told of it. Anyone can read it.

    The chain moved or removed the commitment, and with it the round that decides. The trigger
    undone_decisions_are_fixed (verification/sql) keeps it what the draw had decided.
    """

    draw = models.ForeignKey(Draw, models.PROTECT, related_name="undone_decisions")
    committed_at = models.PositiveBigIntegerField(help_text="When the commitment had been made, in Unix seconds.")
    round = models.PositiveBigIntegerField("beacon round")
    signature = models.CharField(max_length=96)
    seed = models.CharField(max_length=64)
    picks = models.JSONField(help_text="Position and ticket of each former pick, none of which counts.")
    at = models.DateTimeField("undone at", db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"decision of {self.draw_id} by round {self.round}, undone"


class UntoldDraw(Claimable):
    """A held draw whose entrants without a prize are still to be told; deleted once all of them were."""

    draw = models.OneToOneField(Draw, models.CASCADE, primary_key=True, related_name="+")

    def __str__(self) -> str:
        return f"untold: {self.draw_id}"


class EntriesIndex(models.Model):
    """The upper levels of a committed draw's tree: together with one block of entries, all that a path needs.

    Written by the step that commits, fixed from then on. Size: 88 bytes a block.
    """

    draw = models.OneToOneField(Draw, models.PROTECT, primary_key=True, related_name="index")
    first_tickets = models.BinaryField(help_text="u64 for each block: the first ticket of its first entry.")
    nodes = models.BinaryField(help_text="u64(sum) and hash of each node, from the blocks' own level up to the root.")
    digest = models.BinaryField(help_text="SHA-256 of all entries' records, which tells whether one has changed.")

    def __str__(self) -> str:
        return f"index of draw {self.draw_id}"
