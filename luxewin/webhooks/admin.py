"""Endpoints, events and deliveries in the back office."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join

from accounts.admin_actions import reasoned
from accounts.back_office.filters import known
from accounts.models import User
from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.desk import concern
from luxewin.webhooks import services
from luxewin.webhooks.events import EventType
from luxewin.webhooks.models import Delivery, Endpoint

AUDITED = "The audit log keeps it."


class EndpointForm(forms.ModelForm):
    """Where an endpoint is, and of what it is told."""

    event_types = forms.MultipleChoiceField(
        label="Events", choices=[(name.value, name.value) for name in EventType], widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = Endpoint
        fields = ["url", "description", "event_types"]


def _rotate(endpoint: Endpoint, reason: str, actor: User) -> str:
    services.rotate_secret(endpoint.pk, reason=reason, actor=actor)
    return f"{endpoint} has a new secret. For a day the earlier one signs too."


def _enable(endpoint: Endpoint, reason: str, actor: User) -> str:
    services.enable_endpoint(endpoint.pk, reason=reason, actor=actor)
    return f"{endpoint} is active; what waited for it is sent now."


def _switch_off(endpoint: Endpoint, reason: str, actor: User) -> str:
    services.switch_off_endpoint(endpoint.pk, reason=reason, actor=actor)
    return f"{endpoint} is switched off."


def _replay(delivery: Delivery, reason: str, actor: User) -> str:
    services.replay(delivery.pk, reason=reason, actor=actor)
    return f"{delivery} is queued again."


concern(
    "webhook disabled after failures", "webhooks disabled after failures", "webhooks.endpoint", status__exact="disabled"
)


@admin.register(Endpoint)
class EndpointAdmin(admin.ModelAdmin):
    """Endpoints. None is deleted: its log stays."""

    form = EndpointForm
    list_display = ["url", "description", "status", "failures", "last_success_at", "created_at"]
    list_filter = ["status"]
    fields = ["url", "description", "event_types", "status", "failures", "last_success_at", "previous_until"]
    readonly_fields = ["status", "failures", "last_success_at", "previous_until"]
    ordering = ["created_at"]
    actions = [
        "show_secret",
        reasoned(
            *("rotate_secret", "Make a new signing secret", _rotate),
            permission="change",
            label=str,
            reaches=AUDITED,
            means="For a day both secrets sign, so that the receiver can change to the new one.",
        ),
        reasoned("enable", "Enable", _enable, permission="change", label=str, reaches=AUDITED),
        reasoned(
            *("switch_off", "Switch off", _switch_off),
            permission="change",
            label=str,
            reaches=AUDITED,
            means="What waits for it is not sent, and further events are not kept for it.",
        ),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Endpoint, form: forms.ModelForm, change: bool) -> None:
        """Save through the services, which make the secret and audit it."""
        values = {name: form.cleaned_data[name] for name in EndpointForm.Meta.fields}
        if change:
            services.change_endpoint(obj.pk, **values, actor=signed_in(request))
            return
        made = services.create_endpoint(**values, actor=signed_in(request))
        obj.pk = made.pk
        obj._state.adding = False  # noqa: SLF001 the service saved it

    @admin.action(description="Show the signing secret", permissions=["change"])
    def show_secret(self, request: HttpRequest, selected: QuerySet[Endpoint]) -> HttpResponse | None:
        """Show one endpoint's secret, for its receiver; audited."""
        if selected.count() != 1:
            self.message_user(request, "Select one endpoint.", messages.ERROR)
            return None
        endpoint = selected.get()
        secret = services.show_secret(endpoint.pk, actor=signed_in(request))
        context = self.admin_site.each_context(request) | {"opts": self.opts, "endpoint": endpoint, "secret": secret}
        return TemplateResponse(request, "admin/webhooks/secret.html", context | {"title": "Signing secret"})


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Which event went where, and what was answered."""

    list_display = ["event", "endpoint", "status", "attempts", "response_status", "due_at", "delivered_at", "error"]
    list_filter = ["status", "endpoint", ("event__type", known(lambda: list(EventType)))]
    list_select_related = ["event", "endpoint"]
    fields = [
        *("event", "event_id", "endpoint", "status", "attempts", "due_at", "first_attempt_at", "delivered_at"),
        *("response_status", "answer", "error", "data"),
    ]
    readonly_fields = ["event_id", "data"]
    ordering = ["-pk"]
    actions = [
        reasoned(
            *("replay", "Send again", _replay),
            permission="replay",
            label=str,
            reaches=AUDITED,
            means="It has the same id: a receiver that keeps to the rules and took it before leaves it out.",
        )
    ]

    @admin.display(description="event id")
    def event_id(self, delivery: Delivery) -> str:
        """Return the id as receivers see it."""
        return f"msg_{delivery.event_id.hex}"

    @admin.display(description="data")
    def data(self, delivery: Delivery) -> Any:
        """Return what the event says."""
        return format_html_join("\n", "<div>{}: {}</div>", delivery.event.data.items())

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the person may send again."""
        return request.user.has_perm("webhooks.replay_delivery")
