"""Gauges of the audit."""

from luxewin.audit.models import Unsealed
from luxewin.metrics import register

register("audit_unsealed", "Audit rows that no seal covers yet.", Unsealed.objects.count, most=10_000)
