"""The operator's key: hex in the environment, a file of hex, or a geth keystore with its password in another file.

No error's text ever contains a key or anything else that was read.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luxewin.environment import secret_file_fault
from verification.chain_types import ChainError
from verification.published_accounts import ADDRESSES

_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1


class KeyFault(ChainError):
    """The key cannot be read; names the wrong variable."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """The three variables; at most one of the first two is set."""

    text: str = field(default="", repr=False)
    file: str = ""
    password_file: str = ""

    def faults(self) -> list[str]:
        """List all faults that show without decrypting a keystore, which takes a second."""
        if self.text and self.file:
            return ["CHAIN_OPERATOR_KEY and CHAIN_OPERATOR_KEY_FILE are both set: set one of them."]
        try:
            self._parsed()
        except KeyFault as fault:
            return [str(fault)]
        return []

    def read(self) -> str | None:
        """Read the key in hex; None if none is set. Raises KeyFault. Cost: a second for a keystore."""
        if faults := self.faults():
            raise KeyFault(faults[0])
        parsed = self._parsed()
        return self._deciphered(parsed) if isinstance(parsed, dict) else parsed

    def is_published(self) -> bool:
        """Whether development chains publish this key; for a keystore by its address, without decryption."""
        from eth_account import Account

        parsed = None if self.faults() else self._parsed()
        if isinstance(parsed, dict):
            return f"0x{str(parsed.get('address', '')).lower().removeprefix('0x')}" in ADDRESSES
        return parsed is not None and Account.from_key(parsed).address.lower() in ADDRESSES

    def _parsed(self) -> str | dict[str, Any] | None:
        if self.text:
            return _checked(self.text, "CHAIN_OPERATOR_KEY")
        if not self.file:
            return None
        text = _content(self.file, "CHAIN_OPERATOR_KEY_FILE")
        if not text.startswith("{"):
            return _checked(text, "CHAIN_OPERATOR_KEY_FILE")
        try:
            keystore = json.loads(text)
        except ValueError as error:
            raise KeyFault("CHAIN_OPERATOR_KEY_FILE is neither a key in hex nor a keystore in JSON.") from error
        if not isinstance(keystore.get("crypto") or keystore.get("Crypto"), dict):
            raise KeyFault("CHAIN_OPERATOR_KEY_FILE is no keystore: its JSON has no `crypto`.")
        if not self.password_file:
            raise KeyFault("CHAIN_OPERATOR_KEY_FILE is a keystore: set CHAIN_OPERATOR_KEY_PASSWORD_FILE.")
        _content(self.password_file, "CHAIN_OPERATOR_KEY_PASSWORD_FILE")
        return keystore

    def _deciphered(self, keystore: dict[str, Any]) -> str:
        from eth_account import Account  # takes a while to load, and most processes sign nothing

        password = _content(self.password_file, "CHAIN_OPERATOR_KEY_PASSWORD_FILE")
        try:
            return bytes(Account.decrypt(keystore, password)).hex()
        except (ValueError, KeyError, TypeError, NotImplementedError):
            raise KeyFault(
                "CHAIN_OPERATOR_KEY_FILE cannot be deciphered with the password in CHAIN_OPERATOR_KEY_PASSWORD_FILE."
            ) from None


def _content(path: str, variable: str) -> str:
    if fault := secret_file_fault(path):
        raise KeyFault(f"{variable}: {fault}")
    return Path(path).read_text().strip()


def _checked(text: str, variable: str) -> str:
    match = _HEX.fullmatch(text.strip())
    if match is None or not 0 < int(match[1], 16) < _ORDER:
        raise KeyFault(f"{variable} is no private key: 64 hexadecimal digits, with or without 0x.")
    return match[1]
