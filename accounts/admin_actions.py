"""Back-office actions that require a reason: a page asks for it before anything is done."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.back_office.forms import Line
from accounts.models import User
from accounts.permissions import signed_in
from luxewin.api.problems import Problem

TEMPLATE = "admin/reason.html"
# Rows that the page names; beyond this it shows a count.
SHOWN = 20


class ReasonForm(forms.Form):
    """The reason; `reaches` says who will read it."""

    reason = Line(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vLargeTextField", "autofocus": True}),
    )

    def __init__(self, *args: Any, reaches: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = reaches


def reasoned[M: Model](
    name: str,
    title: str,
    act: Callable[[M, str, User], str],
    *,
    permission: str,
    label: Callable[[M], str],
    reaches: str = "The buyer reads this if they get a refund, and the audit log keeps it.",
    means: str = "",
) -> Callable[[Any, HttpRequest, QuerySet[M]], HttpResponse | None]:
    """Return an admin action that calls `act(row, reason, actor)` for each selected row, once a reason is given.

    `act` returns the message to show; a Problem that it raises is shown instead, and the other rows go on. `label`
    names a row, `reaches` says who will read the reason, and `means` what the action does beyond its title.
    """

    @admin.action(description=f"{title}…", permissions=[permission])
    def action(model_admin: Any, request: HttpRequest, rows: QuerySet[M]) -> HttpResponse | None:
        form = ReasonForm(request.POST if "confirmed" in request.POST else None, reaches=reaches)
        if not form.is_valid():
            return _page(model_admin, request, rows, form, label, {"action": name, "title": title, "means": means})
        for row in rows:
            try:
                told = act(row, form.cleaned_data["reason"], signed_in(request))
                model_admin.message_user(request, told, messages.SUCCESS)
            except Problem as problem:
                model_admin.message_user(request, f"Not done: {label(row)}. {problem.detail}", messages.ERROR)
        return None

    action.__name__ = name
    return action


def _page(
    model_admin: Any,
    request: HttpRequest,
    rows: QuerySet[Any],
    form: ReasonForm,
    label: Callable[[Any], str],
    texts: dict[str, str],
) -> HttpResponse:
    keys = [row.pk for row in rows]
    context = model_admin.admin_site.each_context(request) | {
        **texts,
        "opts": model_admin.opts,
        "rows": [label(row) for row in rows[:SHOWN]],
        "count": len(keys),
        "keys": keys,
        "form": form,
        "field": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, TEMPLATE, context)
