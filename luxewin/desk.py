"""The back office's home: what needs somebody now, and its menu by kinds of work."""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import ngettext

# The menu, by what people do; what is in none of them comes last, under its app's name.
MENU: dict[str, list[str]] = {
    "Selling": [
        *("raffles.raffle", "purchases.purchase", "purchases.postalentry", "purchases.skillattempt"),
        "raffles.salestop",
    ],
    "Money": [
        *("purchases.payment", "purchases.refund", "purchases.dispute"),
        *("purchases.reconciliation", "purchases.settleddifference", "purchases.stalemirror"),
        *("purchases.unstoredevent", "purchases.setasideevent"),
    ],
    "Draws": ["verification.draw", "verification.claim", "verification.contract", "verification.chainaccount"],
    "People": [
        *("accounts.user", "auth.group", "accounts.identity", "accounts.session"),
        *("accounts.authenticator", "accounts.safeguards", "accounts.spendlimit"),
        *("accounts.export", "accounts.deletion"),
    ],
    "Messages": ["accounts.notification", "accounts.blockedaddress", "webhooks.endpoint", "webhooks.delivery"],
    "Rules": [
        *("accounts.terms", "accounts.termsacceptance", "accounts.countryrule", "accounts.retentionrule"),
        "purchases.lapsewait",
    ],
    "Operations": [
        *("tasks.heartbeat", "tasks.startedtask", "django_q.ormq", "django_q.failure", "django_q.success"),
        *("django_q.schedule", "audit.auditentry", "audit.seal"),
    ],
}


@dataclass(frozen=True, slots=True)
class Concern:
    """A list that should be empty: a page of the back office with its filters."""

    one: str
    many: str
    model: str
    filters: Mapping[str, str]

    def text(self, count: int) -> str:
        """Return what it is, without the number."""
        return ngettext(self.one, self.many, count)


CONCERNS: list[Concern] = []


def concern(one: str, many: str, model: str, **filters: str) -> None:
    """Put the rows of a back-office list, filtered as its own links do it, on the desk of whoever may view them."""
    CONCERNS.append(Concern(one, many, model, filters))


def concerns_of(request: HttpRequest, site: AdminSite) -> Iterator[dict[str, Any]]:
    """Give what waits for this person: number, text, address. The number is that of the list behind the address.

    Cost: a bounded count for each list that they may view.
    """
    for each in CONCERNS:
        admin = site.get_model_admin(apps.get_model(each.model))
        if not admin.has_view_permission(request):
            continue
        asked = copy(request)
        asked.GET = QueryDict(mutable=True)  # type: ignore[assignment]
        asked.GET.update(each.filters)  # type: ignore[attr-defined]
        if count := admin.get_changelist_instance(asked).result_count:
            address = reverse(f"admin:{each.model.replace('.', '_')}_changelist")
            yield {"count": count, "text": each.text(count), "url": f"{address}?{asked.GET.urlencode()}"}


def by_work(found: list[dict[str, Any]], home: str) -> list[dict[str, Any]]:
    """Return Django's list of apps and their models in the order of MENU."""
    models = {f"{app['app_label']}.{each['object_name'].lower()}": each for app in found for each in app["models"]}
    menu = []
    for name, labels in MENU.items():
        if shown := [models.pop(label) for label in labels if label in models]:
            menu.append({"name": name, "app_label": name.lower(), "app_url": f"{home}#{name.lower()}", "models": shown})
    left = [app | {"models": [each for each in app["models"] if each in models.values()]} for app in found]
    return menu + [app for app in left if app["models"]]
