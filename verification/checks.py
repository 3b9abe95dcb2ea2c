"""System checks of the settings of chain, beacon and draws. They read the operator's key file, and make no request."""

import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 Django's own name for it

from luxewin.draw_bounds import DEVELOPMENT_CHAIN
from luxewin.environment import DEVELOPMENT, PRODUCTION
from verification import clients
from verification.beacon import QUICKNET

DEFAULT_NAME = "LuxeWin"
NODES = 2
BLOCK_SECONDS = 12  # Ethereum's; chains with quicker blocks wait less


@register(Tags.security)
def operator_key_is_usable(**kwargs: Any) -> list[CheckMessage]:
    """Check the operator's key; name the wrong variable, never its value."""
    if not settings.CHAIN_RPC_URLS:
        return []
    hint = "Without a key the chain can only be read; draws that are promised on it wait."
    faults: list[CheckMessage] = [
        Error(fault, hint=hint, id="verification.E001") for fault in clients.operator_key().faults()
    ]
    if settings.LUXEWIN_ENV != DEVELOPMENT and clients.operator_key().is_published():
        text = "CHAIN_OPERATOR_KEY, or its file, is a key that development chains print: anyone can sign with it."
        faults.append(Error(text, hint="Set a key that was made for this installation.", id="verification.E002"))
    for name in ("CHAIN_OPERATOR_KEY_FILE", "CHAIN_OPERATOR_KEY_PASSWORD_FILE"):
        if _is_open(getattr(settings, name)):
            text = f"{name} can be read by others than its owner."
            faults.append(Warning(text, hint="chmod 600 it.", id="verification.W001"))
    return faults


@register(Tags.security)
def draws_are_bound(**kwargs: Any) -> list[CheckMessage]:
    """Check, in production and staging, what the trust in a draw rests on: name, chain, nodes, delay and beacon."""
    if settings.LUXEWIN_ENV == DEVELOPMENT:
        return []
    faults: list[CheckMessage] = []
    if settings.OPERATOR_NAME == DEFAULT_NAME:
        text = f"OPERATOR_NAME is not set: every raffle's rules say that {DEFAULT_NAME} holds it."
        faults.append(Warning(text, hint="Set OPERATOR_NAME to your name as people know it.", id="verification.W002"))
    if settings.BEACON_CHAIN_HASH and QUICKNET.chain_hash.hex() != settings.BEACON_CHAIN_HASH:
        text = "BEACON_CHAIN_HASH is not drand's quicknet: verifiers accept it only from people who name it themselves."
        faults.append(Warning(text, hint="Unset BEACON_*, unless you know why.", id="verification.W003"))
    return faults + (_chain_faults() if settings.CHAIN_RPC_URLS else [])


def _chain_faults() -> list[CheckMessage]:
    faults: list[CheckMessage] = []
    if settings.LUXEWIN_ENV == PRODUCTION and settings.CHAIN_ID == DEVELOPMENT_CHAIN:
        text = f"CHAIN_ID is {DEVELOPMENT_CHAIN}, a developer's own machine: it proves nothing to others."
        faults.append(Error(text, hint="Set CHAIN_ID and CHAIN_RPC_URL to a public chain's.", id="verification.E003"))
    if len({urlsplit(url).hostname for url in settings.CHAIN_RPC_URLS}) < NODES:
        text = "CHAIN_RPC_URL names fewer than two hosts: what one node says of a draw is believed."
        faults.append(Warning(text, hint="Add nodes of other providers: two must agree.", id="verification.W004"))
    waits = settings.CHAIN_CONFIRMATIONS * BLOCK_SECONDS
    if waits >= settings.DRAW_DELAY_SECONDS:
        text = (
            f"DRAW_DELAY_SECONDS is {settings.DRAW_DELAY_SECONDS}, and {settings.CHAIN_CONFIRMATIONS} confirmations "
            f"take some {waits} s: the round could appear before the commitment counts."
        )
        faults.append(Error(text, hint="Raise DRAW_DELAY_SECONDS.", id="verification.E004"))
    return faults


def _is_open(path: str) -> bool:
    try:
        return bool(path) and bool(Path(path).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False  # reported above
