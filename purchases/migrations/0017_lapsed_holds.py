"""Holds that run out again and again make their person wait; refusals of banks are counted.

A trigger asks, so that no way of holding tickets is missed. The waits are rows of a table.
"""

from datetime import timedelta

from django.db import migrations, models

WAITS = {3: timedelta(minutes=5), 4: timedelta(minutes=15), 5: timedelta(hours=1), 6: timedelta(hours=6)}
WAIT = """
CREATE FUNCTION wait_after_lapses() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    SELECT count(*) AS lapses, max(lapsed_at) AS newest INTO found FROM purchases_purchase
    WHERE buyer_id = NEW.buyer_id AND lapsed_at > clock_timestamp() - interval '1 day';
    IF found.lapses = 0 THEN RETURN NEW; END IF;
    SELECT found.newest + wait AS until INTO found FROM purchases_lapsewait
    WHERE lapses <= found.lapses ORDER BY lapses DESC LIMIT 1;
    IF found.until > clock_timestamp() THEN
        RAISE EXCEPTION 'too_many_lapsed_holds' USING ERRCODE = 'LW001', DETAIL =
            to_char(found.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER wait_after_lapses BEFORE INSERT ON purchases_purchase FOR EACH ROW
    WHEN (NEW.status = 'pending') EXECUTE FUNCTION wait_after_lapses();
"""
NO_WAIT = "DROP TRIGGER wait_after_lapses ON purchases_purchase; DROP FUNCTION wait_after_lapses();"


def seed(apps, schema_editor):
    wait = apps.get_model("purchases", "LapseWait")
    wait.objects.bulk_create(wait(lapses=lapses, wait=length) for lapses, length in WAITS.items())


class Migration(migrations.Migration):
    dependencies = [("purchases", "0016_settled_differences")]
    operations = [
        migrations.AddField(
            model_name="purchase",
            name="bank_refusals",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often a bank refused, after days, what was to pay for it.",
            ),
        ),
        migrations.AddField(
            model_name="purchase",
            name="lapsed_at",
            field=models.DateTimeField(
                help_text="When the hold ran out, or was let go late, without a payment.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(
                condition=models.Q(("lapsed_at__isnull", False)),
                fields=["buyer", "lapsed_at"],
                name="purchase_lapsed",
            ),
        ),
        migrations.CreateModel(
            name="LapseWait",
            fields=[
                ("lapses", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("wait", models.DurationField()),
            ],
            options={"ordering": ["lapses"]},
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
        migrations.RunSQL(WAIT, NO_WAIT),
    ]
