"""The pages of draws as the server renders them: all that is known in every state, without account or script."""

import json
import math
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.contrib.staticfiles.management.commands.collectstatic import Command as Collect
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Preferences
from raffles.services import cancel_raffle
from verification import pages
from verification.beacon import QUICKNET
from verification.manifest import canonical
from verification.models import Draw, Forfeit
from verification.services import draw_steps, forfeit_pick
from verification.timeline import Timeline, in_words
from verification.verifier import JSON_BYTES_MAX

from .drawing import advance_to, closed, committed, crowd

State = Draw.State
MODULES = Path(pages.__file__).parent / "static" / "verification"


def shown(client, raffle) -> str:
    """The page's source, its white space drawn together."""
    response = client.get(f"/verify/{raffle.slug}")
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_page_is_found_by_id_and_by_slug(client, selling):
    raffle = selling()
    assert client.get(f"/verify/{raffle.slug}").content == client.get(f"/verify/{raffle.pk}").content


@pytest.mark.parametrize("name", ["none", "01a20428-b784-735f-a16f-ad4b1389013b", "%00", "a%20b", "é", "x" * 500])
def test_what_is_not_there_is_said_in_style(client, db, name):
    response = client.get(f"/verify/{name}")
    assert response.status_code == 404
    assert "No such draw" in response.content.decode()


def test_a_draft_has_no_page(client, draft):
    assert client.get(f"/verify/{draft().slug}").status_code == 404


def test_the_promise_is_shown_with_its_exact_bytes(client, selling):
    raffle = selling(title="L'or & <l'argent>", min_tickets=7, prizes=[{"name": "A <b>bold</b> watch"}, {"name": "2"}])
    page, draw = shown(client, raffle), raffle.draw
    assert "<b>" not in page
    for text in ("A &lt;b&gt;bold&lt;/b&gt; watch", "5.00 GBP", "below 7 everyone is refunded", draw.manifest_hash):
        assert text in page
    response = client.get(f"/verify/{raffle.slug}")
    assert response.context["draw"].manifest == draw.manifest
    assert json.loads(response.context["manifest_pretty"]) == json.loads(draw.manifest)


def test_the_promise_says_when_a_draw_without_a_round_becomes_void(client, selling, settings):
    settings.DRAW_VOID_SECONDS = 7200
    assert shown(client, selling()).count("2 hours") == 2


def test_every_promise_is_shown_in_words(client, selling):
    until = timezone.now().replace(microsecond=0) + timedelta(hours=1)
    raffle = selling(
        claim_seconds=10 * 86_400,
        commit_within_seconds=3 * 86_400,
        conditions="Over 18s.\nNo <staff>.",
        free_route={"instructions": "A postcard to <us>.", "until": until},
        prizes=[{"name": "A watch", "cash_alternative": 1_234_500}, {"name": "A strap"}],
    )
    page = shown(client, raffle)
    for text in (
        "A watch (or 12,345.00 GBP in cash)</li>",
        "A strap</li>",
        "within 3 days of the end of the sale",
        "Time to claim a prize</dt><dd>10 days",
        "Over 18s.<br>No &lt;staff&gt;.",
        f'A postcard to &lt;us&gt;. (until <time datetime="{until:%Y-%m-%dT%H:%M:%SZ}">',
    ):
        assert text in page


def test_each_state_says_what_it_waits_for(client, selling, alice):
    raffle = selling(delay_seconds=3)
    crowd(raffle, alice, [3, 2])
    assert "The promise below is fixed" in shown(client, raffle)
    advance_to(raffle, State.ANNOUNCED)
    assert "Tickets are on sale until" in shown(client, raffle)
    closed(raffle)
    assert "The last payments are being settled" in shown(client, raffle)
    draw_steps.freeze(Draw.objects.select_related("raffle").get(pk=raffle.pk))
    page = shown(client, raffle)
    assert "Entries and log are about to be published" in page
    assert "entries.csv</a>" not in page
    draw_steps.publish(Draw.objects.select_related("raffle").get(pk=raffle.pk))
    page = shown(client, raffle)
    assert "Their fingerprint is about to be committed" in page
    assert "entries.csv</a>" in page
    assert "bundle.json</a>" in page  # public before the commitment is sent
    draw_steps.commit(Draw.objects.select_related("raffle", "contract").get(pk=raffle.pk))
    page = shown(client, raffle)
    assert "nobody can know it before" in page
    assert Draw.objects.get(pk=raffle.pk).root in page
    advance_to(raffle, State.DRAWN)
    page = shown(client, raffle)
    assert "its picks can never change" in page
    assert "still to come" not in page
    assert page.count("data-pick-check") == 4
    for fact in Draw.objects.values_list("signature", "randomness", "seed").get(pk=raffle.pk):
        assert fact in page


def test_a_sale_that_is_to_come_says_when(client, selling):
    later = timezone.now() + timedelta(days=3)
    raffle = selling(opens_at=later, closes_at=later + timedelta(days=1))
    advance_to(raffle, State.ANNOUNCED)
    assert f"The sale opens on {later:%-d %B %Y, %H:%M:%S} UTC" in shown(client, raffle)


def test_a_due_round_is_awaited_until_the_draw_becomes_void(client, selling, alice):
    raffle = selling()
    crowd(raffle, alice, [3])
    draw = committed(raffle)
    while Draw.objects.get(pk=raffle.pk).due_at > timezone.now():
        time.sleep(0.1)
    assert f"Beacon round {draw.round} is due. As soon as a relay delivers it" in shown(client, raffle)
    # What staff can declare only after a long time, before and after it took effect.
    draw = Draw.objects.select_related("raffle").get(pk=raffle.pk)
    draw.void_declared_at = now = timezone.now()
    until = in_words(draw.void_declared_at + timedelta(seconds=draw.void_after))
    assert (
        f"has not appeared. Unless it does before {until}, the draw becomes void" in Timeline(draw, {}, now).waits_for
    )
    draw.state, draw.void_reason, draw.raffle.cancelled_at = State.VOID, "drand stopped.", now
    assert Timeline(draw, {}, now).waits_for.endswith("The reason: drand stopped.")
    names = [moment.name for moment in Timeline(draw, {}, now).moments()]
    assert names == ["Promised", "Sale closed", "Entries fixed", "Committed", "Declared void", "Cancelled"]


def test_a_void_draw_says_why(client, selling):
    raffle = selling()
    advance_to(raffle, State.ANNOUNCED)
    cancel_raffle(raffle.pk, reason="The watch was stolen.")
    page = shown(client, raffle)
    assert '<strong class="state">Cancelled</strong>' in page
    assert "This raffle was cancelled on" in page
    assert "everyone who paid is refunded. The reason: The watch was stolen." in page
    assert "still to come" not in page


def test_troubles_within_are_not_shown(client, selling):
    raffle = selling()
    Draw.objects.filter(pk=raffle.pk).update(trouble="https://key@rpc.internal refused")
    assert "rpc.internal" not in shown(client, raffle)


def test_winners_are_named_as_they_chose_and_alternates_are_not(client, selling, alice):
    Preferences.objects.filter(user=alice).update(winner_name=Preferences.WinnerName.FULL)
    raffle = selling(alternates=1)
    crowd(raffle, alice, [3])
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    page = shown(client, raffle)
    assert page.count('<span class="who">Alice</span>') == 2
    assert alice.email not in page


def test_prizes_that_passed_on_are_shown_with_the_reason(client, selling, alice, mona):
    raffle = selling(alternates=1)
    crowd(raffle, alice, [3])
    closed(raffle)
    draw = advance_to(raffle, State.DRAWN)
    winner = draw.picks.first()
    forfeit_pick(winner.pk, kind=Forfeit.Kind.DISQUALIFIED, reason="Works <here>.", actor=mona)
    page = shown(client, raffle)
    assert "Disqualified: Works &lt;here&gt;." in page
    assert f"Stepped up, and wins: {winner.prize.name}" in page


@pytest.mark.parametrize("explorer", ["", "https://explorer.example"])
def test_an_anchored_draw_shows_its_chain_with_links_where_an_explorer_is_known(
    client, selling, alice, anchored, settings, explorer
):
    settings.CHAIN_EXPLORER_URL = explorer
    raffle = selling()
    crowd(raffle, alice, [3])
    advance_to(raffle, State.ANNOUNCED)
    closed(raffle)
    draw = advance_to(raffle, State.SETTLED)
    page = shown(client, raffle)
    assert draw.contract.address in page
    for sent in (taken.transaction for taken in draw.steps.all()):
        assert f"block {sent.block}" in page
        assert (f'href="https://explorer.example/tx/{sent.hash}"' in page) == bool(explorer)
    assert "Drawn and settled" in page


def test_the_round_links_to_drand_only_where_it_is_drands(client, selling, alice):
    raffle = selling(delay_seconds=60)
    crowd(raffle, alice, [3])
    draw = committed(raffle)
    assert "api.drand.sh" not in shown(client, raffle)
    draw.manifest = canonical(json.loads(draw.manifest) | {"beacon": QUICKNET.as_manifest()}).decode()
    assert pages._beacon(draw)["url"] == f"https://api.drand.sh/{QUICKNET.chain_hash.hex()}/public/{draw.round}"


def test_the_list_has_every_promise_newest_first_in_pages(client, selling, monkeypatch):
    monkeypatch.setattr(pages, "DRAWS_A_PAGE", 2)
    raffles = [selling(title=f"Prize {number}") for number in range(3)]
    first, second = (client.get(f"/verify?page={number}").content.decode() for number in (1, 2))
    assert re.findall(r"Prize \d", first) == ["Prize 2", "Prize 1"]
    assert re.findall(r"Prize \d", second) == ["Prize 0"]
    assert f"/verify/{raffles[0].slug}" in second
    assert client.get("/verify?page=x").status_code == 200


@pytest.mark.parametrize("size", [1, 8])
def test_the_pages_cost_the_same_queries_for_few_and_for_many(client, selling, alice, size):
    for number in range(size):
        raffle = selling(prizes=[{"name": f"{n}"} for n in range(size)], title=f"{number}")
    crowd(raffle, alice, [3] * size)
    closed(raffle)
    advance_to(raffle, State.DRAWN)
    # One of each is for the database's clock.
    for path, queries in (("/verify", 3), (f"/verify/{raffle.slug}", 4)):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        assert len(captured) == queries, [query["sql"] for query in captured]


def test_the_verifier_is_served_to_the_byte(client):
    response = client.get("/verify/verifier.py")
    assert response.content == pages.VERIFIER.read_bytes()
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="verifier.py"'


def test_nothing_runs_on_the_page_but_our_own_files(client, selling):
    response = client.get(f"/verify/{selling().slug}")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self' https: http://127.0.0.1:* http://localhost:*" in policy  # nodes of the visitor's choice
    assert "connect-src 'self';" in client.get("/verify")["Content-Security-Policy"]
    page = response.content.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page)
    assert all(link.startswith("/static/") for link in re.findall(r'(?:src|stylesheet" href)="([^"]+)"', page))


def test_modules_find_each_other_where_static_files_are_collected(settings, tmp_path):
    """They name each other by relative paths, which hold wherever the folder is served, hashed names or not."""
    settings.STATIC_ROOT = tmp_path
    call_command(Collect(), interactive=False, verbosity=0)
    folder = tmp_path / "verification"
    named = 0
    for module in folder.glob("*.js"):
        for target in re.findall(r'(?:from |new URL\()"([^"]+)"', module.read_text()):
            assert target.startswith("./")
            assert (folder / target).is_file(), f"{module.name}: {target}"
            named += 1
    assert named > 10
    assert {path.name for path in MODULES.iterdir()} == {path.name for path in folder.iterdir()}


def test_the_page_reads_as_much_of_a_bundle_as_the_verifier():
    (size,) = re.findall(
        r"^export const BUNDLE_BYTES_MAX = ([\d *]+);$", (MODULES / "bundle.js").read_text(), re.MULTILINE
    )
    assert math.prod(int(factor) for factor in size.split("*")) == JSON_BYTES_MAX


def test_the_start_page_leads_to_the_draws(client):
    assert 'href="/verify"' in client.get("/").content.decode()


def test_templates_hold_no_script_that_the_policy_would_stop():
    for template in (Path(project.BASE_DIR) / "templates" / "verification").iterdir():
        assert "javascript:" not in template.read_text()
