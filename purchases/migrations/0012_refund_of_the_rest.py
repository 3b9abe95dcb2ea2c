"""A refund can wait for a dispute to end, and be closed where nothing is left for it.

Refunds that failed of purchases that were voided since had nothing left to send: they kept their people from deleting
their accounts.
"""

from django.db import migrations, models

CLOSE = """
UPDATE purchases_refund AS refund SET status = 'closed' FROM purchases_payment AS payment, purchases_purchase AS purchase
WHERE payment.id = refund.payment_id AND purchase.id = payment.purchase_id
  AND refund.status = 'failed' AND purchase.status = 'void'
"""


class Migration(migrations.Migration):
    dependencies = [("purchases", "0011_safeguards")]
    operations = [
        migrations.AlterField(
            model_name="refund",
            name="status",
            field=models.CharField(
                choices=[
                    ("requested", "Requested"),
                    ("waiting", "Waiting for a dispute"),
                    ("pending", "Pending"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("closed", "Closed"),
                ],
                default="requested",
                max_length=9,
            ),
        ),
        migrations.RunSQL(CLOSE, migrations.RunSQL.noop),
    ]
