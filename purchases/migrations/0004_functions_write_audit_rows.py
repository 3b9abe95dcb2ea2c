"""Holds and stored intents write their audit rows themselves.

The function without that, of fewer parameters, stays for the processes that still run while this is migrated.
"""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_rules"), ("purchases", "0003_payment_receipts")]
    operations = load("purchases", "hold_tickets", "store_intent")
