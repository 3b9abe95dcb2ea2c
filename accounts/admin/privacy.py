"""Exports, deletions and rules of retention in the back office."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from accounts import services
from accounts.models import Deletion, Export, RetentionRule
from accounts.permissions import signed_in
from accounts.privacy.retention import REMOVERS
from luxewin.admin import ReadOnlyAdmin


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """The progress of archives; their content is not shown here."""

    list_display = ["created_at", "user", "status", "attempts", "size", "ready_at", "expires_at", "error"]
    list_filter = ["status"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
    ordering = ["-created_at"]


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin):
    """Requests for deletion, when each is due, and what postponed it."""

    list_display = ["created_at", "user", "status", "due_at", "can_be_kept", "obstacles", "ended_at"]
    list_filter = ["status"]
    search_fields = ["user__email", "user__id"]
    list_select_related = ["user"]
    ordering = ["-created_at"]


class RuleForm(forms.ModelForm):
    """How long something is kept, and why."""

    class Meta:
        model = RetentionRule
        fields = ["keep_days", "why"]

    def clean_keep_days(self) -> int:
        """Require at least the minimum that the code sets."""
        days, floor = self.cleaned_data["keep_days"], REMOVERS[self.instance.what].floor_days
        if days < floor:
            raise forms.ValidationError(f"This must be kept for at least {floor} days.", code="below_floor")
        return days


@admin.register(RetentionRule)
class RetentionRuleAdmin(admin.ModelAdmin):
    """How long things are kept. Rules are neither added nor removed here: the code defines what there is to keep."""

    form = RuleForm
    list_display = ["what", "about", "keep_days", "why", "ran_at"]
    readonly_fields = ["what", "about", "ran_at"]
    fields = ["what", "about", "keep_days", "why", "ran_at"]

    @admin.display(description="what is deleted")
    def about(self, rule: RetentionRule) -> str:
        """Return what the rule removes."""
        return REMOVERS[rule.what].about

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: RetentionRule, form: forms.ModelForm, change: bool) -> None:
        """Save through the service, which audits it."""
        services.change_rule(obj.what, keep_days=obj.keep_days, why=obj.why, actor=signed_in(request))
