"""Bounds of draw protocol v2 (sections 1 and 8). They are the protocol's: changing one makes another protocol.

The contract and the two verifiers state them again, on purpose: they share no code with the product.
"""

DAY, YEAR = 86_400, 31_536_000  # seconds; no promised period is longer than a year

# Prizes and alternates together: all that one draw can pick.
MAX_PICKS = 100
# Shorter, and a reorganised block or a wrong clock could choose the round.
MIN_DELAY = 600
MIN_VOID_DELAY = 7 * DAY
MIN_CLAIM = DAY
# Anvil's and Hardhat's: the chain on every developer's machine, where neither minimum of the delays holds.
DEVELOPMENT_CHAIN = 31337
