"""Raffles as a Django app."""

from django.apps import AppConfig


class RafflesConfig(AppConfig):
    """Label `raffles`."""

    name = "raffles"

    def ready(self) -> None:
        """Register the sweeps."""
        from raffles import tasks  # noqa: F401 registers its sweeps
