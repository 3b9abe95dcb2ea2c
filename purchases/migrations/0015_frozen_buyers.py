"""Of a frozen entry the buyer is fixed too, whose prize it may win, and what was paid for it."""

from importlib import import_module

from django.db import migrations

FORMER = import_module("purchases.migrations.0009_void_raffles").GUARD
GUARD = FORMER
for row in ("before", "after"):
    GUARD = GUARD.replace(
        f"{row}.quantity, {row}.raffle_id)",
        f"{row}.quantity, {row}.raffle_id,\n               {row}.buyer_id, {row}.route, {row}.amount, {row}.currency)",
    )


class Migration(migrations.Migration):
    dependencies = [("purchases", "0014_one_line")]
    operations = [migrations.RunSQL(GUARD, FORMER)]
