"""Pictures are asked from public https hosts alone; nothing changes in the database."""

from django.db import migrations, models

from luxewin.public_urls import validate_public_url


class Migration(migrations.Migration):
    dependencies = [("raffles", "0005_price_of_one_payment")]
    operations = [
        migrations.AlterField("raffle", "image_url", models.URLField(blank=True, validators=[validate_public_url])),
    ]
