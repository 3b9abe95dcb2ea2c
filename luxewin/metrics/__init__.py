"""The core of metrics: each app registers gauges of its work, and `/metrics` reads them all for Prometheus."""

from luxewin.metrics.gauges import age_of_oldest, register

__all__ = ["age_of_oldest", "register"]
