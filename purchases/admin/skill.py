"""Answers to skill questions in the back office, read-only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.back_office.filters import MonthFilter
from luxewin.admin import ReadOnlyAdmin
from purchases.models import SkillAttempt


@admin.register(SkillAttempt)
class SkillAttemptAdmin(ReadOnlyAdmin):
    """Answers, newest first. Only raffle managers see the text, as a right attempt gives the answer away."""

    facts = ["at", "raffle", "user", "correct"]
    list_filter = ["correct", ("at", MonthFilter)]
    search_fields = ["user__email", "raffle__title"]
    list_select_related = ["raffle", "user"]

    def get_list_display(self, request: HttpRequest) -> Any:
        """Show the answer only to raffle managers."""
        return self.get_fields(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the answer only to raffle managers, on the page of one attempt."""
        return [*self.facts, "answer"] if request.user.has_perm("raffles.change_raffle") else self.facts
