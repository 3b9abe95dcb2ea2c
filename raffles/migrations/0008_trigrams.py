from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("raffles", "0007_favourites")]
    operations = load("raffles", "trigrams")
