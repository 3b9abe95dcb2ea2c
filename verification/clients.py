"""The clients of a draw's beacon and chain, as this installation configures them."""

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from verification.beacon import QUICKNET, QUICKNET_RELAYS, Beacon, BeaconClient
from verification.chain_types import GWEI, ChainUnavailable
from verification.operator_key import KeyFault, KeySource

if TYPE_CHECKING:
    from verification.chain import Chain


@cache
def beacon() -> Beacon:
    """Return the beacon of new manifests: quicknet, unless BEACON_CHAIN_HASH says otherwise."""
    if not settings.BEACON_CHAIN_HASH:
        return QUICKNET
    return Beacon(
        chain_hash=bytes.fromhex(settings.BEACON_CHAIN_HASH),
        public_key=bytes.fromhex(settings.BEACON_PUBLIC_KEY),
        genesis_time=settings.BEACON_GENESIS_TIME,
        period=settings.BEACON_PERIOD,
    )


def client_of(promised: Beacon) -> BeaconClient:
    """Return a client for the beacon that a manifest promised, over the configured relays."""
    return BeaconClient(promised, tuple(settings.BEACON_URLS) or QUICKNET_RELAYS)


@cache
def chain() -> "Chain | None":
    """Return the configured chain, or None: without one everything works, and bundles say `anchored: false`.

    Raises KeyFault.
    """
    if not settings.CHAIN_RPC_URLS:
        return None
    # web3 takes more than a second to load, and most processes never use the chain.
    from verification.chain import Chain

    return Chain(settings.CHAIN_RPC_URLS, settings.CHAIN_ID, operator_key().read(), max_fee=_max_fee())


def required_chain() -> "Chain":
    """Return the configured chain. Raises ChainUnavailable if there is none, and KeyFault."""
    configured = chain()
    if configured is None:
        raise ChainUnavailable("CHAIN_RPC_URL is not set, and this draw is promised on a chain")
    return configured


def reading_chain() -> "Chain":
    """Return the configured chain without the operator's key, which may be lost. Raises ChainUnavailable."""
    if not settings.CHAIN_RPC_URLS:
        raise ChainUnavailable("CHAIN_RPC_URL is not set, and this draw is promised on a chain")
    return _reader(tuple(settings.CHAIN_RPC_URLS), settings.CHAIN_ID, _max_fee())


def following_chain() -> "Chain":
    """Return the configured chain to follow what is on it: without the operator's key where that cannot be read.

    A draw goes on by what others send, whoever has the key. Raises ChainUnavailable.
    """
    try:
        return required_chain()
    except KeyFault:
        return reading_chain()


def operator_key() -> KeySource:
    """Return where the operator's key is."""
    return KeySource(
        settings.CHAIN_OPERATOR_KEY, settings.CHAIN_OPERATOR_KEY_FILE, settings.CHAIN_OPERATOR_KEY_PASSWORD_FILE
    )


def ping_chain() -> None:
    """Raise with a reason unless the chain answers and is the right one. Never reads the operator's key."""
    if settings.CHAIN_RPC_URLS:
        reading_chain().ping()


@cache
def _reader(rpc_urls: tuple[str, ...], chain_id: int, max_fee: int) -> "Chain":
    """Return a chain that cannot sign; cached, because it remembers which node failed."""
    from verification.chain import Chain

    return Chain(rpc_urls, chain_id, None, max_fee=max_fee)


def _max_fee() -> int:
    """Return the highest price of a unit of gas, in wei."""
    return round(settings.CHAIN_MAX_FEE_GWEI * GWEI)


def ping_beacon() -> None:
    """Raise with a reason unless some relay answers for our beacon."""
    client_of(beacon()).ping()
