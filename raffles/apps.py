"""Raffles as a Django app."""

from django.apps import AppConfig


class RafflesConfig(AppConfig):
    """Label `raffles`."""

    name = "raffles"

    def ready(self) -> None:
        """Register checks, the sweeps, how raffles are found, gauges, and what archives contain."""
        from raffles import checks, finders, metrics, privacy, tasks  # noqa: F401 register themselves

        privacy.register()
