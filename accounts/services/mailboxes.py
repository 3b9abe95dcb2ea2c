"""Accounts from before there was one for each mailbox."""

from django.db import transaction

from accounts.models import User
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record


def give_mailbox(user: User) -> bool:
    """Give an account the mailbox that its address reaches, if no other account has it; then it can buy.

    What the account that had it was excluded from is carried over. False, and nothing changes, while it is taken.
    """
    with transaction.atomic():
        known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        # The columns find out by themselves (accounts.models.fields).
        known.save(update_fields=["email"])
        if known.mailbox is None:
            return False
        if known.has_verified_email:
            carry_over_exclusion(known)
        record("user.mailbox_given", known)
    return True
