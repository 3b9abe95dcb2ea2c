"""Waits after lapsed holds in the back office."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from accounts.permissions import signed_in
from purchases import services
from purchases.models import LapseWait
from purchases.services.lapses import may_be_waited


class WaitForm(forms.ModelForm):
    """The wait, as hours:minutes:seconds."""

    class Meta:
        model = LapseWait
        fields = ["wait"]

    def clean_wait(self) -> timedelta:
        """Check that the service allows the wait."""
        wait: timedelta = self.cleaned_data["wait"]
        if not may_be_waited(wait):
            raise forms.ValidationError("Enter a time from 0 to 24 hours.", code="out_of_range")
        return wait


@admin.register(LapseWait)
class LapseWaitAdmin(admin.ModelAdmin):
    """Waits of people whose holds lapse repeatedly. The steps are fixed, their lengths are not."""

    form = WaitForm
    list_display = ["lapses", "wait"]
    readonly_fields = ["lapses"]
    fields = ["lapses", "wait"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow nobody to add steps."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody to delete steps."""
        return False

    def save_model(self, request: HttpRequest, obj: LapseWait, form: forms.ModelForm, change: bool) -> None:
        """Save through the service, which audits the change."""
        services.change_lapse_wait(obj.lapses, wait=obj.wait, actor=signed_in(request))
