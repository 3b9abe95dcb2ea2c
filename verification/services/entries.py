"""The entries of a draw as a tree, and the path that proves one of them."""

from typing import Any

from purchases.models import Purchase
from verification import merkle
from verification.models import Draw


def entries_tree(draw: Draw) -> merkle.Tree:
    """The tree over the raffle's paid purchases. Cost: one streamed query and about two hashes an entry."""
    return merkle.Tree(merkle.Entry(*row) for row in Purchase.objects.filter(raffle=draw.pk).entries())


def prove_entry(draw: Draw, purchase: Purchase) -> dict[str, Any]:
    """The path of one paid purchase against the committed root. Cost: the whole tree is built."""
    tree = entries_tree(draw)
    before = Purchase.objects.paid().filter(raffle=draw.pk, first_ticket__lt=purchase.first_ticket).count()
    entry = tree.entry(before)
    return {
        "raffle": draw.pk,
        "entry_id": entry.entry_id,
        "first_ticket": entry.first_ticket,
        "count": entry.count,
        "tickets_before": tree.tickets_before(before),
        "root": draw.root,
        "tickets": draw.tickets,
        "path": path_as_json(tree.path(before)),
    }


def path_as_json(path: list[merkle.Step]) -> list[dict[str, Any]]:
    """A path as bundles and answers have it."""
    return [{"side": step.side, "sum": step.sum, "hash": step.hash.hex()} for step in path]
