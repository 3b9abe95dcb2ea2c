"""The public pages of draws: the list of all promises, and one draw with all that is known of it so far.

They need no account and no script. On a draw's page, our own scripts recompute it in the visitor's browser
(`static/verification`).
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.core.validators import slug_re
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csp import csp_override

from luxewin import money
from luxewin.api.public_reads import public_page
from luxewin.clock import database_now
from luxewin.pages import page
from raffles.durations import span
from verification.beacon import QUICKNET, QUICKNET_RELAYS
from verification.models import ChainStep, Draw
from verification.serializers import pick_shown
from verification.timeline import Timeline

VERIFIER = Path(__file__).parent / "verifier.py"
SCRIPTS = Path(__file__).parent / "static" / "verification"
# The modules that the page and its worker load, named at once: else a phone finds them one after the other.
MODULES = sorted(path.relative_to(SCRIPTS).as_posix() for path in SCRIPTS.rglob("*.js"))
# Visitors may ask nodes of their own choice what the contract says. Nobody but they can know which, so the page may
# connect to any: over TLS, or on the visitor's own machine. What it may load and run stays our own.
CHECK_POLICY = settings.SECURE_CSP | {"connect-src": ["'self'", "https:", "http://127.0.0.1:*", "http://localhost:*"]}
DRAWS_A_PAGE = 20
# Up to this many entries (about 1 MB) the check starts by itself; above, it asks first.
UNASKED_ENTRIES = 4_000
ENTRY_BYTES = 240  # a row of the entries file and one of the log, about


@page()
@public_page("page")
def draws(request: HttpRequest) -> HttpResponse:
    """List every promise ever made, newest first."""
    everything = Draw.objects.select_related("raffle").order_by("-sequence")
    shown = Paginator(everything, DRAWS_A_PAGE).get_page(request.GET.get("page"))
    now = database_now()
    rows = [{"draw": draw, "timeline": Timeline(draw, {}, now)} for draw in shown]
    return render(request, "verification/draws.html", {"page": shown, "rows": rows})


@page()
@public_page()
@csp_override(CHECK_POLICY)
def draw(request: HttpRequest, raffle: str) -> HttpResponse:
    """Show one draw, by its raffle's id or slug."""
    found = Draw.objects.for_page().of_raffle(raffle).first() if slug_re.fullmatch(raffle) else None
    if found is None:
        return render(request, "verification/missing.html", status=404)
    return render(request, "verification/draw.html", _everything(found))


@page()
@public_page(media="text/plain")
def verifier(request: HttpRequest) -> HttpResponse:
    """Serve the stand-alone verifier for download."""
    disposition = {"Content-Disposition": f'attachment; filename="{VERIFIER.name}"'}
    return HttpResponse(VERIFIER.read_bytes(), content_type="text/plain; charset=utf-8", headers=disposition)


def _everything(draw: Any) -> dict[str, Any]:
    promise = json.loads(draw.manifest)
    steps = {taken.step: taken for taken in draw.steps.all()}
    return {
        "draw": draw,
        "promise": promise,
        **_in_words(promise),
        "manifest_pretty": json.dumps(promise, indent=2, ensure_ascii=False),
        "timeline": Timeline(draw, steps, database_now()),
        "beacon": _beacon(draw),
        "picks": [pick_shown(each) for each in draw.picks_shown],
        "chain": _chain(draw, steps),
        "check": _check(draw),
        "modules": MODULES,
    }


def _in_words(promise: dict[str, Any]) -> dict[str, Any]:
    """Return times, periods and amounts as people read them: of the promise, which cannot change, not of the raffle."""
    route, currency = promise["free_route"], promise["currency"]
    names = {
        "delay": "delay_seconds",
        "void": "void_after_seconds",
        "commit": "commit_within_seconds",
        "claim": "claim_seconds",
    }
    return {
        "opens_at": datetime.fromisoformat(promise["opens_at"]),
        "closes_at": datetime.fromisoformat(promise["closes_at"]),
        "free_until": route and datetime.fromisoformat(route["until"]),
        "price": money.as_text(promise["ticket_price"], currency),
        "prizes": [
            prize
            | {"in_cash": prize["cash_alternative"] is not None and money.as_text(prize["cash_alternative"], currency)}
            for prize in promise["prizes"]
        ],
        "spans": {name: span(timedelta(seconds=promise[field])) for name, field in names.items()},
    }


def _beacon(draw: Draw) -> dict[str, Any]:
    """Return the promised beacon, and where anyone can look up the round."""
    promised = draw.promised_beacon
    is_quicknet = promised == QUICKNET
    url = f"{QUICKNET_RELAYS[0]}/{promised.chain_hash.hex()}/public/{draw.round}" if is_quicknet and draw.round else ""
    return promised.as_manifest() | {"is_quicknet": is_quicknet, "url": url}


def _chain(draw: Draw, steps: dict[str, ChainStep]) -> dict[str, Any] | None:
    """Return what the draw has on its chain, with links if an explorer is configured; None without a chain."""
    if draw.contract is None:
        return None
    explorer = settings.CHAIN_EXPLORER_URL
    taken = [(step, f"{explorer}/tx/{step.transaction.hash}" if explorer else "") for step in steps.values()]
    contract_url = f"{explorer}/address/{draw.contract.address}" if explorer else ""
    return {"contract": draw.contract, "contract_url": contract_url, "steps": taken}


def _check(draw: Draw) -> dict[str, Any]:
    """Return the data for the scripts that check the draw."""
    entries = draw.entries or 0
    urls = {"bundle": "verification-bundle", "entries_url": "verification-entries-csv", "log": "verification-log"}
    addresses = {name: reverse(route, kwargs={"raffle": draw.pk}) for name, route in urls.items()}
    return addresses | {
        "explorer": settings.CHAIN_EXPLORER_URL,
        "is_drawn": draw.is_drawn,
        "has_entries": draw.is_published,
        "start": "now" if entries <= UNASKED_ENTRIES else "asked",
        "megabytes": entries * ENTRY_BYTES / 1_000_000,
    }
