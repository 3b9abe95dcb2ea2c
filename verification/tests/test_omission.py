"""Who leaves a buyer out is convicted by that buyer's receipt: sold by the product, shown by a cheating build of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from purchases.models import Purchase
from purchases.tests.stage import seated
from raffles.models import Raffle
from verification import log, merkle, picks, verifier
from verification.chain import Chain
from verification.models import Draw
from verification.services.log import sign_head

from .drawing import URL, advance_to, closed, download
from .page_node import Case, by_the_page

State = Draw.State
pytestmark = pytest.mark.django_db(transaction=True)


class Shown(NamedTuple):
    """What the public is shown, and what three buyers have in hand."""

    files: tuple[bytes, bytes, bytes]
    receipts: list[dict[str, Any]]
    head: dict[str, Any]


@pytest.fixture
def honest(
    anchored: Chain,
    selling: Callable[..., Raffle],
    people: Callable[[int], list[User]],
    api: Callable[..., APIClient],
    client: Client,
    tmp_path: Path,
) -> Shown:
    """A draw among three buyers, held by the product; the receipts and the head are from the days of the sale."""
    raffle = selling(capacity=9)  # sold out, so that the commitment need not wait for the promised end
    advance_to(raffle, State.ANNOUNCED)
    buyers = people(3)
    bought = [seated(buyer, raffle, count) for buyer, count in zip(buyers, (2, 3, 4), strict=True)]
    receipts = [receipt_of(api(buyer), purchase) for buyer, purchase in zip(buyers, bought, strict=True)]
    sign_head(raffle.pk)
    head = client.get(f"{URL}/{raffle.pk}/log/heads").json()["results"][0]
    closed(raffle)
    advance_to(raffle, State.SETTLED)
    bundle, entries, leaves = (file.read_bytes() for file in download(client, raffle, tmp_path))
    signed = {name: head[name] for name in ("size", "root", "at", "signature")}
    return Shown((bundle, entries, leaves), receipts, signed)


def receipt_of(buyer: APIClient, purchase: Purchase) -> dict[str, Any]:
    receipt: dict[str, Any] = buyer.get(f"/api/v1/purchases/{purchase.pk}").json()["receipt"]
    return receipt


# A cheating build: whatever follows from what it leaves away is made anew, by the product's own code


def lines_without(file: bytes, *entry_ids: str) -> bytes:
    lines = file.decode().splitlines(keepends=True)
    return "".join(line for line in lines if not any(entry_id in line for entry_id in entry_ids)).encode()


def rebuilt(shown: Shown, entries: bytes, leaves: bytes) -> Shown:
    """The same draw with these entries and this log: its sizes, roots, commitment, seed and picks."""
    bundle = json.loads(shown.files[0])
    promise = json.loads(bundle["manifest"])
    rows = [row.split(",") for row in entries.decode().splitlines()[1:]]
    tree = merkle.Tree(
        merkle.Entry(UUID(entry_id), int(first), int(count), bytes.fromhex(holder)).record
        for entry_id, first, count, holder in rows
    )
    hashes = [leaf_of(line).hash for line in leaves.decode().splitlines()[1:]]
    log_root = log.root(hashes)
    commitment = picks.commitment(root=tree.root, tickets=tree.tickets, log_root=log_root, log_size=len(hashes))
    seed = picks.seed(
        chain_hash=bytes.fromhex(promise["beacon"]["chain_hash"]),
        round=bundle["beacon"]["round"],
        randomness=bytes.fromhex(bundle["beacon"]["randomness"]),
        manifest_hash=bytes.fromhex(bundle["manifest_hash"]),
        commitment=commitment,
        tickets=tree.tickets,
    )
    bundle["entries"] |= {"root": tree.root.hex(), "tickets": tree.tickets, "count": tree.count}
    bundle["log"] |= {"root": log_root.hex(), "size": len(hashes)}
    bundle |= {"commitment": commitment.hex(), "seed": seed.hex()}
    prizes = len(promise["prizes"])
    indices = picks.pick_indices(seed, tree.tickets, prizes + promise["alternates"])
    bundle["picks"] = [pick_of(tree, number, index, prizes) for number, index in enumerate(indices, start=1)]
    return shown._replace(files=(json.dumps(bundle).encode(), entries, leaves))


def leaf_of(line: str) -> log.Leaf:
    kind, entry_id, a, b, x, at = line.split(",")
    return log.Leaf(int(kind), UUID(entry_id), int(a), int(b), bytes.fromhex(x), int(at))


def pick_of(tree: merkle.Tree, number: int, index: int, prizes: int) -> dict[str, Any]:
    place = tree.locate(index)
    entry = tree.entry(place)
    return {
        "position": number,
        "role": "winner" if number <= prizes else "alternate",
        "prize": number if number <= prizes else None,
        "index": index,
        "ticket": entry.first_ticket + index - tree.tickets_before(place),
        "entry_id": str(entry.entry_id),
        "first_ticket": entry.first_ticket,
        "count": entry.count,
        "holder": entry.holder.hex(),
        "path": [{"side": step.side, "sum": step.sum, "hash": step.hash.hex()} for step in tree.path(place)],
    }


def renumbered(shown: Shown, left_out: str) -> tuple[bytes, bytes]:
    """Entries and log without a buyer, the numbers of those after it moved up, so that no gap is left."""
    entries, leaves = (lines_without(file, left_out).decode().splitlines() for file in shown.files[1:])
    ticket, firsts = 1, {}
    for place, row in enumerate(entries[1:], start=1):
        entry_id, _, count, holder = row.split(",")
        firsts[entry_id] = ticket
        entries[place] = f"{entry_id},{ticket},{count},{holder}"
        ticket += int(count)
    for place, line in enumerate(leaves[1:], start=1):
        leaf = leaf_of(line)
        leaves[place] = leaf._replace(a=firsts[str(leaf.entry_id)]).line.rstrip("\n")
    return tuple("".join(f"{line}\n" for line in file).encode() for file in (entries, leaves))  # type: ignore[return-value]


# What verifiers say


def by_the_verifier(shown: Shown, folder: Path, *, head: bool = False) -> tuple[str, list[str], set[str]]:
    """Its verdict, what became of each receipt, and which other checks fail."""
    words: list[object] = []
    for name, data in zip(("bundle.json", "entries.csv", "log.csv"), shown.files, strict=True):
        words.append(folder / name)
        (folder / name).write_bytes(data)
    promise = json.loads(json.loads(shown.files[0])["manifest"])
    given: list[tuple[str, Any]] = [("beacon", promise["beacon"]), *([("head", shown.head)] if head else [])]
    for name, value in [*given, *(("receipt", receipt) for receipt in shown.receipts)]:
        path = folder / f"{name}-{len(words)}.json"
        path.write_text(json.dumps(value))
        words += [f"--{name}", path]
    report = verifier.verify_paths(verifier.read_options([str(word) for word in words]))
    receipts = [line for line in report.lines if line.name.startswith("receipt ") and line.name != "receipt key"]
    failed = {line.name for line in report.lines if line.state == verifier.FAILED and line not in receipts}
    return report.verdict, [line.detail.partition(":")[0] for line in receipts], failed


def by_the_page_too(shown: Shown, *, head: bool = False) -> tuple[str, list[str], set[str]]:
    """The same of the page's checks."""
    texts = [json.dumps(text) for text in (*shown.receipts, *([shown.head] if head else []))]
    [report] = by_the_page([Case(*shown.files, tuple(texts))])
    outcomes = [answer["outcome"] for answer in report["answers"]]
    failed = {check["name"] for check in report["failed"] if check["name"] != "receipt"}
    return report["verdict"], outcomes, failed


def told(left_out: int) -> list[str]:
    return ["left out" if place == left_out else "in" for place in range(3)]


def test_whoever_is_left_out_convicts_the_operator_and_the_others_are_in(honest: Shown, tmp_path: Path) -> None:
    """One draw, which takes its time, and every way to leave a buyer out of it."""
    assert by_the_verifier(honest, tmp_path, head=True) == ("CONSISTENT", ["in"] * 3, set())
    assert by_the_page_too(honest, head=True) == ("consistent", [*["in"] * 3, "kept head"], set())
    again = rebuilt(honest, *honest.files[1:])
    assert json.loads(again.files[0]) == json.loads(honest.files[0])  # so the cheating build changes nothing else
    for left_out, receipt in enumerate(honest.receipts):
        entries, leaves = (lines_without(file, receipt["entry_id"]) for file in honest.files[1:])
        for cheating in (rebuilt(honest, entries, leaves), rebuilt(honest, entries, honest.files[2])):
            verdict, outcomes, failed = by_the_verifier(cheating, tmp_path)
            assert (verdict, outcomes) == ("NOT VERIFIED", told(left_out))
            page_verdict, page_outcomes, _ = by_the_page_too(cheating)
            assert (page_verdict, page_outcomes) == ("not verified", told(left_out))
            # Its sums are made anew: nothing but the rules on what was sold is broken beside the receipt.
            assert failed <= {"log rules", "time of the commitment", "entries follow from the log"}
    moved = rebuilt(honest, *renumbered(honest, honest.receipts[1]["entry_id"]))
    assert by_the_verifier(moved, tmp_path)[:2] == ("NOT VERIFIED", ["in", "left out", "left out"])
    assert by_the_page_too(moved)[:2] == ("not verified", ["in", "left out", "left out"])
    by_head = moved._replace(receipts=[])
    assert "log against the head" in by_the_verifier(by_head, tmp_path, head=True)[2]
    assert by_the_page_too(by_head, head=True)[:2] == ("not verified", ["broken head"])
