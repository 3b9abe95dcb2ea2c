"""A draw whose commitment a reorganisation took away for good is frozen again: committed anew, or void."""

from django.db import migrations

from luxewin.sql import load


class Migration(migrations.Migration):
    dependencies = [("verification", "0003_undone_decisions")]
    operations = load(
        "verification",
        "draw_promises_are_fixed",
        "draws_go_forward",
        "picks_are_fixed",
        "awards_follow_the_draw",
        "frozen_raffles_end_with_their_draw",
    )
