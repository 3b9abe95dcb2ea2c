"""`manage.py deploy_contract`."""

from typing import Any

from django.core.management.base import CommandError

from luxewin.commands import LongCommand
from verification.anchoring import deploy_contract
from verification.beacon import BeaconError
from verification.chain_types import ChainError


class Command(LongCommand):
    """Run once per chain before the first raffle is published, and after raffles were published without it."""

    help = "Deploys the draw contract on the configured chain; does nothing if it is there already."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the contract's address."""
        try:
            contract = deploy_contract()
        except (ChainError, BeaconError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"The draw contract is {contract}"))
