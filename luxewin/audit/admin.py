"""The audit in the back office: read and export, never write."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.db.models import BigIntegerField, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, StreamingHttpResponse

from luxewin import tables
from luxewin.admin import ReadOnlyAdmin
from luxewin.audit.canonical import COLUMNS, read_rows
from luxewin.audit.models import AuditEntry, Seal
from luxewin.audit.services import Actor, record

AT_ONCE = 1_000
# Kinds of actions: the word before the point. Listed here, since finding them would read every row.
KINDS = (
    "audit",
    "claim",
    "consent",
    "country_rule",
    "difference",
    "draw",
    "group",
    "lapse_wait",
    "notification",
    "payment",
    "pick",
    "preferences",
    "prize",
    "purchase",
    "raffle",
    "refund",
    "retention",
    "safeguards",
    "sales",
    "session",
    "terms",
    "user",
    "webhook_delivery",
    "webhook_endpoint",
)


class KindFilter(admin.SimpleListFilter):
    """Filter by the kind of the action."""

    title = parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return all kinds, whether there are rows or not."""
        return [(kind, kind) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Return the rows of one kind."""
        return queryset.filter(action__startswith=f"{self.value()}.") if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Newest first. The search matches a whole action, or a whole id of a subject, an actor or a request."""

    list_display = ["at", "action", "subject_type", "subject_id", "actor", "address", "seal"]
    list_filter = ["at", KindFilter]
    search_fields = ["subject_id__exact"]
    search_help_text = "A complete id (of a subject, an actor or a request) or an action, for example purchase.paid."
    ordering = ["-id"]
    actions = ["export"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        """Add the number of each row's seal. Cost: one index look-up for each row shown."""
        entry = OuterRef("pk")
        covering = Seal.objects.filter(last_entry__gte=entry, first_entry__lte=entry, entries__contains=[entry])
        first = covering.order_by("last_entry").values("number")[:1]
        numbered = Subquery(first, output_field=BigIntegerField(null=True))
        return super().get_queryset(request).annotate(seal_number=numbered)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Search by equality: parts of an id identify nobody."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found = Q(subject_id=term) | Q(request_id=term) | Q(action=term)
        with suppress(ValueError):
            found |= Q(actor=UUID(term))
        return queryset.filter(found), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every column, and the seal."""
        return [*COLUMNS, "seal"]

    @admin.display
    def seal(self, entry: AuditEntry) -> int | str:
        """Return the number of the seal that covers the row."""
        return entry.seal_number or "not sealed yet"  # type: ignore[attr-defined]  # of the query

    @admin.action(description="Export the selected rows as CSV", permissions=["view"])
    def export(self, request: HttpRequest, entries: QuerySet[AuditEntry]) -> StreamingHttpResponse:
        """Export oldest first, each value as sealed: with the seals, the rows can be verified elsewhere."""
        # The queryset adds seal numbers, which the stubs cannot know.
        chosen = cast("Any", entries.order_by("id")).values_list("id", "seal_number")
        user = cast("Actor", request.user)
        record("audit.exported", request.user, actor=user, after={"rows": chosen.count()})
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
        return StreamingHttpResponse(
            tables.lines([*COLUMNS, "seal"], _rows(chosen)), content_type="text/csv; charset=utf-8", headers=headers
        )

    # Unlike other actions it accepts any number of rows.
    export.is_streamed = True  # type: ignore[attr-defined]


def _rows(chosen: Any) -> Iterator[list[Any]]:
    """Yield the rows with a bounded number in memory."""
    last = 0
    # Each batch is a statement of its own: a slow reader holds no statement, cursor or snapshot open.
    while part := list(chosen.filter(id__gt=last)[:AT_ONCE]):
        last = part[-1][0]
        rows = read_rows([entry_id for entry_id, _ in part])
        for entry_id, number in part:
            if entry_id in rows:
                yield [*rows[entry_id].values.values(), number]


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    """Newest first: the first number with its digest is the head to note down."""

    list_display = ["number", "digest", "sealed_at", "rows", "first_entry", "last_entry"]
    fields = ["number", "digest", "previous", "sealed_at", "is_whole", "version", "entries"]
    ordering = ["-number"]

    @admin.display
    def rows(self, seal: Seal) -> int:
        """Return how many rows it covers."""
        return len(seal.entries)
