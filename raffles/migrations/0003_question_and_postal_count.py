"""A question of skill, and how many tickets came by the free route."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('raffles', '0002_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='raffle',
            name='answer',
            field=models.CharField(blank=True, help_text='The right answer; never shown to buyers.', max_length=200),
        ),
        migrations.AddField(
            model_name='raffle',
            name='choices',
            field=models.JSONField(blank=True, default=list, help_text='Answers to choose from; none: the buyer writes.'),
        ),
        migrations.AddField(
            model_name='raffle',
            name='question',
            field=models.CharField(blank=True, help_text='A question of skill that every buyer answers.', max_length=300),
        ),
        migrations.AddField(
            model_name='ticketcounter',
            name='postal',
            field=models.PositiveIntegerField(default=0, help_text='How many of those sold came by the free route.'),
        ),
        migrations.AddConstraint(
            model_name='raffle',
            constraint=models.CheckConstraint(condition=models.Q(('question', ''), models.Q(('answer', ''), _negated=True), _connector='OR'), name='raffle_question_has_answer'),
        ),
        migrations.AddConstraint(
            model_name='ticketcounter',
            constraint=models.CheckConstraint(condition=models.Q(('postal__lte', models.F('sold'))), name='counter_postal_of_sold'),
        ),
    ]
