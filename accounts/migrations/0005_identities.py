"""Who signs in through Supabase."""

import django.db.models.deletion
import django.db.models.functions.datetime
import luxewin.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_second_factor")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="links_by_address",
            field=models.BooleanField(
                db_default=True,
                default=True,
                editable=False,
                help_text="An account elsewhere that has verified the same address may be linked.",
            ),
        ),
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.UUIDField(default=luxewin.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("provider", models.CharField(choices=[("supabase", "Supabase Auth")], max_length=16)),
                ("subject", models.UUIDField(help_text="The provider's id of the person.")),
                ("email", models.EmailField(help_text="As the provider had verified it when the two were linked.", max_length=254)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="identities", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "verbose_name_plural": "identities",
                "constraints": [models.UniqueConstraint(fields=("provider", "subject"), name="accounts_identity_once")],
            },
        ),
    ]
