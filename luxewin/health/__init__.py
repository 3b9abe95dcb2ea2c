"""The core of health: each app registers a probe for its part, and `/health/ready` names them all."""

from luxewin.health.probes import EVERY_SECONDS_OUTSIDE, register, start

__all__ = ["EVERY_SECONDS_OUTSIDE", "register", "start"]
