"""Keeping payers' names and addresses out: dj-stripe records what Stripe says of the money, and not of who paid it.

Nothing here needs them, and what is never written down needs no forgetting: not in an event, not in a failed attempt
within it, not in a card that belongs to nobody, nor in evidence of a dispute. Whoever needs them asks Stripe.
"""

from typing import Any

from django.apps import apps
from django.db.models.signals import post_save, pre_save
from djstripe.models import Account, Customer, Event, WebhookEventTrigger

# Names of fields that are about a payer wherever they stand: in a charge, a method of any kind, a wallet, a dispute.
PERSONAL = {
    *("address", "dob", "email", "name", "phone"),
    *("billing_address", "billing_details", "shipping", "shipping_address"),
    *("customer_address", "customer_details", "customer_email", "customer_name", "customer_phone", "receipt_email"),
    *("cashtag", "owner", "payer_details", "payer_email", "payer_name"),
    *("verified_address", "verified_email", "verified_name", "verified_phone"),
    "evidence",
    # What would tell a card, an account or its owner apart: nothing here asks for it.
    *("country", "exp_month", "exp_year", "fingerprint"),
}


def without_payers(said: Any) -> Any:
    """A copy of what Stripe said, at any depth with null for every field of PERSONAL."""
    if isinstance(said, dict):
        return {name: None if name in PERSONAL else without_payers(value) for name, value in said.items()}
    return [without_payers(each) for each in said] if isinstance(said, list) else said


def keep_payers_out() -> None:
    """Has every record of dj-stripe's go through this before it is written, whoever made it. Called once, when ready.

    Our own account keeps its name: it is the operator's.
    """
    for model in apps.get_app_config("djstripe").get_models():
        if model is not Account and hasattr(model, "stripe_data"):
            pre_save.connect(_clean, sender=model, dispatch_uid="purchases.payers")
    pre_save.connect(_take_body, sender=WebhookEventTrigger, dispatch_uid="purchases.payers")
    post_save.connect(_give_body_back, sender=WebhookEventTrigger, dispatch_uid="purchases.payers")


def _clean(sender: type[Any], instance: Any, **kwargs: Any) -> None:
    instance.stripe_data = without_payers(instance.stripe_data)
    if isinstance(instance, Event):
        instance.data = without_payers(instance.data)
    elif isinstance(instance, Customer):
        instance.email = ""


def _take_body(sender: type[Any], instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """How an event was delivered is recorded without what was delivered."""
    vars(instance)["_delivered"], instance.body = instance.body, ""


def _give_body_back(sender: type[Any], instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """dj-stripe goes on to check the signature of it, and takes the event out of it."""
    instance.body = vars(instance).pop("_delivered")
