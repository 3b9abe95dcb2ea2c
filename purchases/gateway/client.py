"""Calls to Stripe: time-outs, retries, the pinned API version, and Stripe's errors turned into ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import stripe
from django.conf import settings

from luxewin.database import release_connection
from purchases.errors import ProviderFailed, ProviderRefused, ProviderUnavailable
from purchases.gateway.curl import CurlClient

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10
# For the health check and the back office, which ask too: no buyer whose tickets are held may find no place for them.
OTHERS_AT_ONCE = 4
# Stripe's code for an object that it does not know.
MISSING = "resource_missing"


def configure() -> None:
    """Set time-outs, retries and the pinned version, once per process.

    As many requests run at once as the server lets buy and settle (`luxewin.server.lanes`), and a few more.
    """
    most = settings.CHECKOUT_AT_ONCE + settings.SETTLEMENT_AT_ONCE + OTHERS_AT_ONCE
    stripe.api_key = settings.STRIPE_SECRET_KEY
    stripe.api_version = settings.STRIPE_API_VERSION
    stripe.max_network_retries = 2
    stripe.default_http_client = CurlClient(
        connect_seconds=2, total_seconds=TIMEOUT_SECONDS, most=most, before=release_connection
    )


@contextmanager
def calling() -> Iterator[None]:
    """Turn Stripe's errors, and answers that are not Stripe's, into our errors."""
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
        # Something between us and Stripe answered instead: treat it like a lost answer.
        log.exception("an answer of the payment provider cannot be read")
        raise ProviderUnavailable("Try again in a moment. (The answer cannot be read.)") from error


def ping() -> None:
    """Raise with a reason unless Stripe accepts our key."""
    if not settings.STRIPE_SECRET_KEY:
        raise RuntimeError("STRIPE_SECRET_KEY is not set")
    stripe.Balance.retrieve()
