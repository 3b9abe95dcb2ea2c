"""Limits, pauses, exclusions, rules of countries, terms; and what they come to, in one function of the database.

`accounts_standings` is the one place that decides whether somebody may buy: the statement that holds tickets, free
entries and `users/profile` all ask it. A text of SQL without side effects, it becomes part of the query that calls it.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

STANDINGS = """
CREATE FUNCTION accounts_standings(people uuid[], least_age integer) RETURNS TABLE (
    user_id uuid, is_active boolean, email_verified_at timestamptz, barriers text[], is_limited boolean, missing text[],
    age integer, minimum_age integer, is_allowed boolean, reason varchar, paused_until timestamptz,
    excluded_until timestamptz, excluded_forever boolean, terms_version varchar, terms_url varchar,
    has_accepted boolean
) LANGUAGE sql STABLE AS $$
    SELECT
        u.id, u.is_active, u.email_verified_at,
        -- What stands in the way, the weightiest first.
        array_remove(ARRAY[
            CASE WHEN g.excluded_forever OR g.excluded_until > statement_timestamp() THEN 'self_excluded' END,
            CASE WHEN g.paused_until > statement_timestamp() THEN 'paused' END,
            CASE WHEN facts.missing <> '{}' THEN 'profile_incomplete' END,
            CASE WHEN facts.age < facts.minimum_age THEN 'under_age' END,
            CASE WHEN NOT rule.allowed THEN 'country_not_allowed' END,
            CASE WHEN NOT terms.accepted THEN 'terms_not_accepted' END
        ], NULL),
        EXISTS (
            SELECT FROM accounts_spendlimit AS l WHERE l.user_id = u.id
            AND CASE WHEN l.next_from <= statement_timestamp() THEN l.next_amount ELSE l.amount END IS NOT NULL
        ),
        facts.missing, facts.age, facts.minimum_age, coalesce(rule.allowed, true), rule.reason,
        g.paused_until, g.excluded_until, coalesce(g.excluded_forever, false), terms.version, terms.url, terms.accepted
    FROM accounts_user AS u
    LEFT JOIN accounts_safeguards AS g ON g.user_id = u.id
    -- A region sorts after the empty one, which is its whole country.
    LEFT JOIN LATERAL (
        SELECT r.allowed, r.minimum_age, r.reason FROM accounts_countryrule AS r
        WHERE r.country = u.country AND r.region IN ('', u.region) AND r.effective_from <= statement_timestamp()
        ORDER BY r.region DESC, r.effective_from DESC LIMIT 1
    ) AS rule ON true
    LEFT JOIN LATERAL (
        SELECT t.version, t.url, EXISTS (
            SELECT FROM accounts_termsacceptance AS a WHERE a.user_id = u.id AND a.terms_id = t.id
        ) AS accepted
        FROM accounts_terms AS t WHERE t.effective_from <= statement_timestamp()
        ORDER BY t.effective_from DESC LIMIT 1
    ) AS terms ON true
    CROSS JOIN LATERAL (
        SELECT
            array_remove(ARRAY[
                CASE WHEN u.date_of_birth IS NULL THEN 'date_of_birth' END,
                CASE WHEN u.country = '' THEN 'country' END,
                CASE WHEN u.region = '' AND EXISTS (
                    SELECT FROM accounts_countryrule AS r
                    WHERE r.country = u.country AND r.region > '' AND r.effective_from <= statement_timestamp()
                ) THEN 'region' END
            ], NULL) AS missing,
            extract(year FROM age((statement_timestamp() AT TIME ZONE 'UTC')::date, u.date_of_birth))::integer AS age,
            greatest(least_age, rule.minimum_age) AS minimum_age
    ) AS facts
    WHERE u.id = ANY (people)
$$;
"""
# Whoever shuts themselves out stays out, whatever the door: service, back office or a statement typed by hand.
KEPT = """
CREATE FUNCTION safeguards_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment CONSTANT timestamptz := statement_timestamp();
BEGIN
    IF (OLD.excluded_forever OR OLD.excluded_until > moment OR OLD.paused_until > moment) AND (
        TG_OP = 'DELETE' OR NEW.user_id <> OLD.user_id OR (OLD.excluded_forever AND NOT NEW.excluded_forever)
        OR (OLD.excluded_until > moment AND coalesce(NEW.excluded_until < OLD.excluded_until, true))
        OR (OLD.paused_until > moment AND coalesce(NEW.paused_until < OLD.paused_until, true))
    ) THEN
        RAISE EXCEPTION 'a pause or an exclusion in force is not shortened' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER safeguards_are_kept BEFORE UPDATE OR DELETE ON accounts_safeguards
    FOR EACH ROW EXECUTE FUNCTION safeguards_are_kept();

CREATE FUNCTION no_marketing_to_the_excluded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM accounts_safeguards AS g WHERE g.user_id = NEW.user_id
        AND (g.excluded_forever OR g.excluded_until > statement_timestamp())
    ) THEN
        RAISE EXCEPTION 'nobody who is excluded is marketed to' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_marketing_to_the_excluded BEFORE INSERT OR UPDATE ON accounts_preferences
    FOR EACH ROW WHEN (NEW.marketing_consent_at IS NOT NULL) EXECUTE FUNCTION no_marketing_to_the_excluded();

CREATE FUNCTION published_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'published terms, and that they were accepted, are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER published_terms_are_fixed BEFORE UPDATE OR DELETE ON accounts_terms
    FOR EACH ROW EXECUTE FUNCTION published_terms_are_fixed();
CREATE TRIGGER acceptances_are_kept BEFORE DELETE ON accounts_termsacceptance
    FOR EACH ROW EXECUTE FUNCTION published_terms_are_fixed();
CREATE TRIGGER acceptances_are_fixed BEFORE UPDATE ON accounts_termsacceptance FOR EACH ROW
    WHEN (ROW(OLD.id, OLD.user_id, OLD.terms_id, OLD.at) IS DISTINCT FROM ROW(NEW.id, NEW.user_id, NEW.terms_id, NEW.at)
          OR (NEW.address IS NOT NULL AND NEW.address IS DISTINCT FROM OLD.address))
    EXECUTE FUNCTION published_terms_are_fixed();
CREATE TRIGGER country_rules_are_fixed BEFORE UPDATE OR DELETE ON accounts_countryrule FOR EACH ROW
    WHEN (OLD.effective_from <= statement_timestamp()) EXECUTE FUNCTION published_terms_are_fixed();
"""
UNKEPT = """
DROP TRIGGER country_rules_are_fixed ON accounts_countryrule;
DROP TRIGGER acceptances_are_fixed ON accounts_termsacceptance;
DROP TRIGGER acceptances_are_kept ON accounts_termsacceptance;
DROP TRIGGER published_terms_are_fixed ON accounts_terms;
DROP FUNCTION published_terms_are_fixed();
DROP TRIGGER no_marketing_to_the_excluded ON accounts_preferences;
DROP FUNCTION no_marketing_to_the_excluded();
DROP TRIGGER safeguards_are_kept ON accounts_safeguards;
DROP FUNCTION safeguards_are_kept();
"""
REGION = r"^[A-Z]{2}-[A-Z0-9]{1,3}$"


def _of_user(related_name, **options):
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, django.db.models.deletion.PROTECT, related_name=related_name, **options
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_identities")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="region",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="ISO 3166-2, for example US-WA.", max_length=6
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="place_changed_at",
            field=models.DateTimeField(editable=False, help_text="When they last moved.", null=True),
        ),
        migrations.CreateModel(
            name="Safeguards",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="safeguards",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("paused_until", models.DateTimeField(null=True)),
                ("excluded_until", models.DateTimeField(null=True)),
                ("excluded_forever", models.BooleanField(db_default=False, default=False)),
            ],
            options={"verbose_name_plural": "safeguards"},
        ),
        migrations.CreateModel(
            name="SpendLimit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user", _of_user("spend_limits", db_index=False)),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.PositiveBigIntegerField(help_text="In the currency's minor unit.", null=True)),
                (
                    "next_amount",
                    models.PositiveBigIntegerField(help_text="A raise that waits, or waited, for its time.", null=True),
                ),
                ("next_from", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["user", "currency"], name="spend_limit_user_currency"),
                    models.CheckConstraint(
                        condition=Q(next_from__isnull=False) | Q(next_amount=None), name="spend_limit_next_has_time"
                    ),
                ]
            },
        ),
        migrations.CreateModel(
            name="CountryRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("country", models.CharField(help_text="ISO 3166-1 alpha-2.", max_length=2)),
                (
                    "region",
                    models.CharField(
                        blank=True, help_text="ISO 3166-2, for example US-WA; empty: the whole country.", max_length=6
                    ),
                ),
                ("allowed", models.BooleanField(default=True)),
                (
                    "minimum_age",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="Where it is higher than MINIMUM_AGE.", null=True
                    ),
                ),
                ("reason", models.CharField(help_text="Shown to those whom it keeps from buying.", max_length=200)),
                ("effective_from", models.DateTimeField(help_text="In UTC.")),
            ],
            options={
                "ordering": ["country", "region", "-effective_from"],
                "constraints": [
                    models.UniqueConstraint(fields=["country", "region", "effective_from"], name="country_rule_once"),
                    models.CheckConstraint(
                        condition=Q(region="") | Q(region__regex=REGION, region__startswith=F("country")),
                        name="country_rule_region_of_country",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Terms",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(help_text="For example 2026-11.", max_length=40, unique=True)),
                ("url", models.URLField(help_text="Where this version can be read for good.")),
                (
                    "effective_from",
                    models.DateTimeField(help_text="In UTC; what was bought before stays as it is.", unique=True),
                ),
                (
                    "published_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={"ordering": ["-effective_from"], "verbose_name_plural": "terms"},
        ),
        migrations.CreateModel(
            name="TermsAcceptance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user", _of_user("accepted_terms", db_index=False)),
                (
                    "terms",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.terms",
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("address", models.GenericIPAddressField(null=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["user", "terms"], name="terms_accepted_once")]
            },
        ),
        migrations.RunSQL(STANDINGS, "DROP FUNCTION accounts_standings(uuid[], integer)"),
        migrations.RunSQL(KEPT, UNKEPT),
    ]
