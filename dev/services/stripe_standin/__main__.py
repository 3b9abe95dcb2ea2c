"""The Stripe stand-in's process and its routes."""

import argparse
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from localstripe import server

from dev.services.state import kept, private_folder
from dev.services.stripe_standin import config, events, methods
from dev.services.stripe_standin.api_keys import publishable_key, random_word, secret_key
from dev.services.stripe_standin.charges import Payment
from dev.services.stripe_standin.customers import Buyer
from dev.services.stripe_standin.disputes import Dispute
from dev.services.stripe_standin.events import Deliveries, ToldEvent, WebhookEndpoint
from dev.services.stripe_standin.faults import EventFaults, RequestFaults
from dev.services.stripe_standin.intents import Intent
from dev.services.stripe_standin.later import later
from dev.services.stripe_standin.memory import Memory
from dev.services.stripe_standin.middleware import Handler, Idempotency, form, keys
from dev.services.stripe_standin.refunds import Repayment

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Idempotency-Key, Stripe-Version",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
}


def account(identifier: str) -> dict[str, Any]:
    """Return the account that owns everything here."""
    return {
        "id": identifier,
        "object": "account",
        "business_profile": {"mcc": None, "name": "LuxeWin (development)", "url": None, "support_email": None},
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "FR",
        "created": 1_700_000_000,
        "default_currency": "eur",
        "details_submitted": True,
        "email": "stripe@example.com",
        "livemode": False,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {"statement_descriptor_prefix": None},
            "dashboard": {"display_name": "LuxeWin (development)", "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "LUXEWIN"},
        },
        "tos_acceptance": {"date": None},
        "type": "standard",
    }


def build(folder: Path) -> web.Application:
    """Build the application, with its state in the folder. One per process: localstripe's objects are global."""
    private_folder(folder)
    memory, faults, event_faults = Memory(folder), RequestFaults(), EventFaults()
    deliveries = Deliveries(event_faults)
    methods.install()
    events.install(deliveries)
    memory.load()
    later.write_down = memory.flush
    secret, publishable = kept(folder / "secret_key", secret_key), kept(folder / "publishable_key", publishable_key)
    answers = Idempotency(memory)
    middlewares = [_writing_down(memory), form, keys(secret, publishable), faults.around(answers)]
    app = web.Application(middlewares=[*middlewares, answers.middleware(), faults.within])
    config.add_routes(app, memory, faults, event_faults)
    owner = account(kept(folder / "account_id", lambda: f"acct_{random_word(16)}"))
    _add_routes(app, owner)
    app.on_response_prepare.append(_allow_browsers)
    app.cleanup_ctx.append(lambda _: _life(memory, deliveries))
    return app


def _writing_down(memory: Memory) -> Any:
    """Return the outermost middleware, which writes what a request changed before its answer leaves."""

    @web.middleware
    async def write_down(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            memory.flush()

    return write_down


def _add_routes(app: web.Application, owner: dict[str, Any]) -> None:
    """Add our routes first, because the first match counts."""

    async def show_account(_: web.Request) -> web.Response:
        return web.json_response(owner)

    async def preflight(_: web.Request) -> web.Response:
        return web.Response()

    app.router.add_get("/v1/account", show_account)
    app.router.add_get(f"/v1/accounts/{owner['id']}", show_account)
    app.router.add_post("/v1/webhook_endpoints", server.api_extra(WebhookEndpoint._create_and_show_secret, ""))  # noqa: SLF001
    for action in ("confirm", "cancel", "_authenticate"):
        act = getattr(Intent, f"_api_{action.removeprefix('_')}")
        app.router.add_post(f"/v1/payment_intents/{{id}}/{action}", server.api_extra(act, ""))
    app.router.add_post("/v1/disputes/{id}/close", server.api_extra(Dispute._api_close, ""))  # noqa: SLF001
    for kind in (Buyer, Intent, Payment, Repayment, Dispute, WebhookEndpoint, ToldEvent):
        url = f"/v1/{kind.object}s"
        if kind not in (Payment, Dispute, ToldEvent):  # created only through intents
            app.router.add_post(url, server.api_create(kind, url))
        app.router.add_get(url, server.api_list_all(kind, url))
        app.router.add_get(f"{url}/{{id}}", server.api_retrieve(kind, url))
        if kind is not ToldEvent:
            app.router.add_post(f"{url}/{{id}}", server.api_update(kind, url))
    for kind in (Buyer, WebhookEndpoint):
        app.router.add_delete(f"/v1/{kind.object}s/{{id}}", server.api_delete(kind, ""))
    app.router.add_route("OPTIONS", "/{path:.*}", preflight)
    _add_routes_of_localstripe(app)


def _add_routes_of_localstripe(app: web.Application) -> None:
    """Add localstripe's routes for the kinds that ours do not cover."""
    ours = {f"/v1/{kind.object}s" for kind in (Intent, Payment, Repayment, ToldEvent)}
    for route in server.app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if route.method == "HEAD" or path.startswith("/_config/") or path.removesuffix("/{id}") in ours:
            continue
        app.router.add_route(route.method, path, route.handler)


async def _allow_browsers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(CORS)


async def _life(memory: Memory, deliveries: Deliveries) -> AsyncIterator[None]:
    later.resume()
    yield
    await deliveries.close()
    memory.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="a Stripe for development")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    app = build(options.state)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, shutdown_timeout=1)


if __name__ == "__main__":
    main()
