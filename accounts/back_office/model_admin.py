"""Rules for every back-office page: which columns may be looked up, and how many rows one click may touch.

`BackOffice.register` puts this class in front of every ModelAdmin, those of libraries included.
"""

from functools import cached_property
from typing import Any

from django.contrib.admin import ModelAdmin, ShowFacets, SimpleListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import NotRelationField, get_fields_from_path
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db.models import CharField, DateField, DateTimeField, EmailField, QuerySet, TextField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

# Rows per action. A confirmation page carries their keys, and Django reads at most 1,000 form fields.
MOST_SELECTED = 200
# Rows that a list counts and pages through: counting all of a large table takes seconds.
MOST_COUNTED = 10_000
# How dates are typed (`luxewin.formats`).
ISO_DAY = "YYYY-MM-DD"
# Look-ups that the links of Django's own filters use on their column.
FILTER_LOOKUPS = ("", "__exact", "__isnull", "__isempty", "__gte", "__lt", "__lte")


class BoundedPaginator(Paginator):
    """Count up to MOST_COUNTED rows. Cost: one query, however large the table is."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most MOST_COUNTED."""
        rows: Any = self.object_list
        return rows.order_by().values("pk")[:MOST_COUNTED].count()

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows than `count` says."""
        return self.count >= MOST_COUNTED


class BackOfficeModelAdmin(ModelAdmin):
    """Allow look-ups only on listed filters, bound counts, and refuse actions on more than MOST_SELECTED rows.

    An action with the attribute `is_streamed` accepts any number: it holds a bounded number of rows in memory.
    """

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_max_show_all = MOST_SELECTED

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return Django's field; a date or time field also says its format and time zone."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(db_field, DateField) and field is not None:
            is_time = isinstance(db_field, DateTimeField)
            form = f"{ISO_DAY} and HH:MM, in {timezone.get_current_timezone_name()}." if is_time else f"{ISO_DAY}."
            field.help_text = f"{field.help_text.removeprefix('In UTC').lstrip('.; ')} {form}".strip()
        return field

    def get_search_fields(self, request: HttpRequest) -> list[str]:  # type: ignore[override]
        """Search ids, numbers and e-mail addresses by the whole, because 33 is in many a UUID; other texts by parts."""
        return [self._whole(str(name)) for name in super().get_search_fields(request)]

    def _whole(self, name: str) -> str:
        try:
            field = get_fields_from_path(self.model, name)[-1]
        except (FieldDoesNotExist, NotRelationField):
            return name  # it names its own look-up
        is_text = isinstance(field, (CharField, TextField)) and not isinstance(field, EmailField)
        return name if is_text else f"{name}__exact"

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:  # type: ignore[override]
        """Whether the query string may use this look-up: Django would allow any column of the model, hidden or not."""
        return lookup in self.allowed_lookups(request)

    def allowed_lookups(self, request: HttpRequest) -> frozenset[str]:
        """Return the parameters of `list_filter` and `date_hierarchy`, the only ones that filter a list."""
        allowed: set[str] = set()
        if self.date_hierarchy:
            allowed |= {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day", "gte", "lt")}
        for each in self.get_list_filter(request):
            if isinstance(each, type) and issubclass(each, SimpleListFilter):
                allowed.add(str(each.parameter_name))
                continue
            path = str(each[0] if isinstance(each, (tuple, list)) else each)
            paths = [path]
            field: Any = get_fields_from_path(self.model, path)[-1]
            if field.is_relation:
                paths.append(f"{path}__{field.target_field.name}")
            allowed |= {one + suffix for one in paths for suffix in FILTER_LOOKUPS}
        return frozenset(allowed)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Allow only the primary key to identify rows."""
        return to_field in {self.opts.pk.name, self.opts.pk.attname}

    def response_action(  # type: ignore[override]  # any further argument is Django's own affair
        self, request: HttpRequest, queryset: QuerySet[Any], **kwargs: Any
    ) -> HttpResponse | None:
        """Run the action on at most MOST_SELECTED rows named by keys; otherwise show an error and do nothing."""
        if self._selects_too_many(request, queryset):
            text = (
                f"Nothing was done: an action takes at most {MOST_SELECTED} rows, and you selected more. "
                "Narrow the list with a search or a filter."
            )
            self.message_user(request, text, "error")
            return HttpResponseRedirect(request.get_full_path())
        if not all(map(self._can_be_key, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            self.message_user(request, "Nothing was done: the selected rows are not in this list.", "error")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, **kwargs)

    def _can_be_key(self, text: str) -> bool:
        field: Any = self.opts.pk
        while field.remote_field:
            field = field.target_field
        try:
            field.run_validators(field.to_python(text))
        except ValidationError:
            return False
        return "\x00" not in text

    def _selects_too_many(self, request: HttpRequest, queryset: QuerySet[Any]) -> bool:
        if len(request.POST.getlist(ACTION_CHECKBOX_NAME)) > MOST_SELECTED:
            return True
        if request.POST.get("select_across", "0") in {"", "0"}:
            return False
        actions = self.get_actions(request)
        chosen = [actions[name] for name in request.POST.getlist("action") if name in actions]
        if chosen and all(getattr(_function(action), "is_streamed", False) for action in chosen):
            return False
        return queryset.order_by().values("pk")[: MOST_SELECTED + 1].count() > MOST_SELECTED


def _function(action: Any) -> Any:
    return action[0] if isinstance(action, tuple) else action.func
