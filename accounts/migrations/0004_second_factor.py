"""What the second factor keeps."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# One that counts and one that waits to be confirmed, at most.
ONE_EACH = "CREATE UNIQUE INDEX accounts_authenticator_each ON otp_totp_totpdevice (user_id, confirmed)"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_links_and_delays"), ("otp_totp", "0003_add_timestamps")]
    operations = [
        migrations.CreateModel(
            name="Authenticator",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("otp_totp.totpdevice",),
        ),
        migrations.RunSQL(ONE_EACH, "DROP INDEX accounts_authenticator_each"),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recovery_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="recoverycode",
            constraint=models.UniqueConstraint(fields=("user", "digest"), name="accounts_recovery_code_once"),
        ),
        migrations.AddField(
            model_name="session",
            name="confirmed_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="When its person last showed who they are.",
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="second_factor",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Opened with the password and a second factor."
            ),
        ),
    ]
