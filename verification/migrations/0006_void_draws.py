"""Draws that end without a beacon."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("verification", "0005_transactions")]
    operations = []
