"""The probe of the chain asks as a reader: what the web process runs has no business with the operator's key."""

import pytest

from verification import clients
from verification.chain_types import ChainUnavailable
from verification.operator_key import KeyFault

from .on_chain import chain_id, rpc_url


@pytest.fixture
def unreadable_key(settings, tmp_path):
    """A key is configured whose file this process may not read, as root too sees it: it is not there."""
    settings.CHAIN_OPERATOR_KEY = ""
    settings.CHAIN_OPERATOR_KEY_FILE = str(tmp_path / "none")
    settings.CHAIN_RPC_URLS, settings.CHAIN_ID = [rpc_url()], chain_id()
    clients.chain.cache_clear()
    with pytest.raises(KeyFault):
        clients.chain()


def test_the_probe_works_without_the_key(unreadable_key):
    clients.ping_chain()


def test_the_probe_names_another_chain(unreadable_key, settings):
    settings.CHAIN_ID += 1
    with pytest.raises(ChainUnavailable, match="serves the chain"):
        clients.ping_chain()


def test_without_a_chain_the_probe_asks_nobody(settings):
    settings.CHAIN_RPC_URLS = []
    clients.ping_chain()
