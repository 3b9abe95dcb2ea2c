"""The books, collected from independent sources.

Raffles are as anyone sees them, numbers as each buyer sees their own, money as Stripe has it, entries and bundles as
the API publishes them, and picks as the contract has them.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.demo.parties import ChainNode
from dev.demo.people import Person
from dev.demo.story import Story
from dev.launch import PROJECT

# What verifier.py ends with on a development chain, where nothing better is said.
CONSISTENT = 3


@dataclass
class Drawn:
    """A held draw as published, with the verifier's verdict and the contract's own picks."""

    bundle: dict[str, Any]
    prizes: dict[int, str]
    entries: list[tuple[str, int, int]]
    steps: dict[str, bool]
    on_chain: list[int]
    verified: bool
    verdict: str

    @property
    def tickets(self) -> list[int]:
        """The picked ticket numbers in order of position."""
        return [pick["ticket"] for pick in sorted(self.bundle["picks"], key=lambda pick: pick["position"])]


@dataclass
class Ledger:
    """Everything that the sources say."""

    story: Story
    folder: Path
    raffles: dict[str, dict[str, Any]] = field(default_factory=dict)
    purchases: list[tuple[Person, dict[str, Any]]] = field(default_factory=list)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    charges: list[dict[str, Any]] = field(default_factory=list)
    disputes: list[dict[str, Any]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    draws: dict[str, Drawn] = field(default_factory=dict)

    @classmethod
    def of(cls, story: Story, folder: Path) -> "Ledger":
        """Ask all sources; write bundles and entries files to `folder` byte for byte as served."""
        ledger = cls(story, folder)
        ledger.raffles = {raffle["id"]: raffle for raffle in story.visitor.pages("raffles/list")}
        members = [person for person in story.people if person.shop.token]
        ledger.purchases = [(person, each) for person in members for each in person.purchases()]
        ledger.intents = {intent["id"]: intent for intent in story.till.books("payment_intents")}
        ledger.charges = list(story.till.books("charges"))
        ledger.disputes = list(story.till.books("disputes"))
        ledger.mails = story.mailbox.messages()
        for raffle in ledger.raffles.values():
            if raffle["phase"] == "drawn":
                ledger.draws[raffle["id"]] = ledger._examine(raffle["id"])
        return ledger

    def taken(self, raffle: str) -> int:
        """Sum Stripe's money for a raffle, in the minor unit: captured and not refunded."""
        intents = {name for name, intent in self.intents.items() if intent["metadata"].get("raffle") == raffle}
        captured = [each for each in self.charges if each["paid"] and each["captured"]]
        mine = [each for each in captured if each["payment_intent"] in intents]
        return sum(charge["amount"] - charge["amount_refunded"] for charge in mine)

    def purchase_of(self, charge: dict[str, Any]) -> str | None:
        """Return the purchase that a charge is for, by its intent's metadata."""
        return self.intents[charge["payment_intent"]]["metadata"].get("purchase")

    def paid(self, raffle: str | None = None) -> list[tuple[Person, dict[str, Any]]]:
        """List purchases with tickets, of one raffle or of all, with their buyers."""
        paid = [(person, each) for person, each in self.purchases if each["status"] == "paid"]
        return [(person, each) for person, each in paid if raffle in {None, each["raffle"]["id"]}]

    def numbers(self, raffle: str) -> list[int]:
        """List a raffle's ticket numbers as their buyers see them, sorted, repetitions included."""
        held = [each["tickets"] for _, each in self.paid(raffle)]
        return sorted(number for each in held for number in range(each["first"], each["last"] + 1))

    def was_mailed(self, person: Person, subject: str, *words: str) -> bool:
        """Whether a mail with this subject and all these words went to the person."""
        mine = [each for each in self.mails if person.email in each["to"] and each["subject"] == subject]
        return any(all(word in each["text"] for word in words) for each in mine)

    def _examine(self, raffle: str) -> Drawn:
        visitor = self.story.visitor
        files = [self.folder / f"{raffle}.{name}" for name in ("bundle.json", "entries.csv", "log.csv")]
        for file, path in zip(files, ("bundle", "entries.csv", "log"), strict=True):
            file.write_bytes(visitor.raw(f"verification/{raffle}/{path}"))
        bundle_file, entries_file, _ = files
        bundle = json.loads(bundle_file.read_bytes())
        manifest = json.loads(bundle["manifest"])
        beacon_file = self.folder / "beacon.json"
        beacon_file.write_text(json.dumps(manifest["beacon"]))
        rows = [line.split(",") for line in entries_file.read_text().splitlines()[1:]]
        node = ChainNode(self.story.http, self.story.environment)
        sent = visitor.get(f"verification/{raffle}")["transactions"]
        verdict = subprocess.run(  # noqa: S603 (our own command line)
            # The development's beacon and node, named as whoever trusts them would.
            [
                sys.executable,
                "-I",
                "verification/verifier.py",
                *(file.absolute() for file in files),
                f"--beacon={beacon_file.absolute()}",
                f"--rpc={node.url}",
            ],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Drawn(
            bundle=bundle,
            prizes={prize["position"]: prize["name"] for prize in manifest["prizes"]},
            entries=[(entry, int(first), int(count)) for entry, first, count, _ in rows],
            steps={each["step"]: each["block"] is not None and node.was_mined(each["hash"]) for each in sent},
            on_chain=node.picks(manifest["anchor"]["contract"], bundle["manifest_hash"]),
            # On a development chain nothing better is said.
            verified=verdict.returncode == CONSISTENT,
            verdict=(verdict.stdout or verdict.stderr).strip().splitlines()[-1],
        )
