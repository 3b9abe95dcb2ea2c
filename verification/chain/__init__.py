"""The client of the EVM chain: only this package imports web3. It stores nothing and is independent of Django.

A transaction is signed first, stored by the caller, and then broadcast, so that the same bytes can be sent again after
a crash or a lost answer. Hashes and addresses are the chain's own strings, with 0x.
"""

from verification.chain.client import Chain

__all__ = ["Chain"]
