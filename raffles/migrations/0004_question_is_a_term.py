"""The question of skill is one of the terms that never change once a raffle is published."""

from django.db import migrations

BEFORE = (
    *("slug", "title", "ticket_price", "currency", "capacity", "max_per_person", "min_tickets"),
    *("alternates", "opens_at", "closes_at", "delay_seconds", "published_at"),
)


def guard(*terms: str) -> str:
    """The trigger's function for these columns."""
    old, new = (", ".join(f"{row}.{column}" for column in terms) for row in ("OLD", "NEW"))
    return f"""
CREATE OR REPLACE FUNCTION raffle_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.status = 'draft' THEN RETURN OLD; END IF;
    ELSIF OLD.status = 'draft' OR (ROW({old}) IS NOT DISTINCT FROM ROW({new}) AND NEW.status <> 'draft') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the terms of a published raffle are fixed' USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("raffles", "0003_question_and_postal_count")]
    operations = [migrations.RunSQL(guard(*BEFORE, "question", "choices", "answer"), guard(*BEFORE))]
