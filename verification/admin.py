"""Draws in the back office: to read. Nobody can bend them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from luxewin.tasks.admin import ReadOnlyAdmin
from verification.models import ChainTransaction, Contract, Draw, Pick


class PickInline(admin.TabularInline):
    """The picks."""

    model = Pick
    extra = 0
    can_delete = False
    fields = readonly_fields = ("position", "role", "prize", "ticket", "index", "purchase")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    @admin.display
    def role(self, pick: Pick) -> str:
        """Winner or alternate."""
        return pick.role


class TransactionInline(admin.TabularInline):
    """The steps on the chain."""

    model = ChainTransaction
    extra = 0
    can_delete = False
    fields = readonly_fields = ("step", "hash", "nonce", "sent_at", "block", "gas_used")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(Draw)
class DrawAdmin(ReadOnlyAdmin):
    """By sequence; `trouble` says why a draw does not move on."""

    list_display = ["sequence", "raffle", "state", "tickets", "entries", "round", "trouble"]
    list_filter = ["state"]
    search_fields = ["raffle__title", "manifest_hash", "root"]
    list_select_related = ["raffle"]
    exclude = ["claimed_until"]
    inlines = [PickInline, TransactionInline]


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    """Contracts that were deployed."""

    list_display = ["address", "chain_id", "transaction", "deployed_at"]
