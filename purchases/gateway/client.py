"""How every call to Stripe is made: time-outs, retries, the pinned version, and Stripe's errors as ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import stripe
from django.conf import settings
from django.db import connection

from purchases.errors import ProviderFailed, ProviderRefused, ProviderUnavailable
from purchases.gateway.transport import CurlClient

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10
# Requests of one process under way at once: with an answer in half a second nearly Stripe's own limit of 100 a second,
# and fewer than a server has threads, so that a Stripe that hangs leaves some for everything else.
AT_ONCE = 40
# Stripe's code for an object that it does not know.
MISSING = "resource_missing"


def configure() -> None:
    """Sets time-outs, retries and the pinned version, once per process."""
    stripe.api_key = settings.STRIPE_SECRET_KEY
    stripe.api_version = settings.STRIPE_API_VERSION
    stripe.max_network_retries = 2
    stripe.default_http_client = CurlClient(
        connect_seconds=2, total_seconds=TIMEOUT_SECONDS, most=AT_ONCE, before=_release_connection
    )


def _release_connection() -> None:
    """Gives this thread's pooled connection back before each request, so that a slow Stripe holds none.

    Here and not by the callers: dj-stripe reads the database between its requests.
    """
    if settings.DATABASE_POOL and not connection.in_atomic_block:
        connection.close()


@contextmanager
def calling() -> Iterator[None]:
    """Turns Stripe's errors into ours, and what is no answer of Stripe's into one of them."""
    try:
        yield
    except stripe.APIError as error:
        raise ProviderFailed(f"Try again in a moment. ({type(error).__name__})") from error
    except (stripe.APIConnectionError, stripe.RateLimitError) as error:
        raise ProviderUnavailable(f"Try again in a moment. ({type(error).__name__})") from error
    except stripe.AuthenticationError as error:
        raise ProviderUnavailable("The payment provider does not accept our key.") from error
    except stripe.StripeError as error:
        raise ProviderRefused(error.user_message or str(error), provider_code=error.code) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Something between us and Stripe answered in its place: like an answer that was lost.
        log.exception("an answer of the payment provider cannot be read")
        raise ProviderUnavailable("Try again in a moment. (The answer cannot be read.)") from error


def ping() -> None:
    """Raises with a reason unless Stripe answers to our key."""
    if not settings.STRIPE_SECRET_KEY:
        raise RuntimeError("STRIPE_SECRET_KEY is not set")
    stripe.Balance.retrieve()
