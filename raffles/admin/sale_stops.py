"""The stop of all sales in the back office."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.api.problems import Problem
from luxewin.desk import concern
from raffles import sale_stops
from raffles.models import SaleStop


class SaleStopForm(forms.ModelForm):
    """Why all sales are stopped."""

    class Meta:
        model = SaleStop
        fields = ["reason"]

    def clean(self) -> dict[str, Any]:
        """Check that sales are not stopped already."""
        if sale_stops.running_stop():
            raise forms.ValidationError("Sales are stopped already.", code="already_stopped")
        return super().clean() or {}


class RunningFilter(admin.SimpleListFilter):
    """Filter by whether a stop runs now."""

    title = parameter_name = "running"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the one choice."""
        return [("yes", "Yes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SaleStop]) -> QuerySet[SaleStop]:
        """Return the stop that runs, or all."""
        return queryset.filter(ended_at=None) if self.value() == "yes" else queryset


@admin.register(SaleStop)
class SaleStopAdmin(ReadOnlyAdmin):
    """Stop the sale of all raffles by adding a row, resume it by the action."""

    form = SaleStopForm
    list_display = ["started_at", "ended_at", "reason"]
    list_filter = [RunningFilter]
    fields = ["reason", "started_at", "ended_at"]
    actions = ["resume"]

    def get_fields(self, request: HttpRequest, obj: SaleStop | None = None) -> Any:
        """Return the reason alone while it is asked for."""
        return self.fields if obj else ["reason"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the person may stop sales."""
        return request.user.has_perm("raffles.add_salestop")

    def has_resume_permission(self, request: HttpRequest) -> bool:
        """Whether the person may resume them."""
        return request.user.has_perm("raffles.change_salestop")

    def save_model(self, request: HttpRequest, obj: SaleStop, form: Any, change: bool) -> None:
        """Stop through the service, which audits it."""
        stop = sale_stops.stop_sales(reason=obj.reason, actor=signed_in(request))
        obj.pk, obj.started_at = stop.pk, stop.started_at

    @admin.action(description="Resume the sale of all raffles", permissions=["resume"])
    def resume(self, request: HttpRequest, rows: QuerySet[SaleStop]) -> None:
        """Resume sales, whichever rows are selected."""
        try:
            sale_stops.resume_sales(actor=signed_in(request))
        except Problem as problem:
            self.message_user(request, problem.detail, messages.ERROR)
        else:
            self.message_user(request, "Tickets are sold again.", messages.SUCCESS)


concern("stop of all sales runs", "stops of all sales run", "raffles.salestop", running="yes")
