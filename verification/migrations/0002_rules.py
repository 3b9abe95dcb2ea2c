"""What models cannot express: verification/sql."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("purchases", "0002_rules"), ("verification", "0001_initial")]
    operations = load(
        "verification",
        "draw_promises_are_fixed",
        "draws_begin_as_promises",
        "draws_go_forward",
        "draws_are_counted",
        "entries_index_is_fixed",
        "picks_come_with_the_draw",
        "picks_are_fixed",
        "forfeits_are_fixed",
        "is_next_alternate",
        "awards_follow_the_draw",
        "voids_are_declared",
        "frozen_raffles_end_with_their_draw",
        "entries_are_logged",
        "leaves_are_fixed",
        "log_goes_forward",
        "is_never_emptied",
    )
