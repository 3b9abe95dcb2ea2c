"""Parts room: how the supervisor starts the Stripe stand-in, which is a process of its own (`stripe_standin`)."""

from luxewin.parts.processes import Site
from luxewin.parts.state import kept
from luxewin.parts.stripe_standin.keys import publishable_key, secret_key
from luxewin.parts.web import fetch


def start(site: Site) -> dict[str, str]:
    port = site.port()
    child = site.spawn_module("luxewin.parts.stripe_standin", "--port", str(port))
    site.wait_for(child, lambda: fetch(port, "/_config/health"))
    return {
        "STRIPE_SECRET_KEY": kept(site.folder / "secret_key", secret_key),
        "STRIPE_PUBLISHABLE_KEY": kept(site.folder / "publishable_key", publishable_key),
        "STRIPE_API_BASE": f"http://127.0.0.1:{port}",
    }
