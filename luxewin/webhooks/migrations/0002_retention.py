"""How long events for other systems are kept at first."""

from django.db import migrations

WHY = "GDPR Art. 6(1)(f): to look into deliveries that went wrong, and send them again; it holds ids and amounts."


def seed(apps, schema_editor):
    rule = apps.get_model("accounts", "RetentionRule")
    rule.objects.create(what="webhook_events", keep_days=90, why=WHY)


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial"), ("accounts", "0003_message_states")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
