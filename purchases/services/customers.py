"""Stripe's customers: told when their person's address changes."""

from uuid import UUID

from purchases import gateway
from purchases.models import CustomerChange


def update_changed_customer(user_id: UUID) -> None:
    """Tells Stripe the address that a person has now, and removes the note of the change. Idempotent.

    Of somebody who is erased Stripe is told nothing: their customer is deleted. Raises ProviderUnavailable; then the
    note stays. Cost: three queries, and a request if Stripe knows the person.
    """
    note = CustomerChange.objects.select_related("user").filter(pk=user_id).first()
    if note is None:
        return
    if not note.user.is_deleted:
        gateway.update_customer(note.user)
    # Not where it has changed again meanwhile.
    CustomerChange.objects.filter(pk=user_id, noted_at=note.noted_at).delete()
