"""The stage of tests about draws: a quick beacon, a contract of this session's own, and raffles ready to be drawn."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from eth_account import Account

from accounts.models import User
from dev.services import running
from luxewin import draw_bounds
from purchases.tests.stage import seated
from raffles import services as raffle_services
from raffles.models import Raffle
from verification import anchoring, clients, manifest, services
from verification.chain import Chain
from verification.models import ChainAccount, ChainAttempt, ChainTransaction, Contract, Draw, DrawSequence
from verification.services import draw_steps, outcomes

from . import on_chain
from .drawing import closed
from .mining import NO_RELAYS, Mine, stepped
from .on_chain import ETHER, DevBeacon, chain_id, funded_chain, rpc, rpc_url


@pytest.fixture
def least_delays(no_chain: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the protocol's least delays, which tests of whole draws do without."""
    for name in ("MIN_DELAY", "MIN_VOID_DELAY"):
        monkeypatch.setattr(manifest, name, getattr(draw_bounds, name))


@pytest.fixture(scope="session")
def quick_beacon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A dev beacon with a round each second, as settings: nobody waits three for the usual one's."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PARTS_BEACON_PERIOD", "1")
            started = stack.enter_context(running(tmp_path_factory.mktemp("beacon"), names=["beacon"]))
        numbers = {name: int(started[name]) for name in ("BEACON_GENESIS_TIME", "BEACON_PERIOD")}
        texts = {name: started[name] for name in ("BEACON_CHAIN_HASH", "BEACON_PUBLIC_KEY")}
        yield {"BEACON_URLS": [started["BEACON_URLS"]]} | texts | numbers


@pytest.fixture
def beacon(settings: Any, quick_beacon: dict[str, Any]) -> Iterator[None]:
    """Draws promised in this test use the quick beacon."""
    for name, value in quick_beacon.items():
        setattr(settings, name, value)
    clients.beacon.cache_clear()
    yield
    clients.beacon.cache_clear()


@pytest.fixture(scope="session")
def deployed(quick_beacon: dict[str, Any], django_db_setup: None, django_db_blocker: Any) -> dict[str, Any]:
    """The contract, deployed once by an operator of this session's own, and the settings that lead to it."""
    operator = Account.create()
    rpc("anvil_setBalance", operator.address, hex(ETHER))
    chain = {"CHAIN_RPC_URLS": [rpc_url()], "CHAIN_ID": chain_id(), "CHAIN_OPERATOR_KEY": operator.key.hex()}
    with override_settings(**chain, **quick_beacon), django_db_blocker.unblock():
        clients.chain.cache_clear()
        clients.beacon.cache_clear()
        contract = anchoring.deploy_contract()
        for model in (ChainAttempt, ChainTransaction, ChainAccount, Contract):
            model.objects.all().delete()
        clients.chain.cache_clear()
        clients.beacon.cache_clear()
    return {"settings": chain, "address": contract.address, "transaction": contract.transaction}


@pytest.fixture(scope="session")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node of this session's own, which mines each transaction at once and whose time may be moved."""
    with running(tmp_path_factory.mktemp("node"), names=["chain"]) as started:
        address = started["CHAIN_RPC_URL"]
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("CHAIN_RPC_URL", address)
            rpc("evm_setIntervalMining", 0)
            rpc("evm_setAutomine", True)
        yield address


@pytest.fixture(scope="module")
def alone(own_node: str) -> Iterator[None]:
    """The tests of this module are on the session's own node."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHAIN_RPC_URL", own_node)
        yield


@pytest.fixture(scope="module")
def dev() -> DevBeacon:
    return DevBeacon.make()


@pytest.fixture(scope="module")
def chain(alone: None) -> Chain:
    """The door to the session's own node, with the operator of the module's contract."""
    return funded_chain()


@pytest.fixture(scope="module")
def contract(chain: Chain, dev: DevBeacon) -> str:
    """The module's own contract on the session's own node."""
    return on_chain.deployed(chain, dev)


@pytest.fixture
def chained(db: None, no_chain: None, beacon: None, settings: Any, deployed: dict[str, Any]) -> Chain:
    """A chain is configured, and no contract of ours is known on it."""
    for name, value in deployed["settings"].items():
        setattr(settings, name, value)
    clients.chain.cache_clear()
    chain = clients.chain()
    assert chain is not None
    return chain


@pytest.fixture
def anchored(chained: Chain, settings: Any, deployed: dict[str, Any]) -> Chain:
    """Draws promised in this test are anchored, under the next number that the session's contract takes."""
    while rpc("eth_getTransactionCount", chained.operator, "pending") != hex(chained.next_nonce()):
        time.sleep(0.05)  # what an earlier test left on its way
    transaction = deployed["transaction"]
    checked = {"chain_hash": settings.BEACON_CHAIN_HASH, "void_after": settings.DRAW_VOID_SECONDS}
    Contract.objects.create(chain_id=chained.chain_id, address=deployed["address"], transaction=transaction, **checked)
    DrawSequence.objects.create(pk=1, last=chained.next_sequence(deployed["address"]) - 1)
    return chained


@pytest.fixture
def selling(beacon: None, on_sale: Callable[..., Raffle]) -> Callable[..., Raffle]:
    """Makes a published raffle whose draw comes a second after its commitment, unless its terms say otherwise.

    It sells at once, also where its announcement is still to come.
    """

    def make(**terms: Any) -> Raffle:
        raffle = on_sale(**{"delay_seconds": 1} | terms)
        with transaction.atomic():
            raffle_services.open_sale(raffle.pk)
        return raffle

    return make


@pytest.fixture(scope="session")
def still_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node of this session's own that mines only when told."""
    with mining_when_told(tmp_path_factory.mktemp("still")) as url:
        yield url


@contextmanager
def mining_when_told(folder: Path) -> Iterator[str]:
    """Run a node that mines only when told, and give its address."""
    with running(folder, names=["chain"]) as started:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("CHAIN_RPC_URL", started["CHAIN_RPC_URL"])
            rpc("evm_setIntervalMining", 0)
            rpc("evm_setAutomine", False)
        yield started["CHAIN_RPC_URL"]


@pytest.fixture
def mine(db: None, no_chain: None, beacon: None, settings: Any, still_node: str) -> Iterator[Mine]:
    """Draws promised in this test are anchored on a node that mines only when the test says so."""
    with pytest.MonkeyPatch.context() as environment:  # of its own: a test may undo its patches
        environment.setenv("CHAIN_RPC_URL", still_node)
        settings.CHAIN_ID = chain_id()
        yield Mine.open(settings, still_node)
        rpc("anvil_dropAllTransactions")
    clients.chain.cache_clear()


@pytest.fixture
def frozen(mine: Mine, selling: Callable[..., Raffle], alice: User) -> Callable[..., Raffle]:
    """Makes a raffle whose frozen entries are about to be committed; a step counts when it is two blocks deep."""

    def make(**terms: Any) -> Raffle:
        raffle = selling(**terms)
        mine.advance(raffle, Draw.State.ANNOUNCED)
        mine.setting(CHAIN_CONFIRMATIONS=2)
        seated(alice, raffle, 5)
        closed(raffle)
        mine.catch_up()
        assert services.advance_draw(raffle.pk).state == Draw.State.FROZEN
        return raffle

    return make


@pytest.fixture
def unsent(mine: Mine, selling: Callable[..., Raffle], alice: User) -> Callable[..., Draw]:
    """Makes a draw whose entries are frozen and public, and for which no commitment was sent yet."""

    def make(**terms: Any) -> Draw:
        raffle = selling(**terms)
        mine.advance(raffle, Draw.State.ANNOUNCED)
        seated(alice, raffle, 5)
        closed(raffle)
        mine.catch_up()
        draw_steps.publish(stepped(raffle, draw_steps.freeze, Draw.State.FROZEN))
        return Draw.objects.select_related("raffle", "contract").get(pk=raffle.pk)

    return make


@pytest.fixture
def root(person: Callable[..., User]) -> User:
    """May everything, by name."""
    return person("root", role="raffle managers", is_superuser=True)


@pytest.fixture
def after_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to claim a prize is over, however short ago the draw was."""
    monkeypatch.setattr(outcomes, "claim_ends", lambda pick: datetime.min.replace(tzinfo=UTC))


@pytest.fixture
def relays(beacon: None, settings: Any) -> Callable[..., None]:
    """`relays(there=False)`: nobody answers for the beacon; `relays(there=True)`: they are back."""
    good = settings.BEACON_URLS

    def answer(*, there: bool) -> None:
        settings.BEACON_URLS = good if there else NO_RELAYS

    return answer
