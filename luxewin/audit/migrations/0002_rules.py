"""What models cannot express: luxewin/audit/sql."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    # Rights are granted once migrations are through, and that is audited.
    run_before = [("accounts", "0002_rules")]
    operations = load("luxewin/audit", "audit_append_only", "audit_awaits_seal")
