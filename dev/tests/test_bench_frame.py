"""The frame of `make bench`: what it is told on its command line, and what it says and writes of figures. No speeds."""

import asyncio
import json
import smtplib
import time
from collections.abc import Callable
from datetime import date

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from dev.bench import __main__ as command
from dev.bench import tools
from dev.bench.__main__ import FAILED, MISUSED, as_json, main, table
from dev.bench.against_pgbench import Pgbench
from dev.bench.backlogs import GROWTH_MB, in_flat_memory
from dev.bench.ground import Ground, Size
from dev.bench.product import hold_script, mail_sink, numbers, provider
from dev.bench.registry import BenchError, Figure, Measurement, chosen, known
from dev.bench.slow_provider import USED, Connections
from purchases.models import Purchase
from raffles.models import Raffle, TicketCounter

FIRST = ["list_vs_peer", "detail_vs_peer", "hold_vs_peer"]


def test_the_measurements_are_found_by_their_names() -> None:
    assert set(FIRST) <= set(known())


def test_every_measurement_says_what_it_measures_and_in_which_unit() -> None:
    assert all(each.summary and each.unit for each in known().values())


def test_without_names_everything_is_measured() -> None:
    assert [each.name for each in chosen("")] == list(known())


def test_names_are_measured_once_each_in_the_order_given() -> None:
    assert [each.name for each in chosen("hold_vs_peer, list_vs_peer,hold_vs_peer,")] == [
        "hold_vs_peer",
        "list_vs_peer",
    ]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"^unknown: fast, faster; there are .*list_vs_peer"):
        chosen("fast,list_vs_peer,faster")


def test_the_command_line_refuses_an_unknown_name_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "fast"]) == MISUSED
    assert "unknown: fast; there are" in capsys.readouterr().err


def test_listing_names_what_there_is_and_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}  [" in listed for name in FIRST)


def test_the_smallest_run_takes_one_sample_of_each_side(tmp_path) -> None:
    taken: list[tuple[str, float]] = []

    def side(name: str) -> Callable[[float], float]:
        return lambda seconds: taken.append((name, seconds)) or 2.0

    for size, expected in ((Size.SMALLEST, 2), (Size.USUAL, 8)):
        taken.clear()
        with Ground(tmp_path, size=size) as ground:
            assert ground.alternate(side("ours"), side("theirs"), rounds=3, seconds=5)[0][0] == 2.0
        assert len(taken) == expected


def test_a_measurement_that_fails_is_named_and_hides_no_other(tmp_path, monkeypatch, capsys) -> None:
    def fails(_ground: Ground) -> Figure:
        raise BenchError("too slow")

    made = [Measurement("bad", "s", fails), Measurement("good", "s", lambda _: Figure([1.0], [2.0]))]
    monkeypatch.setattr(command, "STATE", tmp_path)
    monkeypatch.setattr(command, "chosen", lambda *_, **__: made)
    assert main(["--json", str(tmp_path / "figures.json")]) == FAILED
    assert list(json.loads((tmp_path / "figures.json").read_text())) == ["good"]
    assert capsys.readouterr().err == "bench: bad: too slow\n"


def test_nothing_by_nothing_is_no_fault_of_the_frame() -> None:
    assert Figure(values=[1.0], yardsticks=[0.0]).ratio == 0.0


def test_a_figure_is_the_medians_and_their_ratio() -> None:
    figure = Figure(values=[30.0, 10.0, 20.0], yardsticks=[8.0, 8.0, 100.0])
    assert (figure.value, figure.yardstick, figure.ratio) == (20.0, 8.0, 2.5)


def test_the_written_figures_have_exactly_the_promised_fields() -> None:
    figures = {known()["hold_vs_peer"]: Figure([20.0], [8.0])}
    assert as_json(figures) == {"hold_vs_peer": {"value": 20.0, "unit": "holds/s", "yardstick": 8.0, "ratio": 2.5}}


def test_the_table_shows_the_spread_of_both_sides() -> None:
    shown = table({known()["hold_vs_peer"]: Figure([30.0, 10.0, 20.0], [8.0, 8.0, 100.0])})
    assert shown.splitlines()[1].split() == ["hold_vs_peer", "20.0", "holds/s", "8.0", "2.50", "10-30", "|", "8-100"]


def test_a_note_is_shown_below_the_table_and_not_written() -> None:
    noted = {known()["hold_vs_peer"]: Figure([20.0], [8.0], note="seen by the way")}
    assert table(noted).splitlines()[2:] == ["hold_vs_peer: seen by the way"]
    assert "seen by the way" not in str(as_json(noted))


def worked_off(late: float) -> dict[str, list[float]]:
    return {"values": [50.0], "yardsticks": [100.0], "processor": [9.0, 1.0], "memory": [100.0, late]}


def test_a_backlog_that_makes_its_process_grow_is_no_figure() -> None:
    with pytest.raises(BenchError, match="memory is not flat: 100 MB after the warm-up, 121 MB at the end"):
        in_flat_memory(worked_off(100 + GROWTH_MB + 1), [10, 90], "by hand")


def test_a_backlog_in_flat_memory_says_how_much_it_was() -> None:
    assert in_flat_memory(worked_off(100 + GROWTH_MB), [10, 90], "by hand").note == (
        "100 in all, 100 MB resident after the first 10, 120 MB at the end; "
        "9.0 ms of processor time each, 1.0 ms by hand"
    )


def test_the_provider_says_of_a_backlogs_intent_what_was_seeded() -> None:
    said = provider.answer("GET", f"/v1/payment_intents/{numbers.intent_id(1234)}", {})
    assert said is not None
    assert (said["id"], said["status"], said["amount_received"]) == (
        numbers.intent_id(1234),
        "succeeded",
        numbers.PRICE,
    )
    assert said["customer"] == numbers.customer_id(numbers.person_of(1234))
    assert said["metadata"] == {"purchase": numbers.identifier(1234), "payment": numbers.identifier(1234)}


def test_the_provider_knows_nothing_of_other_intents() -> None:
    made = provider.answer("POST", "/v1/payment_intents", {"amount": "500", "currency": "gbp", "customer": "cus_1"})
    assert made is not None
    assert provider.answer("GET", f"/v1/payment_intents/{made['id']}x", {}) is None


def test_pgbenchs_script_is_the_products_hold(db: None, on_sale: Callable[..., Raffle]) -> None:
    raffle = on_sale()
    facts = {"id": numbers.identifier(7), "display_name": "Buyer", "email_verified_at": timezone.now()}
    facts |= {"date_of_birth": date(1990, 1, 1), "country": "GB"}
    buyer = User.objects.create_user("bench@example.com", **facts)
    choose, _, statement = hold_script.script(str(raffle.pk), 600).partition("\n")
    assert choose == "\\set buyer random(1, 600)"
    with connection.cursor() as cursor:
        cursor.execute(statement.replace(":buyer", "7"))
        cursor.execute(statement.replace(":buyer", "7"))
    assert TicketCounter.objects.get(pk=raffle.pk).held == 2
    assert Purchase.objects.filter(buyer=buyer, status="pending").count() == 2


def address() -> str:
    parameters = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.conninfo.make_conninfo(**{name: parameters[name] for name in names})


def test_pgbench_counts_what_it_did(db: None) -> None:
    pgbench = Pgbench(address(), "SELECT 1;\n")
    assert pgbench.rate(3) > 0
    assert pgbench.done > 0


def test_a_statement_that_fails_is_no_rate(db: None) -> None:
    with pytest.raises(BenchError, match=r"pgbench failed: .*division by zero"):
        Pgbench(address(), "SELECT 1 / 0;\n").rate(3)


def test_the_connections_of_a_database_are_counted_but_the_counting_one(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(USED)
        (others,) = cursor.fetchone()
    with psycopg.connect(address()), psycopg.connect(address()), Connections(address()) as seen:
        deadline = time.monotonic() + 60
        while seen.highest < others + 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert seen.highest == others + 2


def test_what_the_peers_environment_is_made_of_is_there():
    assert tools.LOCK.is_file()
    assert tools.VENV.parent.is_dir()


def test_the_mail_server_counts_what_it_took_and_what_it_took_twice_and_fails_as_often_as_told():
    def send(port: int, number: int) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
                server.sendmail("a@example.com", "b@example.com", f"Message-ID: <{number}@example.com>\n\n.\nHello")
        except (smtplib.SMTPException, OSError):
            return False
        return True

    async def served(sink: mail_sink.Sink, *numbers: int) -> list[bool]:
        async with await asyncio.start_server(sink.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return [await asyncio.to_thread(send, port, number) for number in numbers]

    whole, broken = mail_sink.Sink(0, 0), mail_sink.Sink(0, 1)
    assert asyncio.run(served(whole, 1, 2, 1)) == [True] * 3
    assert json.loads(whole.stat()) == {"accepted": 2, "twice": 1, "faults": 0}
    assert asyncio.run(served(broken, *range(8))) == [False] * 8
    assert json.loads(broken.stat()) == {"accepted": 0, "twice": 0, "faults": 8}
