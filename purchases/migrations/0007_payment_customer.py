"""Whose intent a payment is: a buyer whose customer was deleted at Stripe gets another."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0006_lighter_rows'),
    ]

    operations = [
        migrations.AddField(
            model_name='payment',
            name='customer',
            field=models.CharField(blank=True, db_default='', help_text="Whose intent it is, by Stripe's id; a buyer can get another.", max_length=255),
        ),
    ]
