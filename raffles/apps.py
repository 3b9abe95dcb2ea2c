"""Raffles as a Django app."""

from django.apps import AppConfig


class RafflesConfig(AppConfig):
    """Label `raffles`."""

    name = "raffles"

    def ready(self) -> None:
        """Register the sweeps, how raffles are found, and gauges."""
        from raffles import finders, metrics, tasks  # noqa: F401 register themselves
