"""No ticket costs more than one card payment can carry."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("raffles", "0004_question_is_a_term")]
    operations = [
        migrations.RemoveConstraint(model_name="raffle", name="raffle_price"),
        migrations.AddConstraint(
            model_name="raffle",
            constraint=models.CheckConstraint(
                condition=models.Q(("ticket_price__gte", 1), ("ticket_price__lte", 99_999_999)), name="raffle_price"
            ),
        ),
    ]
