"""A note of everybody whose address changed, for Stripe's customer of theirs; and events that are none of ours."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

NOTE = """
CREATE FUNCTION note_customer_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO purchases_customerchange (user_id, noted_at) VALUES (NEW.id, clock_timestamp())
    ON CONFLICT (user_id) DO UPDATE SET noted_at = EXCLUDED.noted_at, claimed_until = NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER note_customer_change AFTER UPDATE OF email ON accounts_user FOR EACH ROW
    WHEN (OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION note_customer_change();
"""
UNNOTE = "DROP TRIGGER note_customer_change ON accounts_user; DROP FUNCTION note_customer_change();"


class Migration(migrations.Migration):
    dependencies = [("purchases", "0012_refund_of_the_rest"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="CustomerChange",
            fields=[
                ("claimed_until", models.DateTimeField(editable=False, null=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("noted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="SetAsideEvent",
            fields=[
                ("event_id", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("type", models.CharField(max_length=250)),
                ("account", models.CharField(blank=True, help_text="Whose it is, if not ours.", max_length=255)),
                ("content", models.TextField(help_text="As JSON, without what names a payer.")),
                ("noted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"ordering": ["-noted_at"]},
        ),
        migrations.RunSQL(NOTE, UNNOTE),
    ]
