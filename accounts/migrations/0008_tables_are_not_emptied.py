"""TRUNCATE is refused where rows are kept: it passes the triggers of rows."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_quiet_hours")]
    operations = load("accounts", "published_terms_are_fixed", "safeguards_are_kept")
