"""`/_config/…`: requests to the stand-in itself, by tests or people, without a key."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

import json
from typing import Any

from aiohttp import web

from dev.services.stripe_standin.asking import asked
from dev.services.stripe_standin.disputes import Dispute
from dev.services.stripe_standin.errors import StripeError, unknown_parameter
from dev.services.stripe_standin.faults import EventFaults, Orders, RequestFaults
from dev.services.stripe_standin.intents import Intent
from dev.services.stripe_standin.later import later
from dev.services.stripe_standin.memory import Memory
from dev.services.stripe_standin.refunds import Repayment


def add_routes(app: web.Application, memory: Memory, faults: RequestFaults, event_faults: EventFaults) -> None:
    """Add all routes; bodies and answers are JSON."""

    async def forget(_: web.Request) -> web.Response:
        memory.forget()
        return web.json_response({})

    orders: dict[str, Orders] = {"faults": faults, "event_faults": event_faults}
    for name, each in orders.items():
        app.router.add_post(f"/_config/{name}", each.order)
        app.router.add_get(f"/_config/{name}", each.show)
        app.router.add_delete(f"/_config/{name}", each.forget)
    app.router.add_get("/_config/health", _health)
    app.router.add_delete("/_config/data", forget)
    app.router.add_post("/_config/settings", _settings)
    app.router.add_post("/_config/disputes", _dispute)
    app.router.add_post("/_config/disputes/{id}/decide", _decide)
    for kind in (Intent, Repayment):
        app.router.add_post(f"/_config/{kind.object}s/{{id}}/finish", _finish(kind))


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _settings(request: web.Request) -> web.Response:
    """Set `{"processing_seconds": 3}` for what is delayed from now on; null: until `finish` is called."""
    given = await _given(request, "processing_seconds")
    if "processing_seconds" in given:
        later.processing_seconds = given["processing_seconds"]
    return web.json_response({"processing_seconds": later.processing_seconds})


async def _dispute(request: web.Request) -> web.Response:
    """Dispute a charge now: `{"payment_intent": "pi_…", "reason": "fraudulent", "amount": 500, "currency": "usd"}`."""
    given = await _given(request, "payment_intent", "reason", "amount", "currency")
    charge = Intent._api_retrieve(given.pop("payment_intent", "")).latest_charge
    if charge is None:
        raise StripeError(400, "There is no charge to dispute.")
    asked.set(None)
    return web.json_response(charge._be_disputed(**given)._export())


async def _decide(request: web.Request) -> web.Response:
    """Give a dispute another status, `{"status": "won"}`, also one that has ended, as banks can."""
    given = await _given(request, "status")
    asked.set(None)
    dispute = Dispute._api_retrieve(request.match_info["id"])
    dispute._decide(**given)
    return web.json_response(dispute._export())


def _finish(kind: Any) -> Any:
    async def finish(request: web.Request) -> web.Response:
        """Finish now what this intent or refund waits for."""
        thing = kind._api_retrieve(request.match_info["id"])
        later.finish(thing)
        return web.json_response(thing._export())

    return finish


async def _given(request: web.Request, *known: str) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(await request.read())
    if unknown := set(given) - set(known):
        raise unknown_parameter(unknown.pop())
    return given
