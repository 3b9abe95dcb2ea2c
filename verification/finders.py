"""How draws are found in the back office."""

from luxewin.finding import finder
from verification.models import Draw

HASH = r"(?:0x)?(?P<hash>[0-9a-f]{64})"

finder(
    "Draw by a transaction of its chain",
    r"0x[0-9a-f]{64}",
    lambda match: Draw.objects.filter(steps__transaction__attempts__hash=match[0].lower()).distinct(),
)
finder("Draw by its manifest's hash", HASH, lambda match: Draw.objects.filter(manifest_hash=match["hash"].lower()))
finder(
    "Draw by number", r"(?:draw )?#?(?P<number>[0-9]{1,9})", lambda match: Draw.objects.filter(sequence=match["number"])
)
