"""A person's Stripe customer: updated with their newest address, or erased, leaving only an id with dj-stripe."""

import stripe
from django.conf import settings
from djstripe.models import Customer, IdempotencyKey

from accounts.models import User
from purchases.errors import ProviderRefused
from purchases.gateway.client import MISSING, calling


def forget_customer(user: User) -> None:
    """Unlink a customer that was deleted at Stripe; the next purchase creates another. Makes no request."""
    Customer.objects.filter(subscriber=user).update(subscriber=None)
    # Under the same key Stripe would return the deleted customer.
    IdempotencyKey.objects.filter(action=f"customer:create:{user.pk}").delete()


def update_customer(user: User) -> None:
    """Send Stripe the current address of the person's customer. May be repeated.

    A customer that was deleted at Stripe is forgotten. Raises ProviderUnavailable and ProviderRefused.
    """
    # There is no key here for customers of the other mode.
    for customer in Customer.objects.filter(subscriber=user, livemode=settings.STRIPE_LIVE_MODE):
        try:
            with calling():
                stripe.Customer.modify(customer.id, email=user.email)
        except ProviderRefused as error:
            if error.data.get("provider_code") != MISSING:
                raise
            forget_customer(user)


def erase_customer(user: User) -> None:
    """Delete the person's customer at Stripe, with name, address and cards; our record keeps only its id.

    Payments and refunds stay at Stripe and here, where no record ever had the payer's name (`payers`). May be repeated.
    Raises ProviderUnavailable. Cost: one request for each customer.
    """
    for customer in Customer.objects.filter(subscriber=user):
        # There is no key here for customers of the other mode.
        if customer.livemode == settings.STRIPE_LIVE_MODE:
            _delete(customer.id)
        kept = {"id": customer.id, "object": "customer", "deleted": True}
        Customer.objects.filter(pk=customer.pk).update(metadata={}, stripe_data=kept)
    forget_customer(user)


def _delete(customer_id: str) -> None:
    try:
        with calling():
            stripe.Customer.delete(customer_id)
    except ProviderRefused as error:
        if error.data.get("provider_code") != MISSING:
            raise
