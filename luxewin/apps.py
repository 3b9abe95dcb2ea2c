"""The project package as a Django app: start-up checks, health of database, cache and mail."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class LuxewinConfig(AppConfig):
    """Label `luxewin`."""

    name = "luxewin"
    verbose_name = "LuxeWin"

    def ready(self) -> None:
        """Register checks, gauges, and the probes of parts that no single app owns."""
        from luxewin import checks, connections, replica, schema, supabase_access  # noqa: F401 register themselves
        from luxewin.clock import probe as clock
        from luxewin.database import lift_limits, restore_limits
        from luxewin.health import EVERY_SECONDS_OUTSIDE, metrics, register  # noqa: F401 registers itself
        from luxewin.health.parts import cache, database, mail
        from luxewin.models import WrongClock

        pre_migrate.connect(lift_limits, dispatch_uid="luxewin.limits")
        post_migrate.connect(restore_limits, dispatch_uid="luxewin.limits")
        register("database", database, required=True)
        register("schema", schema.probe, required=True)
        register("clock", clock, required=True)
        register("clocks", WrongClock.probe)
        register("cache", cache)
        if replica.is_configured():
            register("replica", replica.probe)
        register("mail", mail, every=EVERY_SECONDS_OUTSIDE)
