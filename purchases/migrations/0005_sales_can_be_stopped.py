"""Holds are refused while staff have stopped all sales."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("purchases", "0004_functions_write_audit_rows"), ("raffles", "0005_sale_stops")]
    operations = load("purchases", "hold_tickets")
