"""The operator's key: where it may be, and that what is wrong with it is named, and never it itself."""

import json
import secrets
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from eth_account import Account

from verification import clients
from verification.chain_types import ChainError
from verification.checks import operator_key_is_usable
from verification.operator_key import KeyFault, KeySource

KEY = secrets.token_bytes(32).hex()
PASSWORD = "a long password"


@pytest.fixture
def private(tmp_path):
    """Makes a file that only its owner reads."""

    def make(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    return make


@pytest.fixture
def keystore(private):
    """Cheap to decipher, otherwise as geth makes it."""
    return private("keystore.json", json.dumps(Account.encrypt(KEY, PASSWORD, kdf="pbkdf2", iterations=10)))


def test_no_key_is_no_fault():
    assert KeySource().read() is None
    assert KeySource().faults() == []


@pytest.mark.parametrize("text", [KEY, f"0x{KEY}", KEY.upper(), f" {KEY}\n"], ids=["bare", "0x", "upper", "spaces"])
def test_a_key_in_hex_is_read_from_the_environment_and_from_a_file(text, private):
    assert KeySource(text=text).read().lower() == KEY
    assert KeySource(file=private("key", text)).read().lower() == KEY


def test_a_keystore_is_deciphered_with_its_password(keystore, private):
    assert KeySource(file=keystore, password_file=private("password", f"{PASSWORD}\n")).read() == KEY


BAD = ["", "0x", KEY[:-1], KEY + "0", "g" * 64, "0" * 64, "f" * 64, '{"crypto": 1}', "{", '{"version": 3}']


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_no_key_is_refused_by_the_name_of_its_variable(text, private):
    source = KeySource(file=private("key", text))
    assert source.faults()[0].startswith("CHAIN_OPERATOR_KEY_FILE ")
    with pytest.raises(KeyFault) as caught:
        source.read()
    assert len(text) < 30 or text not in str(caught.value)
    if text and not text.startswith("{"):
        assert KeySource(text=text).faults()[0].startswith("CHAIN_OPERATOR_KEY is no private key")


def test_a_wrong_password_says_so_and_nothing_else(keystore, private):
    source = KeySource(file=keystore, password_file=private("password", "another"))
    assert source.faults() == []
    with pytest.raises(KeyFault, match="cannot be deciphered") as caught:
        source.read()
    assert caught.value.__cause__ is None
    assert "another" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named_by_its_variable(keystore, tmp_path, private):
    (fault,) = KeySource(file=str(tmp_path / "none")).faults()
    assert fault.startswith(f"CHAIN_OPERATOR_KEY_FILE: {tmp_path / 'none'} cannot be read by user ")
    assert "PASSWORD_FILE" in KeySource(file=keystore).faults()[0]
    (fault,) = KeySource(file=keystore, password_file=str(tmp_path)).faults()
    assert fault.startswith(f"CHAIN_OPERATOR_KEY_PASSWORD_FILE: {tmp_path} cannot be read")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert KeySource(file=str(tmp_path / "binary")).faults() == [
        f"CHAIN_OPERATOR_KEY_FILE: {tmp_path / 'binary'} cannot be read: it is not text."
    ]


def test_the_checks_name_two_keys_and_files_that_others_can_read(settings, private, tmp_path):
    settings.CHAIN_RPC_URLS = ["http://127.0.0.1:1"]
    settings.CHAIN_OPERATOR_KEY, settings.CHAIN_OPERATOR_KEY_FILE = KEY, private("key", KEY)
    (fault,) = operator_key_is_usable()
    assert (fault.id, "both set" in fault.msg) == ("verification.E001", True)
    settings.CHAIN_OPERATOR_KEY = ""
    assert operator_key_is_usable() == []
    (tmp_path / "key").chmod(0o640)
    (fault,) = operator_key_is_usable()
    assert (fault.id, KEY in str(fault)) == ("verification.W001", False)
    settings.CHAIN_RPC_URLS = []
    assert operator_key_is_usable() == []


# The first of anvil's and Hardhat's accounts, and the second of Ganache's.
PRINTED = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "6cbed15c793ce57650b9877cf6fa156fbef513c4e6134f022a85b1ffdd59b2a1",
]


@pytest.mark.parametrize("key", PRINTED)
@pytest.mark.parametrize("form", ["hex", "file", "keystore"])
def test_a_key_that_development_chains_print_is_refused_outside_development(key, form, settings, private):
    settings.CHAIN_RPC_URLS = ["http://127.0.0.1:1"]
    if form == "hex":
        settings.CHAIN_OPERATOR_KEY = f"0x{key.upper()}"
    else:
        keystore = json.dumps(Account.encrypt(key, PASSWORD, kdf="pbkdf2", iterations=10))
        settings.CHAIN_OPERATOR_KEY = ""
        settings.CHAIN_OPERATOR_KEY_FILE = private("key", key if form == "file" else keystore)
        settings.CHAIN_OPERATOR_KEY_PASSWORD_FILE = private("password", PASSWORD) if form == "keystore" else ""
    assert operator_key_is_usable() == []
    for name in ("staging", "production"):
        settings.LUXEWIN_ENV = name
        (fault,) = operator_key_is_usable()
        assert (fault.id, key in str(fault)) == ("verification.E002", False)


def test_a_key_of_ones_own_is_taken(settings):
    settings.CHAIN_RPC_URLS, settings.CHAIN_OPERATOR_KEY = ["http://127.0.0.1:1"], KEY
    settings.LUXEWIN_ENV = "production"
    assert operator_key_is_usable() == []


def test_check_says_what_is_wrong_and_not_what_the_key_is(settings):
    settings.CHAIN_RPC_URLS, settings.CHAIN_OPERATOR_KEY = ["http://127.0.0.1:1"], KEY + "00"
    with pytest.raises(CommandError, match=r"verification.E001.*CHAIN_OPERATOR_KEY is no private key") as caught:
        call_command("check", tags=["security"], stdout=StringIO(), stderr=StringIO())
    assert KEY not in str(caught.value)


def test_a_bad_key_makes_the_chain_unavailable_and_is_in_no_repr(settings):
    settings.CHAIN_RPC_URLS, settings.CHAIN_OPERATOR_KEY = ["http://127.0.0.1:1"], "nonsense"
    clients.chain.cache_clear()
    with pytest.raises(ChainError, match="CHAIN_OPERATOR_KEY is no private key"):
        clients.chain()
    settings.CHAIN_OPERATOR_KEY = KEY
    assert KEY not in repr(vars(clients.chain())) + repr(clients.operator_key())
