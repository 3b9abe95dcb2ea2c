"""Start of the Stripe stand-in by the supervisor, in its own process (`stripe_standin`)."""

from dev.services.processes import ServiceDir
from dev.services.state import kept
from dev.services.stripe_standin.api_keys import publishable_key, secret_key
from dev.services.web import fetch


def start(site: ServiceDir) -> dict[str, str]:
    port = site.port()
    child = site.spawn_module("dev.services.stripe_standin", "--port", str(port))
    site.wait_for(child, lambda: fetch(port, "/_config/health"))
    return {
        "STRIPE_SECRET_KEY": kept(site.folder / "secret_key", secret_key),
        "STRIPE_PUBLISHABLE_KEY": kept(site.folder / "publishable_key", publishable_key),
        "STRIPE_API_BASE": f"http://127.0.0.1:{port}",
    }
