from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tasks', '0003_started_tasks'),
    ]

    operations = [
        migrations.AddField(
            model_name='startedtask',
            name='timed_out',
            field=models.BooleanField(db_default=False, default=False, help_text='It was ended after the longest time.'),
        ),
    ]
