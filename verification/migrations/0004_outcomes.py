"""What became of the picks: who forfeited, who holds which prize; the database keeps to the order of the alternates."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

# The picks of draws that were held before there were awards.
AWARDS = """
INSERT INTO verification_award (pick_id, prize_id)
    SELECT id, prize_id FROM verification_pick WHERE prize_id IS NOT NULL;
-- Their foreign keys are checked now: a table with checks that wait cannot be given triggers.
SET CONSTRAINTS ALL IMMEDIATE;
"""
GUARDS = """
CREATE FUNCTION forfeits_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'forfeits are fixed' USING ERRCODE = 'integrity_constraint_violation';
    ELSIF EXISTS (SELECT FROM verification_award WHERE pick_id = NEW.pick_id AND claimed_at IS NOT NULL)
       OR NOT EXISTS (SELECT FROM verification_pick pick JOIN verification_draw draw ON draw.raffle_id = pick.draw_id
                      WHERE pick.id = NEW.pick_id AND draw.state IN ('drawn', 'settled'))
    THEN
        RAISE EXCEPTION 'only a pick of a held draw whose prize was not handed over can be forfeited'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER forfeits_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON verification_forfeit
    FOR EACH ROW EXECUTE FUNCTION forfeits_are_fixed();

CREATE FUNCTION is_next_alternate(candidate verification_pick) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT candidate.prize_id IS NULL AND NOT EXISTS (
        SELECT FROM verification_pick earlier
        WHERE earlier.draw_id = candidate.draw_id AND earlier.prize_id IS NULL AND earlier.position < candidate.position
          AND NOT EXISTS (SELECT FROM verification_forfeit WHERE pick_id = earlier.id)
          AND NOT EXISTS (SELECT FROM verification_award WHERE pick_id = earlier.id))
$$;

CREATE FUNCTION awards_follow_the_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.claimed_at IS NULL AND NEW.lost_at IS NULL
           AND NOT EXISTS (SELECT FROM verification_forfeit WHERE pick_id = NEW.pick_id)
           AND EXISTS (
               SELECT FROM verification_pick pick JOIN raffles_prize prize ON prize.raffle_id = pick.draw_id
               WHERE pick.id = NEW.pick_id AND prize.id = NEW.prize_id AND (pick.prize_id = prize.id
                   OR (is_next_alternate(pick)
                       AND EXISTS (SELECT FROM verification_award WHERE prize_id = prize.id AND lost_at IS NOT NULL))))
        THEN RETURN NEW; END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF ROW(OLD.id, OLD.pick_id, OLD.prize_id, OLD.at) IS NOT DISTINCT FROM ROW(NEW.id, NEW.pick_id, NEW.prize_id, NEW.at)
           AND OLD.claimed_at IS NULL AND OLD.lost_at IS NULL
           AND (NEW.claimed_at IS NULL) = EXISTS (SELECT FROM verification_forfeit WHERE pick_id = NEW.pick_id)
           AND (NEW.lost_at IS NULL) = (NEW.claimed_at IS NOT NULL)
        THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'a prize goes to its winner, then to the next alternate; once claimed or lost it stays so'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER awards_follow_the_draw BEFORE INSERT OR UPDATE OR DELETE ON verification_award
    FOR EACH ROW EXECUTE FUNCTION awards_follow_the_draw();
"""
REVERSE = """
DROP TRIGGER awards_follow_the_draw ON verification_award; DROP FUNCTION awards_follow_the_draw();
DROP FUNCTION is_next_alternate(verification_pick);
DROP TRIGGER forfeits_are_fixed ON verification_forfeit; DROP FUNCTION forfeits_are_fixed();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('raffles', '0004_question_is_a_term'),
        ('verification', '0003_entries_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='UntoldDraw',
            fields=[
                ('claimed_until', models.DateTimeField(editable=False, null=True)),
                ('draw', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='verification.draw')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Forfeit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('disqualified', 'Disqualified'), ('unclaimed', 'Unclaimed')], max_length=12)),
                ('reason', models.CharField(help_text='Public: anyone reads it beside the pick.', max_length=300)),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('pick', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='forfeit', to='verification.pick')),
            ],
            options={
                'permissions': [('forfeit_pick', 'Can disqualify a pick or mark it unclaimed')],
                'constraints': [models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='forfeit_has_reason')],
            },
        ),
        migrations.CreateModel(
            name='Award',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('claimed_at', models.DateTimeField(help_text='When the prize was handed over.', null=True)),
                ('lost_at', models.DateTimeField(help_text='When the pick was forfeited.', null=True)),
                ('pick', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='award', to='verification.pick')),
                ('prize', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='awards', to='raffles.prize')),
            ],
            options={
                'ordering': ['prize__position', 'at'],
                'permissions': [('claim_award', 'Can record that a prize was handed over')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('lost_at', None)), fields=('prize',), name='award_prize_held_once'), models.CheckConstraint(condition=models.Q(('claimed_at', None), ('lost_at', None), _connector='OR'), name='award_claimed_or_lost')],
            },
        ),
        migrations.RunSQL(AWARDS, migrations.RunSQL.noop),
        migrations.RunSQL(GUARDS, REVERSE),
    ]
