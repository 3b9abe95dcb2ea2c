"""The table of what the audit records, in docs/security.md, is what the code records: no more, no less."""

import re
from pathlib import Path

from luxewin.audit.admin import KINDS
from purchases.models import Payment, Purchase, Refund
from verification.models import Claim, Draw

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "raffles", "purchases", "verification", "luxewin")
NOT_THE_PRODUCT = {"tests", "migrations", "parts", "demo", "faults"}
# Words of the same form that are none.
OTHERS = {"audit.csv"}
LITERAL = re.compile(r"""["']([a-z_]+\.[a-z_]+)["']""")
STATES = {
    "purchase.<status>": Purchase.Status,
    "payment.<status>": Payment.Status,
    "refund.<status>": Refund.Status,
    "draw.<state>": Draw.State,
    "claim.<status>": Claim.Status,
}


def recorded() -> set[str]:
    """Literals of the files that write to the audit; what a state completes is named by its family."""
    found = set()
    for app in APPS:
        for file in (ROOT / app).rglob("*.py"):
            text = file.read_text()
            if NOT_THE_PRODUCT.isdisjoint(file.relative_to(ROOT).parts) and "luxewin.audit.services import" in text:
                found |= {name for name in LITERAL.findall(text) if name.partition(".")[0] not in APPS} - OTHERS
    families = {f"{name.partition('.')[0]}.{state}" for name, states in STATES.items() for state in states.values}
    return (found - families) | set(STATES)


def documented() -> set[str]:
    section = (ROOT / "docs/security.md").read_text().partition("\n## Audit\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return {name for line in lines for name in re.findall(r"`([a-z_]+\.[a-z_<>]+)`", line)}


def test_the_table_names_every_action_and_nothing_else():
    named, known = documented(), recorded()
    assert known - named == set(), "recorded, but missing from docs/security.md"
    assert named - known == set(), "in docs/security.md, but recorded nowhere"
    assert len(named) > 60


def test_the_back_offices_filter_has_every_kind_of_action():
    assert list(KINDS) == sorted({name.partition(".")[0] for name in documented()})
