"""django-q2's queue has no index for taking the next task."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial"), ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX tasks_queue_next ON django_q_ormq (key, lock)", "DROP INDEX tasks_queue_next"
        )
    ]
