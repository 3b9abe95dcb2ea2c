"""Columns for e-mail addresses: every value written or looked up is made canonical."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import lookups

from accounts.addresses import AddressRefused, canonical_address, lookup_address, mailbox_key


class CanonicalEmailField(models.EmailField):
    """An address in the form of `canonical_address`. Forms refuse an invalid address with its reason."""

    def clean(self, value: Any, model_instance: Any) -> Any:
        """Return the canonical form, for forms and `createsuperuser`; raise ValidationError."""
        if isinstance(value, str) and value.strip():
            try:
                value = canonical_address(value)
            except AddressRefused as error:
                raise ValidationError(str(error), code="invalid") from error
        return super().clean(value, model_instance)

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        """Make the row and the instance canonical; see `MailboxKeyField` for the exception."""
        value = getattr(model_instance, self.attname)
        if isinstance(value, str):
            canonical = lookup_address(value)
            if add or not _is_taken(model_instance, self.attname, canonical):
                value = canonical
                setattr(model_instance, self.attname, value)
        return value


@CanonicalEmailField.register_lookup
class CanonicalExact(lookups.Exact):
    """Find an address however it is written."""

    def get_prep_lookup(self) -> Any:
        if isinstance(self.rhs, str):
            self.rhs = lookup_address(self.rhs)
        return super().get_prep_lookup()


@CanonicalEmailField.register_lookup
class CanonicalIn(lookups.In):
    """Find several addresses however they are written."""

    def get_prep_lookup(self) -> Any:
        if not hasattr(self.rhs, "resolve_expression"):
            self.rhs = [lookup_address(each) if isinstance(each, str) else each for each in self.rhs]
        return super().get_prep_lookup()


class MailboxKeyField(models.CharField):
    """The key of the mailbox that the row's `email` reaches; kept up to date on save.

    An account created while another had its mailbox has no key. Its address stays as written while the canonical one is
    taken, and the key stays null until both are free.
    """

    def pre_save(self, model_instance: Any, add: bool) -> str | None:
        """Set the key. Cost: none, but a query for an account that has none."""
        key: str | None = mailbox_key(model_instance.email)
        if not add and _is_taken(model_instance, self.attname, key):
            key = None
        setattr(model_instance, self.attname, key)
        return key


def _is_taken(instance: Any, column: str, value: Any) -> bool:
    """Whether the row has no mailbox of its own, and another row has the value. Cost: no query for other rows."""
    if getattr(instance, "mailbox", "") is not None:
        return False
    others = type(instance)._base_manager.exclude(pk=instance.pk)  # noqa: SLF001 Django's public name for it
    return others.filter(**{column: value}).exists()
