"""Raffles as a Django app."""

from django.apps import AppConfig


class RafflesConfig(AppConfig):
    """Label `raffles`."""

    name = "raffles"

    def ready(self) -> None:
        """Register the sweeps, and how raffles are found."""
        from raffles import finders, tasks  # noqa: F401 register themselves
