"""What models cannot express: raffles/sql."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("raffles", "0001_initial")]
    operations = load(
        "raffles",
        "ticket_counter",
        "raffle_terms_are_fixed",
        "prizes_are_fixed",
        "is_fixed_once_public",
        "frozen_sales_are_over",
        "terms_additions_are_kept",
    )
