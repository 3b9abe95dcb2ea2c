"""Draws that end without a beacon: declared in public, and void only after a delay that the database keeps."""

from django.db import migrations, models

GUARDS = """
CREATE FUNCTION voids_are_declared() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    beacon jsonb := NEW.manifest::jsonb -> 'beacon';
    delay interval := make_interval(secs => NEW.void_after);
    wrong text;
BEGIN
    IF NEW.void_after <> OLD.void_after OR (OLD.void_declared_at IS NOT NULL
       AND ROW(NEW.void_declared_at, NEW.void_reason) IS DISTINCT FROM ROW(OLD.void_declared_at, OLD.void_reason))
    THEN
        wrong := 'the delay of a void and its declaration are fixed';
    ELSIF NEW.void_declared_at IS NOT NULL AND OLD.void_declared_at IS NULL AND (
        NEW.void_reason = '' OR OLD.state <> 'committed' OR NEW.state <> 'committed'
        OR NEW.void_declared_at NOT BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp()
        OR NEW.void_declared_at < delay + to_timestamp(
            (beacon ->> 'genesis_time')::bigint + (NEW.round - 1) * (beacon ->> 'period')::bigint))
    THEN
        wrong := 'only a draw whose round is overdue can be declared void, and only from now on';
    ELSIF OLD.state = 'void' AND NEW.state <> 'void' THEN
        wrong := 'a void draw stays void';
    ELSIF NEW.state = 'void' AND OLD.state NOT IN ('promised', 'announced', 'void') AND (
        OLD.state <> 'committed' OR NEW.seed <> '' OR NEW.void_declared_at IS NULL
        OR clock_timestamp() < NEW.void_declared_at + delay)
    THEN
        wrong := 'a draw with fixed entries is void only some time after that was declared, and never once it is drawn';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER voids_are_declared BEFORE UPDATE OF state, void_after, void_declared_at, void_reason ON verification_draw
    FOR EACH ROW EXECUTE FUNCTION voids_are_declared();

CREATE FUNCTION frozen_raffles_end_with_their_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.frozen_at IS NULL OR NEW.frozen_at IS NOT DISTINCT FROM OLD.frozen_at)
       AND (OLD.drawn_at IS NULL OR NEW.drawn_at IS NOT DISTINCT FROM OLD.drawn_at)
       AND (NEW.status <> 'cancelled' OR OLD.status = 'cancelled' OR OLD.frozen_at IS NULL
            OR (NEW.drawn_at IS NULL
                AND EXISTS (SELECT FROM verification_draw WHERE raffle_id = NEW.id AND state = 'void')))
       AND (NEW.status = 'cancelled' OR OLD.status <> 'cancelled')
       AND (NEW.status <> 'cancelled' OR NEW.drawn_at IS NULL)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a frozen raffle is drawn, or cancelled with a void draw, and stays so'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER frozen_raffles_end_with_their_draw BEFORE UPDATE OF status, frozen_at, drawn_at ON raffles_raffle
    FOR EACH ROW EXECUTE FUNCTION frozen_raffles_end_with_their_draw();
"""
REVERSE = """
DROP TRIGGER frozen_raffles_end_with_their_draw ON raffles_raffle; DROP FUNCTION frozen_raffles_end_with_their_draw();
DROP TRIGGER voids_are_declared ON verification_draw; DROP FUNCTION voids_are_declared();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('purchases', '0009_void_raffles'),
        ('verification', '0005_transactions'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='draw',
            options={'ordering': ['-sequence'], 'permissions': [('declare_void', 'Can declare a draw void whose round never appeared')]},
        ),
        # Draws that were promised before get the delay that the protocol's users were told.
        migrations.AddField(
            model_name='draw',
            name='void_after',
            field=models.PositiveIntegerField(default=604_800, help_text='Seconds that the round must be overdue before the draw can be declared void, and again from then on.'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='draw',
            name='void_declared_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='draw',
            name='void_reason',
            field=models.CharField(blank=True, default='', help_text='Public.', max_length=200),
            preserve_default=False,
        ),
        migrations.RunSQL(GUARDS, REVERSE),
    ]
