"""What draws have on their chain: transactions, stored before they are sent."""

from django.db import models
from django.db.models.functions import Now

from verification.models.draws import Draw


class ChainAccount(models.Model):
    """The next free nonce of a signing address; locked while one is allotted, so that workers never share one."""

    chain_id = models.PositiveBigIntegerField()
    address = models.CharField(max_length=42)
    next_nonce = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain_id", "address"], name="chain_account_once")]

    def __str__(self) -> str:
        return f"{self.address}: {self.next_nonce}"


class ChainTransaction(models.Model):
    """A step's transaction: signed and stored before it is sent, so that a crash sends the same bytes again."""

    class Step(models.TextChoices):
        ANNOUNCE = "announce", "Announce"
        COMMIT = "commit", "Commit"
        SETTLE = "settle", "Settle"

    draw = models.ForeignKey(Draw, models.PROTECT, related_name="transactions")
    step = models.CharField(max_length=8, choices=Step.choices)
    nonce = models.PositiveBigIntegerField()
    raw = models.BinaryField()
    hash = models.CharField(max_length=66, unique=True)
    sent_at = models.DateTimeField(null=True)
    block = models.PositiveBigIntegerField(null=True, help_text="Set once mined and successful.")
    block_hash = models.CharField(max_length=66, blank=True)
    block_time = models.PositiveBigIntegerField(null=True, help_text="Unix seconds.")
    gas_used = models.PositiveBigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["draw", "step"], name="chain_transaction_once_per_step")]

    def __str__(self) -> str:
        return f"{self.step} {self.hash}"
