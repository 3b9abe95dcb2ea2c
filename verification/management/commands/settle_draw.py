"""`manage.py settle_draw ID [--signature HEX] [--key-file FILE]`."""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models.functions import Now

from luxewin.clock import database_now
from luxewin.commands import LongCommand
from verification import clients
from verification.anchoring import anchor_settlement
from verification.beacon import BeaconError
from verification.chain import Chain
from verification.chain_types import Call, ChainError, ChainRejected, DrawStatus
from verification.errors import StepStuck, StepWaits
from verification.management.commands.draw_raffle import signature_of
from verification.models import Contract, Draw
from verification.operator_key import KeyFault, KeySource

SECONDS = 300
STATUSES = {
    DrawStatus.UNKNOWN: "the contract knows nothing of it yet",
    DrawStatus.ANNOUNCED: "its entries are not committed yet",
    DrawStatus.VOID: "the contract has it void",
}


class Command(LongCommand):
    """Settle by hand, as the workers do. Anyone may settle, with any key: the result is the same."""

    help = "Hands the signature of the draw's round to the contract, which draws the picks. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        """ID, --signature, --key-file."""
        parser.add_argument("raffle", help="id or slug of the raffle")
        parser.add_argument("--signature", metavar="HEX", help="of the draw's round, instead of asking the relays")
        parser.add_argument("--key-file", default="", help="a file of the key that pays, instead of the operator's")

    def handle(self, *args: Any, raffle: str, signature: str | None, key_file: str, **options: Any) -> None:
        """Print what was done, and the picks."""
        draw = Draw.objects.of_raffle(raffle).select_related("raffle", "contract").first()
        if draw is None:
            raise CommandError(f"{raffle}: no published raffle has this id or slug.")
        if draw.contract is None:
            raise CommandError(f"Draw {draw.sequence} was promised without a chain: there is no contract to settle it.")
        try:
            self._settle(draw, draw.contract, signature, key_file)
        except StepWaits as waits:
            raise CommandError(waits.reason) from waits
        except (ChainError, BeaconError) as error:
            raise CommandError(str(error)) from error

    def _settle(self, draw: Draw, contract: Contract, signature: str | None, key_file: str) -> None:
        chain, manifest_hash = clients.following_chain(), bytes.fromhex(draw.manifest_hash)
        state = chain.draw_state(contract.address, manifest_hash)
        if state.status in STATUSES:
            raise CommandError(f"Draw {draw.sequence} cannot be settled: {STATUSES[state.status]}.")
        if state.status == DrawStatus.SETTLED:
            self.stdout.write(f"Draw {draw.sequence} is settled already; nothing was sent.")
        else:
            known = _signature(draw, state.round, signature)
            payer = _payer(key_file)
            self.stdout.write(f"Settling draw {draw.sequence} with round {state.round}; {payer.operator} pays.")
            if key_file and payer.operator != _operator(chain):
                _send(payer, payer.prepare_settle(contract.address, manifest_hash, signature=known))
            else:
                # Through the rows, so that the workers know of it and no nonce is spent twice.
                draw.round, draw.signature = state.round, known.hex()
                _patiently(lambda: anchor_settlement(draw))
        picks = chain.settled_picks(contract.address, manifest_hash)
        self.stdout.write(self.style.SUCCESS(f"The contract's picks of draw {draw.sequence}: {picks}"))


def _signature(draw: Draw, number: int, text: str | None) -> bytes:
    """Return the verified signature of the round: given, known, or from a relay."""
    promised = draw.promised_beacon
    if not text and (not draw.signature or draw.round != number):
        return clients.client_of(promised).fetch(number, now=database_now().timestamp())
    signature = signature_of(text or draw.signature)
    if not promised.verify(number, signature):
        raise CommandError(f"This is not the beacon's signature of round {number}.")
    return signature


def _payer(key_file: str) -> Chain:
    if not key_file:
        return clients.required_chain()
    try:
        key = KeySource(file=key_file, password_file=settings.CHAIN_OPERATOR_KEY_PASSWORD_FILE).read()
    except KeyFault as fault:
        raise CommandError(str(fault).replace("CHAIN_OPERATOR_KEY_FILE", "--key-file")) from fault
    return Chain(settings.CHAIN_RPC_URLS, settings.CHAIN_ID, key, max_fee=clients.reading_chain().max_fee)


def _operator(chain: Chain) -> str:
    try:
        return chain.operator
    except ChainRejected:
        return ""


def _send(payer: Chain, call: Call) -> None:
    """Send a transaction without the workers' rows, and wait until it is in a block."""
    signed = payer.sign(call, payer.next_nonce())
    payer.broadcast(signed.raw)

    def receipt() -> None:
        mined = payer.receipt(signed.hash)
        if mined is None:
            raise StepWaits(f"{signed.hash} is not mined yet", Now())
        if not mined.succeeded:
            raise ChainRejected(f"{signed.hash} was reverted: somebody may have settled the draw just before")

    _patiently(receipt)


def _patiently(step: Callable[[], object]) -> None:
    """Retry the step until it is taken. Raises StepWaits if it still waits after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            step()
        except StepStuck:
            raise
        except StepWaits:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return
