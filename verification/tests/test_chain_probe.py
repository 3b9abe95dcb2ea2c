"""The probe of the chain asks as a reader: what the web process runs has no business with the operator's key."""

import pytest

from verification import doors
from verification.keys import KeyFault
from verification.onchain import ChainUnavailable

from .on_chain import chain_id, rpc_url


@pytest.fixture
def unreadable_key(settings, tmp_path):
    """A key is configured whose file this process may not read, as root too sees it: it is not there."""
    settings.CHAIN_OPERATOR_KEY = ""
    settings.CHAIN_OPERATOR_KEY_FILE = str(tmp_path / "none")
    settings.CHAIN_RPC_URLS, settings.CHAIN_ID = [rpc_url()], chain_id()
    doors.chain.cache_clear()
    with pytest.raises(KeyFault):
        doors.chain()


def test_the_probe_works_without_the_key(unreadable_key):
    doors.ping_chain()


def test_the_probe_names_another_chain(unreadable_key, settings):
    settings.CHAIN_ID += 1
    with pytest.raises(ChainUnavailable, match="serves the chain"):
        doors.ping_chain()


def test_without_a_chain_the_probe_asks_nobody(settings):
    settings.CHAIN_RPC_URLS = []
    doors.ping_chain()
