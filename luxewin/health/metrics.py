"""Gauges of the parts."""

from luxewin.health.probes import examine
from luxewin.metrics import register


def parts_up() -> dict[str, int]:
    """Return 1 for each part that works, as this process found it."""
    return {part.name: int(part.state == "ok") for part in examine()}


register("part_up", "Whether a part works, as the answering process found it.", parts_up, label="part")
