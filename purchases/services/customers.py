"""Stripe customers: created on a person's first purchase, updated when the person's address changes."""

from uuid import UUID

from accounts.models import User
from purchases import gateway
from purchases.models import CustomerChange


def make_customer(user: User) -> str:
    """Return the id of the person's Stripe customer, created unless there is one.

    An address that changed during the request to Stripe is noted again: the first note may have been processed when
    there was no customer to update. Raises ProviderUnavailable and ProviderRefused. Cost: some queries and a request to
    Stripe.
    """
    customer = gateway.customer_of(user)
    if not User.objects.filter(pk=user.pk, email=user.email).exists():
        CustomerChange.objects.bulk_create(
            [CustomerChange(user=user)],
            update_conflicts=True,
            unique_fields=["user"],
            update_fields=["noted_at", "claimed_until"],
        )
    return customer


def update_changed_customer(user_id: UUID) -> None:
    """Send Stripe the person's current address, and remove the note of the change. Idempotent.

    Stripe is told nothing about an erased person: their customer is deleted. Raises ProviderUnavailable; then the note
    stays. Cost: three queries, and a request if Stripe knows the person.
    """
    note = CustomerChange.objects.select_related("user").filter(pk=user_id).first()
    if note is None:
        return
    if not note.user.is_deleted:
        gateway.update_customer(note.user)
    # Unless it has changed again meanwhile.
    CustomerChange.objects.filter(pk=user_id, noted_at=note.noted_at).delete()
