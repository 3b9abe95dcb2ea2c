"""The ground of health: each room registers a probe for its part, and `/health/ready` names them all."""

from luxewin.health.probes import register

__all__ = ["register"]
