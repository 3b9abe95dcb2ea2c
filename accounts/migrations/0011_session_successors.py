"""What the newest refresh token of a session is made of, so that it can be given out again for a moment."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_password_proven")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="issued_at",
            field=models.BigIntegerField(null=True, help_text="The iat of the newest refresh token, once exchanged."),
        ),
        migrations.AddField(
            model_name="session",
            name="signed_by",
            field=models.CharField(blank=True, db_default="", default="", help_text="Its kid.", max_length=43),
        ),
        migrations.AddField(
            model_name="session",
            name="previous_token_id",
            field=models.UUIDField(null=True, help_text="The jti of the one that it was exchanged for."),
        ),
        migrations.AddField(
            model_name="session",
            name="rotated_at",
            field=models.DateTimeField(null=True, help_text="When that was."),
        ),
    ]
