"""Answers to questions of skill in the back office: to read only."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.back_office.filters import MonthFilter
from luxewin.admin import ReadOnlyAdmin
from purchases.models import SkillAttempt


@admin.register(SkillAttempt)
class SkillAttemptAdmin(ReadOnlyAdmin):
    """Newest first. What was answered is shown to those who know the right answer: a right attempt tells it."""

    facts = ["at", "raffle", "user", "correct"]
    list_filter = ["correct", ("at", MonthFilter)]
    search_fields = ["user__email", "raffle__title"]
    list_select_related = ["raffle", "user"]

    def get_list_display(self, request: HttpRequest) -> Any:
        """The answer for raffle managers alone."""
        return self.get_fields(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The same on the page of one attempt."""
        return [*self.facts, "answer"] if request.user.has_perm("raffles.change_raffle") else self.facts
