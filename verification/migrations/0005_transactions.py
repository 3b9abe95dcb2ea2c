"""A transaction may serve several draws, and be sent again with higher fees."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

Now = django.db.models.functions.datetime.Now

# Transactions of the former shape: one a step, signed once. One that is not mined yet could not be followed.
CARRY_OVER = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM verification_chaintransaction WHERE block IS NULL) THEN
        RAISE EXCEPTION 'a transaction is under way: let the workers finish it before you migrate';
    END IF;
END $$;
INSERT INTO verification_chainattempt (transaction_id, raw, hash, max_fee, tip, sent_at, created_at)
    SELECT id, raw, hash, 0, 0, sent_at, created_at FROM verification_chaintransaction;
INSERT INTO verification_chainstep (draw_id, step, transaction_id, live)
    SELECT draw_id, step, id, true FROM verification_chaintransaction;
UPDATE verification_chaintransaction SET state = 'done', account_id = (
    SELECT account.id FROM verification_chainaccount account
    JOIN verification_contract contract ON contract.chain_id = account.chain_id
    JOIN verification_draw draw ON draw.contract_id = contract.id
    WHERE draw.raffle_id = draw_id AND account.next_nonce > nonce LIMIT 1
);
SET CONSTRAINTS ALL IMMEDIATE;
"""

STATES = [
    ("signed", "Signed"),
    ("mined", "Mined"),
    ("done", "Done"),
    ("final", "Final"),
    ("reverted", "Reverted"),
    ("lost", "Lost"),
]
STEPS = [
    ("announce", "Announce"),
    ("commit", "Commit"),
    ("settle", "Settle"),
    ("declare", "Declare void"),
    ("void", "Void"),
]
ACCOUNT = [
    ("claimed_until", models.DateTimeField(editable=False, null=True)),
    (
        "balance",
        models.DecimalField(decimal_places=0, help_text="In wei, when last read.", max_digits=40, null=True),
    ),
    (
        "needed",
        models.DecimalField(decimal_places=0, help_text="What the next steps cost.", max_digits=40, null=True),
    ),
    ("read_at", models.DateTimeField(null=True)),
    ("warned_at", models.DateTimeField(help_text="When staff were last told that it runs dry.", null=True)),
]
TRANSACTION = [
    ("claimed_until", models.DateTimeField(editable=False, null=True)),
    (
        "account",
        models.ForeignKey(
            null=True,
            on_delete=django.db.models.deletion.PROTECT,
            related_name="transactions",
            to="verification.chainaccount",
        ),
    ),
    ("to", models.CharField(blank=True, default="", help_text="Empty where it deploys a contract.", max_length=42)),
    ("data", models.BinaryField(default=bytes)),
    ("gas", models.PositiveBigIntegerField(null=True)),
    ("state", models.CharField(choices=STATES, default="signed", max_length=8)),
    ("due_at", models.DateTimeField(db_default=Now())),
]


def plain(model: str, fields: list[tuple[str, models.Field]]) -> list[migrations.AddField]:
    return [migrations.AddField(model, name, field) for name, field in fields]


class Migration(migrations.Migration):
    dependencies = [("verification", "0004_outcomes")]
    operations = [
        migrations.AddField(
            "contract",
            "first_sequence",
            models.PositiveIntegerField(help_text="Unknown of a contract that others deployed.", null=True),
        ),
        migrations.AddField(
            "contract",
            "chain_hash",
            models.CharField(
                blank=True, default="", help_text="Of its beacon; empty until the contract said.", max_length=64
            ),
            preserve_default=False,
        ),
        *plain("chainaccount", ACCOUNT),
        *plain("chaintransaction", TRANSACTION),
        migrations.RemoveConstraint("chaintransaction", "chain_transaction_once_per_step"),
        migrations.CreateModel(
            name="ChainAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("raw", models.BinaryField()),
                ("hash", models.CharField(max_length=66, unique=True)),
                ("max_fee", models.PositiveBigIntegerField(help_text="Wei for a unit of gas, at most.")),
                ("tip", models.PositiveBigIntegerField(help_text="Of that for the block's maker, at most.")),
                ("sent_at", models.DateTimeField(help_text="When a node first took it.", null=True)),
                ("repeated_at", models.DateTimeField(help_text="When it was last sent.", null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "transaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="verification.chaintransaction",
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.CreateModel(
            name="ChainStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.CharField(choices=STEPS, max_length=8)),
                ("live", models.BooleanField(default=True)),
                (
                    "draw",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="steps", to="verification.draw"
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="verification.chaintransaction",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("live", True)), fields=("draw", "step"), name="chain_step_once"
                    ),
                    models.UniqueConstraint(fields=("draw", "step", "transaction"), name="chain_step_tried_once"),
                ],
            },
        ),
        # No way back: a transaction of several draws, or with several attempts, has no place in the former shape.
        migrations.RunSQL(CARRY_OVER),
        migrations.RemoveField("chaintransaction", "draw"),
        migrations.RemoveField("chaintransaction", "step"),
        migrations.RemoveField("chaintransaction", "raw"),
        migrations.RemoveField("chaintransaction", "sent_at"),
        migrations.AlterField("chaintransaction", "nonce", models.PositiveBigIntegerField(null=True)),
        migrations.AlterField("chaintransaction", "block", models.PositiveBigIntegerField(null=True)),
        migrations.AlterField(
            "chaintransaction",
            "hash",
            models.CharField(help_text="Of the mined attempt, else of the last.", max_length=66, unique=True),
        ),
        migrations.AlterField(
            "chaintransaction",
            "to",
            models.CharField(blank=True, help_text="Empty where it deploys a contract.", max_length=42),
        ),
        migrations.AddConstraint(
            "chaintransaction",
            models.UniqueConstraint(fields=("account", "nonce"), name="chain_transaction_nonce_once"),
        ),
        migrations.AddConstraint(
            "chaintransaction",
            models.CheckConstraint(
                condition=models.Q(("block", None), ("state__in", ["signed", "lost"]))
                | models.Q(("block__isnull", False), ("state__in", ["mined", "done", "final", "reverted"])),
                name="chain_transaction_mined_in_a_block",
            ),
        ),
        migrations.AddIndex(
            "chaintransaction",
            models.Index(
                condition=models.Q(("state__in", ["signed", "mined", "done"])),
                fields=["due_at"],
                name="chain_transaction_open",
            ),
        ),
    ]
