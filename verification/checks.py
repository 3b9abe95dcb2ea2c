"""System checks of the chain's settings. They read the operator's key file, and make no request."""

import stat
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 Django's own name for it

from luxewin.environment import DEVELOPMENT
from verification import clients


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


def _is_open(path: str) -> bool:
    try:
        return bool(path) and bool(Path(path).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False  # reported above
