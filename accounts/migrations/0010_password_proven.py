"""Whether whoever reads the mailbox has given or set the password. Of accounts of before nobody knows: no."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_mailboxes")]
    operations = [
        migrations.AddField(
            "user",
            "password_proven",
            models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Given or set by whoever reads the mailbox, when they showed that.",
            ),
        ),
    ]
