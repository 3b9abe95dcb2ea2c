"""Accounts from before each mailbox could have only one."""

from django.db import transaction

from accounts.models import User
from accounts.services.exclusions import carry_over_exclusion
from luxewin.audit.services import record


def give_mailbox(user: User) -> bool:
    """Give an account the mailbox that its address reaches, if no other account has it; then it can buy.

    An exclusion tied to the mailbox is carried over. Return False, and change nothing, while the mailbox is taken.
    """
    with transaction.atomic():
        known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        # The columns fill themselves in on save (accounts.models.fields).
        known.save(update_fields=["email"])
        if known.mailbox is None:
            return False
        if known.has_verified_email:
            carry_over_exclusion(known)
        record("user.mailbox_given", known)
    return True
