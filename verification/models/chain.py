"""Chain transactions of draws: one nonce each, and every version of them, stored before it is sent."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from luxewin.tasks.models import Claimable
from verification.models.draws import Draw


class ChainAccount(Claimable):
    """A signing address: its next free nonce, and its balance as last read.

    Locked while a nonce is allotted, so that workers never share one.
    """

    chain_id = models.PositiveBigIntegerField()
    address = models.CharField(max_length=42)
    next_nonce = models.PositiveBigIntegerField(default=0)
    balance = models.DecimalField("balance (wei)", max_digits=40, decimal_places=0, null=True)
    needed = models.DecimalField("needed for next steps (wei)", max_digits=40, decimal_places=0, null=True)
    read_at = models.DateTimeField("balance read at", null=True)
    warned_at = models.DateTimeField("alert sent at", null=True, help_text="When staff last heard that it runs low.")

    class Meta:
        verbose_name = "fee account"
        constraints = [models.UniqueConstraint(fields=["chain_id", "address"], name="chain_account_once")]

    def __str__(self) -> str:
        return f"{self.address} on chain {self.chain_id}"


class ChainTransaction(Claimable):
    """One nonce of an account, spent on one step of one or several draws, or on a contract.

    The attempt that is mined counts. A transaction of somebody else that took our step has no account and no attempts.
    """

    class State(models.TextChoices):
        SIGNED = "signed", "Signed"  # stored; in no known block
        MINED = "mined", "Mined"  # in a block that may still be reorganised
        DONE = "done", "Done"  # deep enough to count
        FINAL = "final", "Final"  # so deep that it is checked only once a day
        REVERTED = "reverted", "Reverted"  # mined without effect
        LOST = "lost", "Lost"  # its nonce is spent on another's transaction

    COUNTS: ClassVar = (State.DONE, State.FINAL)
    DEAD: ClassVar = (State.REVERTED, State.LOST)

    account = models.ForeignKey(ChainAccount, models.PROTECT, null=True, related_name="transactions")
    nonce = models.PositiveBigIntegerField(null=True)
    to = models.CharField(max_length=42, blank=True, help_text="Empty where it deploys a contract.")
    data = models.BinaryField(default=bytes)
    gas = models.PositiveBigIntegerField(null=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.SIGNED)
    hash = models.CharField(max_length=66, unique=True, help_text="Of the attempt that was mined, or of the last one.")
    block = models.PositiveBigIntegerField(null=True)
    block_hash = models.CharField(max_length=66, blank=True)
    block_time = models.PositiveBigIntegerField(null=True, help_text="Unix seconds.")
    gas_used = models.PositiveBigIntegerField(null=True)
    # When a sweep checks it again; steps that wait for it check it themselves.
    due_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "nonce"], name="chain_transaction_nonce_once"),
            models.CheckConstraint(
                condition=Q(state__in=["signed", "lost"], block=None)
                | Q(state__in=["mined", "done", "final", "reverted"], block__isnull=False),
                name="chain_transaction_mined_in_a_block",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["signed", "mined", "done", "final"]),
                name="chain_transaction_open",
            )
        ]

    def __str__(self) -> str:
        return self.hash


class ChainAttempt(models.Model):
    """A signed version of a transaction: same nonce and call as the others, higher fees than earlier ones."""

    transaction = models.ForeignKey(ChainTransaction, models.PROTECT, related_name="attempts")
    raw = models.BinaryField()
    hash = models.CharField(max_length=66, unique=True)
    max_fee = models.PositiveBigIntegerField(help_text="The highest fee for a unit of gas, in wei.")
    tip = models.PositiveBigIntegerField(help_text="The part of it that can go to the block's producer, in wei.")
    sent_at = models.DateTimeField(null=True, help_text="When a node first accepted it.")
    repeated_at = models.DateTimeField(null=True, help_text="When it was last sent.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.hash


class ChainStep(models.Model):
    """A step of a draw, and a transaction that takes it. At most one of a step's transactions is live."""

    class Step(models.TextChoices):
        ANNOUNCE = "announce", "Announce"
        COMMIT = "commit", "Commit"
        SETTLE = "settle", "Settle"
        DECLARE_VOID = "declare", "Declare void"
        VOID = "void", "Void"

    draw = models.ForeignKey(Draw, models.PROTECT, related_name="steps")
    step = models.CharField(max_length=8, choices=Step.choices)
    transaction = models.ForeignKey(ChainTransaction, models.PROTECT, related_name="steps")
    live = models.BooleanField("counts", default=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "step on the chain"
        verbose_name_plural = "steps on the chain"
        constraints = [
            models.UniqueConstraint(fields=["draw", "step"], condition=Q(live=True), name="chain_step_once"),
            models.UniqueConstraint(fields=["draw", "step", "transaction"], name="chain_step_tried_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_step_display()}, draw {self.draw_id}"
