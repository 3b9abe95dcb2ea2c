"""Gauges of the sale."""

from luxewin.metrics import register
from raffles.models import SaleStop

register("sales_stopped", "1 while staff have stopped all sales.", SaleStop.objects.filter(ended_at=None).count, most=0)
