"""Stripe's customer of somebody: with the newest address, or forgotten, and then an id alone in dj-stripe's record."""

import stripe
from django.conf import settings
from djstripe.models import Customer, IdempotencyKey

from accounts.models import User
from purchases.errors import ProviderRefused
from purchases.gateway.client import MISSING, calling


def forget_customer(user: User) -> None:
    """The person's customer was deleted at Stripe; the next purchase makes another. Asks nobody."""
    Customer.objects.filter(subscriber=user).update(subscriber=None)
    # Under the same key Stripe would answer with the deleted one.
    IdempotencyKey.objects.filter(action=f"customer:create:{user.pk}").delete()


def update_customer(user: User) -> None:
    """Gives the person's customer at Stripe the address they have now. May be repeated.

    A customer that was deleted at Stripe is forgotten. Raises ProviderUnavailable and ProviderRefused.
    """
    # Of the other mode there is no key here that could ask.
    for customer in Customer.objects.filter(subscriber=user, livemode=settings.STRIPE_LIVE_MODE):
        try:
            with calling():
                stripe.Customer.modify(customer.id, email=user.email)
        except ProviderRefused as error:
            if error.data.get("provider_code") != MISSING:
                raise
            forget_customer(user)


def erase_customer(user: User) -> None:
    """Has Stripe delete the person's customer, with name, address and cards; our record of it keeps the id alone.

    Payments and refunds stay, at Stripe as here, where no record ever had the payer's name (`payers`). May be repeated.
    Raises ProviderUnavailable. Cost: one request for each customer.
    """
    for customer in Customer.objects.filter(subscriber=user):
        # Of the other mode there is no key here that could ask.
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
