"""Purchases and draws survive what can befall them, and the harness that shows it would notice if they did not."""

import os
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import stripe
from django.conf import settings
from django.db import connection

from accounts.models import Notification, User
from dev import services
from dev.demo.parties import Till
from dev.faults import draw_steps, purchase_steps
from dev.faults.__main__ import MISUSED, main
from dev.faults.books import Books, Loss, Promise
from dev.faults.draw_books import DrawLoss, undone
from dev.faults.report import Outcome, complaints, head
from dev.services.processes import PROJECT
from dev.tests.test_end_to_end import OTHERS
from purchases.models import Purchase
from purchases.tests.stage import bought
from raffles.models import Raffle, TicketCounter
from verification.models import UntoldDraw
from verification.tests.drawing import put_in_state

# One in a web process, one in a worker, one of an answer that is lost; `make faults` plays all.
SELECTION = ("create.intent_made", "settle.counted")
DRAWS = ("draw.decide.picked",)
SECONDS = 600  # it takes some 60; a busy machine may be slow


def test_every_step_is_of_something_that_is_there():
    for step in (*purchase_steps.STEPS, *draw_steps.STEPS):
        for target in (*step.targets, *([step.within] if step.within else [])):
            pkgutil.resolve_name(target)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    services.erase(folder)


@pytest.fixture
def database(transactional_db: None) -> str:
    """The address of the test's database."""
    facts = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.conninfo.make_conninfo(**{name: facts[name] for name in names})


@pytest.fixture
def books(database: str, alice: User, on_sale: Callable[..., Raffle]) -> Iterator[Callable[..., dict[Loss, list[str]]]]:
    """`books()` says what is lost in a raffle of which Alice owns three tickets, and was told so."""
    purchase = bought(alice, on_sale(), 3)
    environment = {
        "STRIPE_API_BASE": stripe.api_base,
        "STRIPE_PUBLISHABLE_KEY": settings.STRIPE_PUBLIC_KEY,
        "STRIPE_SECRET_KEY": settings.STRIPE_SECRET_KEY,
    }
    with httpx.Client() as http:

        def losses(told: tuple[int, int] = (1, 3)) -> dict[Loss, list[str]]:
            promise = Promise("alice", purchases=[str(purchase.pk)], told=told)
            return Books.of(str(purchase.raffle_id), database, Till(http, environment)).losses([promise])

        yield losses


def sold_once_more() -> None:
    TicketCounter.objects.update(sold=4)


def held_by_nobody() -> None:
    TicketCounter.objects.update(held=1)


def expired_though_paid() -> None:
    Purchase.objects.update(status=Purchase.Status.EXPIRED)


def cheaper_than_charged() -> None:
    Purchase.objects.update(amount=1)


def refunded_by_somebody() -> None:
    stripe.Refund.create(payment_intent=str(Purchase.objects.get().payment.intent_id))


def play(state: Path, report: Path) -> tuple[int | None, str]:
    """Injects the selected faults; answers the exit code, None if that took too long, and what was printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    environment["LUXEWIN_STATE"] = str(state)
    argv = [sys.executable, "-m", "dev.faults", "--only", ",".join(SELECTION + DRAWS), "--report", str(report)]
    printed = report.with_suffix(".log")
    with (
        printed.open("w") as output,
        subprocess.Popen(argv, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT) as run,
    ):
        try:
            code = run.wait(SECONDS)
        except subprocess.TimeoutExpired:
            run.terminate()  # it stops what it started
            code = None
    return code, printed.read_text()


def read(text: str) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """A table's heads, and its rows by the fault's name."""
    lines = [line.strip("|").split("|") for line in text.splitlines()]
    header, _, *rows = [[cell.strip() for cell in cells] for cells in lines]
    return tuple(header), {row[0].strip("`"): dict(zip(header, row, strict=True)) for row in rows}


def test_purchases_and_draws_survive_kills(tmp_path: Path, state: Path) -> None:
    report = tmp_path / "report.md"
    code, printed = play(state, report)
    assert code == 0, printed
    tables = report.read_text().split("\n\n")
    expected = [(SELECTION, "purchases", Loss), (DRAWS, "draws", DrawLoss)]
    for table, (names, counted, columns) in zip(tables, expected, strict=True):
        header, found = read(table)
        assert header == head(counted, columns)
        assert tuple(found) == names
        for row in found.values():
            assert int(row["injected"]) >= 1
            assert int(row[counted]) >= 1
            assert {row[loss] for loss in columns} == {"0"}


def test_right_books_lose_nothing(books: Callable[..., dict[Loss, list[str]]]) -> None:
    assert books() == {}


@pytest.mark.parametrize(
    ("breakage", "loss"),
    [
        (cheaper_than_charged, Loss.TWICE),
        (expired_though_paid, Loss.MONEY),
        (refunded_by_somebody, Loss.TICKETS),
        (held_by_nobody, Loss.HOLDS),
        (sold_once_more, Loss.WRONG),
    ],
)
def test_what_is_really_broken_is_reported_as_lost(
    books: Callable[..., dict[Loss, list[str]]], breakage: Callable[[], None], loss: Loss
) -> None:
    breakage()
    assert loss in books()


def test_a_buyer_who_was_told_other_numbers_is_a_loss(books: Callable[..., dict[Loss, list[str]]]) -> None:
    assert set(books(told=(2, 4))) == {Loss.WRONG}


def test_a_draw_is_done_once_its_mails_were_accepted(
    database: str, alice: User, on_sale: Callable[..., Raffle]
) -> None:
    raffle = on_sale()
    put_in_state(raffle, "settled")
    told = Notification.objects.create(user=alice, kind="draw_won", context={"raffle_id": str(raffle.pk)})
    assert undone([str(raffle.pk)], database) == 1
    Notification.objects.filter(pk=told.pk).update(status=Notification.Status.ACCEPTED)
    assert undone([str(raffle.pk)], database) == 0
    UntoldDraw.objects.create(draw=raffle.draw)
    assert undone([str(raffle.pk)], database) == 1


def test_leaves_are_placed_only_by_a_batch_that_has_some() -> None:
    [step] = [step for step in draw_steps.STEPS if step.name == "draw.log.placed"]
    assert [step.when((), batch) for batch in ((0, 0), (0, 7), (3, 7))] == [False, False, True]


def test_a_fault_that_was_never_triggered_is_complained_about() -> None:
    idle = Outcome("stripe.killed", "Stripe killed", count=4)
    assert complaints([idle]) == ["stripe.killed: the fault was never triggered"]
    assert complaints([Outcome("stripe.killed", "Stripe killed", injected=1, count=4)]) == []


def test_a_loss_is_complained_about_with_its_evidence() -> None:
    outcome = Outcome("stripe.killed", "Stripe killed", injected=1, losses={Loss.HOLDS: ["the counter holds 2"]})
    assert complaints([outcome]) == ["stripe.killed: holds left: the counter holds 2"]


def test_a_fault_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "stripe.killed,stripe.bored"]) == MISUSED
    assert "stripe.bored" in capsys.readouterr().err


def test_the_faults_that_the_documentation_names_exist(capsys: pytest.CaptureFixture[str]) -> None:
    texts = [file.read_text() for file in [PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")]]
    told = [only for text in texts for only in re.findall(r"make faults ARGS=\"[^\"]*--only ([^ \"]+)", text)]
    assert len(told) >= 4
    for only in told:
        assert main(["--list", "--only", *shlex.split(only)]) == 0, only
    # The shell must not look for files of that name.
    assert all("*" not in only or only.startswith("'") for only in told)
    capsys.readouterr()


def test_parts_that_are_not_embedded_are_never_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://db.example/luxewin")
    assert main([]) == MISUSED
    assert "postgres" in capsys.readouterr().err
