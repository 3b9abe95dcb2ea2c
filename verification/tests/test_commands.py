"""The operator's commands: draw what is due, verify what was drawn."""

import json

import pytest
from django.core.management import CommandError, call_command

from purchases.tests.stage import over, seated
from verification import services
from verification.models import Draw

from .drawing import URL, advance_to, closed, crowd, download


def run(capsys, *words, **options):
    call_command(*words, **options)
    return capsys.readouterr().out


@pytest.fixture
def drawn(anchored, selling, alice):
    raffle = selling(title="A fine watch", capacity=9)
    crowd(raffle, alice, [2, 3, 4])
    advance_to(raffle, Draw.State.ANNOUNCED)
    closed(raffle)
    advance_to(raffle, Draw.State.SETTLED)
    return raffle


def test_a_draw_is_held_by_hand_by_id_or_slug(selling, alice, capsys):
    raffle = selling(capacity=3)
    assert "promised" not in run(capsys, "draw_raffle", raffle.slug)
    seated(alice, raffle, 3)
    # Sold out: the command closes it too.
    assert ": drawn" in run(capsys, "draw_raffle", str(raffle.pk), wait=120)
    assert ": drawn" in run(capsys, "draw_raffle", raffle.slug)


def test_all_that_is_due_is_drawn(selling, alice, capsys):
    raffles = [closed_with(selling, alice) for _ in range(2)]
    out = run(capsys, "draw_raffle", due=True, wait=120)
    assert out.count(": drawn") == 2
    assert all(str(raffle.pk) in out for raffle in raffles)
    assert "0 draw(s)" in run(capsys, "draw_raffle", due=True)


def closed_with(selling, buyer):
    raffle = selling()
    crowd(raffle, buyer, [3])
    return closed(raffle)


def test_a_raffle_whose_time_is_over_is_closed_first(selling, alice, capsys):
    raffle = selling()
    crowd(raffle, alice, [3])
    services.advance_draw(raffle.pk)
    over(raffle)
    assert f"{raffle.pk}: drawn" in run(capsys, "draw_raffle", due=True, wait=120)


def test_what_a_draw_waits_for_is_said(selling, capsys):
    raffle = selling()
    assert ": announced, waiting: the sale is not over" in run(capsys, "draw_raffle", raffle.slug)


@pytest.mark.parametrize("words", [[], ["no-such-raffle"], ["01999999-0000-7000-8000-000000000000"], ["a", "--due"]])
def test_a_command_without_sense_is_refused(db, words):
    with pytest.raises(CommandError):
        call_command("draw_raffle", *words)


def test_a_draft_has_no_draw(draft):
    with pytest.raises(CommandError, match="no published raffle"):
        call_command("draw_raffle", draft().slug)


def test_a_draw_of_ours_is_verified_by_id_or_slug(drawn, capsys):
    for name in (str(drawn.pk), drawn.slug):
        assert "\nCONSISTENT" in run(capsys, "verify_draw", name)


def test_files_are_verified(drawn, client, tmp_path, capsys):
    files = [str(file) for file in download(client, drawn, tmp_path)]
    assert "\nCONSISTENT" in run(capsys, "verify_draw", *files)
    assert "\nCONSISTENT" in run(capsys, "verify_draw", *files[:2])


def test_a_tampered_file_is_named_and_ends_in_failure(drawn, client, tmp_path, capsys):
    bundle, entries, log = download(client, drawn, tmp_path)
    told = json.loads(bundle.read_text())
    told["seed"] = "00" * 32
    bundle.write_text(json.dumps(told))
    with pytest.raises(CommandError, match="NOT verified") as failure:
        call_command("verify_draw", str(bundle), str(entries), str(log))
    assert failure.value.returncode == 1
    out = capsys.readouterr().out
    assert "NOT VERIFIED" in out
    assert any(line.startswith("FAILED") and "seed" in line for line in out.splitlines())


def test_what_is_not_drawn_cannot_be_verified(selling):
    with pytest.raises(CommandError, match="nothing to verify yet"):
        call_command("verify_draw", selling().slug)


@pytest.mark.django_db(transaction=True)
def test_a_draw_is_verified_by_its_address(drawn, live_server, capsys):
    assert "\nCONSISTENT" in run(capsys, "verify_draw", f"{live_server.url}{URL}/{drawn.pk}/")
    with pytest.raises(CommandError, match="404"):
        call_command("verify_draw", f"{live_server.url}{URL}/nothing")


def test_a_place_that_does_not_answer_is_said():
    with pytest.raises(CommandError, match=r"127\.0\.0\.1:1/"):
        call_command("verify_draw", "http://127.0.0.1:1/api/v1/verification/x")
