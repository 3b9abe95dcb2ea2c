"""TRUNCATE of payment receipts is refused: it passes the triggers of rows."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("purchases", "0005_sales_can_be_stopped")]
    operations = load("purchases", "payment_receipts_are_kept")
