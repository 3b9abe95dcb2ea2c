"""The stand-in's customers, which stay known after they are deleted, as at Stripe."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

from typing import Any

from localstripe.resources import Customer, DeletedObject, List, store

from dev.services.stripe_standin.errors import missing, missing_reference
from dev.services.stripe_standin.events import tell
from dev.services.stripe_standin.expanding import expanded

LISTS = ("sources", "subscriptions", "tax_ids")  # shown on request


class Buyer(Customer):
    """A customer. The cost of showing one does not grow with the other objects."""

    _deleted = False

    def _export(self, expand: list[str] | None = None) -> dict[str, Any]:
        if self._deleted:
            return {"id": self.id, "object": "customer", "deleted": True}
        hidden = {*LISTS, "account_balance", "business_vat_id"}
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_") and name not in hidden}
        expand = list(expand or [])
        for name in LISTS:
            if name in expand:
                expand.remove(name)
                shown[name] = getattr(self, name)._export()
        shown |= {"object": "customer", "balance": -self.account_balance, "currency": None, "tax_exempt": "none"}
        shown |= {"invoice_prefix": self.id[-8:].upper(), "next_invoice_sequence": 1, "test_clock": None}
        shown |= {"metadata": dict(self.metadata), "invoice_settings": dict(self.invoice_settings)}
        return expanded(shown, expand)

    @classmethod
    def _api_update(cls, id: str, **data: Any) -> "Buyer":  # noqa: A002 (localstripe's name)
        if cls._api_retrieve(id)._deleted:
            raise missing("customer", id)
        return super()._api_update(id, **data)

    @classmethod
    def _api_delete(cls, id: str) -> DeletedObject:  # noqa: A002 (localstripe's name)
        buyer = cls._api_retrieve(id)
        if buyer._deleted:
            raise missing("customer", id)
        tell("customer.deleted", buyer)
        buyer._deleted = True
        return DeletedObject(id, cls.object)

    @classmethod
    def _api_retrieve(cls, id: str) -> "Buyer":  # noqa: A002 (localstripe's name)
        if not isinstance(found := store.get(f"customer:{id}"), cls):
            raise missing("customer", str(id))
        return found

    @classmethod
    def _named(cls, identifier: Any) -> str:
        """Return the id of the customer that a parameter names. Raises StripeError if it is deleted."""
        found = store.get(f"customer:{identifier}")
        if not isinstance(found, cls) or found._deleted:
            raise missing_reference("customer", identifier, "customer")
        return found.id

    @classmethod
    def _api_list_all(cls, url: str, email: str | None = None, limit: Any = None, starting_after: Any = None) -> List:
        """List customers, newest first; only those with `email`, if given."""
        found = List(url, limit=limit, starting_after=starting_after)
        present = [each for each in store.values() if isinstance(each, cls) and not each._deleted]
        found._list = [each for each in reversed(present) if email in (None, each.email)]
        return found
