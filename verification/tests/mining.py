"""A node of the test session's own, which mines only when told: for stuck fees, spent nonces and reorganisations."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from raffles.models import Raffle
from verification import anchoring, clients, services
from verification.chain import Chain
from verification.models import Draw
from verification.services import draw_steps

from .on_chain import ETHER, latest_time, mine_at, rpc

NO_RELAYS = ["http://127.0.0.1:1"]
SHORT_LEAD = 10  # seconds; a test that mines more blocks than that looks at no date


@dataclass(frozen=True)
class Mine:
    """The node, an operator of this test's own, and its contract."""

    settings: Any
    chain: Chain
    key: str

    @classmethod
    def open(cls, settings: Any, url: str) -> "Mine":
        account = Account.create()
        rpc("anvil_setBalance", account.address, hex(ETHER))
        settings.CHAIN_RPC_URLS, settings.CHAIN_OPERATOR_KEY = [url], account.key.hex()
        clients.chain.cache_clear()
        rpc("evm_setAutomine", True)
        anchoring.deploy_contract()
        rpc("evm_setAutomine", False)
        # Each block is dated a second after its parent at least: many of an earlier test's lead ahead of our clock.
        time.sleep(max(0, latest_time() - time.time()))
        chain = clients.chain()
        assert chain is not None
        return cls(settings, chain, account.key.hex())

    def blocks(self, count: int = 1) -> None:
        """So many more, the first with all that waits and pays enough; a lead on our clock of seconds is waited for."""
        for _ in range(count):
            rpc("evm_mine")
        if (lead := latest_time() - time.time()) < SHORT_LEAD:
            time.sleep(max(0, lead))

    def reorganise(self, depth: int) -> None:
        """The newest blocks never were: as many others, empty ones, are in their place."""
        rpc("anvil_reorg", depth, [])

    def base_fee(self, wei: int) -> None:
        """Of the next block, and of those that follow about as much."""
        rpc("anvil_setNextBlockBaseFeePerGas", hex(wei))

    def another_wallet(self) -> Chain:
        """The same key in other hands."""
        return Chain(self.settings.CHAIN_RPC_URLS, self.settings.CHAIN_ID, self.key)

    def spend_nonce(self) -> None:
        """Another wallet sends something with the operator's next nonce."""
        wallet = self.another_wallet()
        fees = wallet.fees()
        call = wallet.call_of(wallet.operator, b"", 21_000, fees)
        wallet.broadcast(wallet.sign(call, wallet.next_nonce()).raw)
        self.blocks()

    def setting(self, **values: Any) -> None:
        """Other settings of the chain from now on."""
        for name, value in values.items():
            setattr(self.settings, name, value)
        clients.chain.cache_clear()

    def catch_up(self) -> None:
        """Mines a block dated now: a commitment waits for one that is dated after the sale."""
        mine_at(max(latest_time() + 1, int(time.time())))

    def commit(self, raffle: Raffle) -> Draw:
        """What waits is mined and confirmed; the draw is committed, and nobody has asked for its round."""
        self.blocks(2)
        return stepped(raffle, draw_steps.commit, Draw.State.COMMITTED)

    def wait_for_next_second(self) -> None:
        """Mines a block dated after the newest: the contract takes no commitment in the second of its announcement.

        It is dated now, because an earlier test may have set the node's clock back, as which calls see the present.
        """
        while time.time() < latest_time() + 1:
            time.sleep(0.05)
        self.catch_up()

    def advance(self, raffle: Raffle, state: str, *, mining: Callable[[], None] | None = None) -> Draw:
        """Takes steps, and mines a block after each, until the draw is in this state.

        Nobody answers for the beacon on the way to a committed draw: on a busy machine its round would appear in the
        step that sees the commitment, and decide the draw in the same call.
        """
        relays = self.settings.BEACON_URLS
        if state == Draw.State.COMMITTED:
            self.settings.BEACON_URLS = NO_RELAYS
        try:
            return self._advance(raffle, state, mining or self.blocks)
        finally:
            self.settings.BEACON_URLS = relays

    def _advance(self, raffle: Raffle, state: str, mining: Callable[[], None]) -> Draw:
        deadline = time.monotonic() + 120
        while (draw := services.advance_draw(raffle.pk)).state != state:
            assert time.monotonic() < deadline, f"{draw.state}: {draw.trouble}"
            mining()
            if "has not appeared" in draw.trouble:  # blocks bring no round nearer
                time.sleep(0.1)
            if "too early" in draw.trouble:
                self.wait_for_next_second()
            if "ahead of our clock" in draw.trouble:  # an earlier test moved the node's
                time.sleep(max(0, latest_time() - time.time()))
        return draw


def decided(raffle: Raffle) -> Draw:
    """Its round appeared, and nobody has settled it."""
    wait_for(Draw.objects.get(pk=raffle.pk))
    return stepped(raffle, draw_steps.decide, Draw.State.DRAWN)


def wait_for(draw: Draw) -> None:
    """Until its round has appeared."""
    while time.time() < draw.promised_beacon.time_of(draw.round or 0) + 1:
        time.sleep(0.1)


def stepped(raffle: Raffle, step: Callable[[Draw], None], state: str) -> Draw:
    """Takes this one step, which leads to the state."""
    step(Draw.objects.select_related("raffle", "contract").get(pk=raffle.pk))
    draw = Draw.objects.get(pk=raffle.pk)
    assert draw.state == state
    return draw
