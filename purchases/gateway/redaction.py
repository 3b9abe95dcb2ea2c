"""Redaction of payers' names and addresses: dj-stripe records what Stripe says of the money, not of who paid it.

Nothing here needs them, and what is never stored need not be erased: not in an event, a failed attempt within it, a
card without an owner, or the evidence of a dispute. Staff who need them look at Stripe.

What identifies a card or bank account is stored only in the charge that it paid, and only while its buyer's account
exists: the person's archive has it, and the back office compares it with that of excluded people.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models.signals import post_save, pre_save
from djstripe.models import Account, BankAccount, Card, Charge, Customer, Event, WebhookEventTrigger

from accounts.models import User
from purchases.models import Payment

# What identifies a card, a bank account or its owner.
CARD_TRACES = frozenset({"country", "exp_month", "exp_year", "fingerprint"})
# Fields about a payer, wherever they occur: in a charge, a payment method of any kind, a wallet, a dispute.
PERSONAL = frozenset({
    "address", "dob", "email", "name", "phone",
    "billing_address", "billing_details", "shipping", "shipping_address",
    "customer_address", "customer_details", "customer_email", "customer_name", "customer_phone", "receipt_email",
    "cashtag", "owner", "payer_details", "payer_email", "payer_name",
    "verified_address", "verified_email", "verified_name", "verified_phone",
    "evidence",
})  # fmt: skip
# Where a charge says what it was paid with.
METHOD = "payment_method_details"


def without_payers(said: Any, *, names: frozenset[str] = PERSONAL | CARD_TRACES) -> Any:
    """Copy what Stripe said, with null for every field of `names` at any depth."""
    if isinstance(said, dict):
        return {name: None if name in names else without_payers(value, names=names) for name, value in said.items()}
    return [without_payers(each, names=names) for each in said] if isinstance(said, list) else said


def forget_cards(intents: Iterable[str]) -> None:
    """Remove what identifies cards and bank accounts from the charges of these intents. Cost: a query per charge."""
    for charge in Charge.objects.filter(payment_intent__in=list(intents)):
        Charge.objects.filter(pk=charge.pk).update(stripe_data=without_payers(charge.stripe_data))


def keep_payers_out() -> None:
    """Redact every dj-stripe record before it is written, whatever code writes it. Call once, when the app is ready.

    Our own account keeps its name: it is the operator's.
    """
    for model in apps.get_app_config("djstripe").get_models():
        if model is not Account and hasattr(model, "stripe_data"):
            pre_save.connect(_clean, sender=model, dispatch_uid="purchases.payers")
    post_save.connect(_look_again, sender=Charge, dispatch_uid="purchases.payers")
    pre_save.connect(_take_body, sender=WebhookEventTrigger, dispatch_uid="purchases.payers")
    post_save.connect(_give_body_back, sender=WebhookEventTrigger, dispatch_uid="purchases.payers")


def _clean(sender: type[Any], instance: Any, **kwargs: Any) -> None:
    said = instance.stripe_data
    instance.stripe_data = without_payers(said)
    if isinstance(instance, Charge):
        method = (said or {}).get(METHOD)
        if method and _has_living_payer(instance.payment_intent_id):
            instance.stripe_data[METHOD] = without_payers(method, names=PERSONAL)
    elif isinstance(instance, Event):
        instance.data = without_payers(instance.data)
    elif isinstance(instance, Customer):
        instance.email = ""
    elif isinstance(instance, BankAccount | Card):
        instance.fingerprint = ""


def _has_living_payer(intent_id: str | None) -> bool:
    """Whether the intent is a payment of ours by a person who is not erased."""
    payment = Payment.objects.filter(intent_id=intent_id).select_related("purchase__buyer").first()
    return payment is not None and not payment.purchase.buyer.is_deleted


def _look_again(sender: type[Any], instance: Charge, **kwargs: Any) -> None:
    """Check again after the commit: a concurrent erasure of the payer may not have seen the new charge."""
    if instance.payment_intent_id:
        transaction.on_commit(partial(_forget_card_of_erased, instance.payment_intent_id))


def _forget_card_of_erased(intent_id: str) -> None:
    with transaction.atomic():
        # Waits for an erasure that is under way; a later one sees the charge, which is committed.
        payers = User.objects.select_for_update(no_key=True).filter(purchases__payments__intent_id=intent_id)
        if any(payer.is_deleted for payer in payers):
            forget_cards([intent_id])


def _take_body(sender: type[Any], instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """Leave the body out of the record of a delivery."""
    vars(instance)["_delivered"], instance.body = instance.body, ""


def _give_body_back(sender: type[Any], instance: WebhookEventTrigger, **kwargs: Any) -> None:
    """Restore the body for dj-stripe, which then checks its signature and reads the event from it."""
    instance.body = vars(instance).pop("_delivered")
