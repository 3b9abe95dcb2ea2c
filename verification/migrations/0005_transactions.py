"""A transaction may serve several draws, and be sent again with higher fees."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("verification", "0004_outcomes")]
    operations = []
