"""Claims in the back office: who wants what prize, what stands against it, and how far its delivery has come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from accounts.back_office.forms import Line
from accounts.encryption import DecryptionFailed
from accounts.models import User
from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.api.problems import Problem
from luxewin.audit.services import record
from luxewin.desk import concern
from purchases.admin.labels import price
from verification import services
from verification.admin.draws import pick_page
from verification.models import Claim, ClaimDocument
from verification.models.claims import MAX_WANTED

HANDLE = "verification.handle_claim"
UNREADABLE = "It was encrypted with a SECRET_KEY that is not configured any more (SECRET_KEY_FALLBACKS)."
WIDE = {"class": "vLargeTextField"}
ADDRESS = ("name", "line1", "line2", "postal_code", "city", "region", "country")


class DocumentsForm(forms.Form):
    """What the person is asked for."""

    wanted = Line(
        label="What is wanted",
        max_length=MAX_WANTED,
        widget=forms.TextInput(attrs=WIDE),
        help_text="The person reads this, for example: A photo of your passport. The audit log keeps it.",
    )


class DispatchForm(forms.Form):
    """Who brings the prize."""

    carrier = Line(
        max_length=80,
        widget=forms.TextInput(attrs=WIDE),
        help_text="The person reads this, for example: DHL Express. For cash: how it was paid.",
    )
    tracking = Line(
        label="Tracking number",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs=WIDE),
        help_text="The person reads this. For cash: the reference of the transfer.",
    )


@dataclass(frozen=True, slots=True)
class Step:
    """Something that staff do to a claim, on a page of its own."""

    title: str
    #: While the claim has one of these statuses.
    of: tuple[str, ...]
    act: Callable[..., Claim]
    means: str
    told: str
    form: type[forms.Form] = forms.Form


STEPS = {
    "ask": Step(
        "Ask for documents",
        tuple(Claim.OPEN),
        services.ask_for_documents,
        "The person gets a message, and can then send up to six photos or PDFs.",
        "The person is asked for documents.",
        DocumentsForm,
    ),
    "check": Step(
        "Confirm the check",
        ("accepted", "documents_wanted"),
        services.confirm_check,
        "You have checked who the person is, their age, and what is said above. The prize can then be sent.",
        "The claim is checked.",
    ),
    "dispatch": Step(
        "Dispatch",
        ("checked",),
        services.dispatch_prize,
        "The prize is on its way, or its cash alternative was paid. The person gets a message; where it goes cannot be "
        "changed any more.",
        "The person is told that it is on its way.",
        DispatchForm,
    ),
}

concern(
    "prize accepted, to be checked", "prizes accepted, to be checked", "verification.claim", status__exact="accepted"
)
concern("checked prize to be sent", "checked prizes to be sent", "verification.claim", status__exact="checked")


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    """Claims, the last accepted first."""

    list_display = ["prize", "status", "takes", "holder", "accepted_at"]
    list_filter = ["status", "takes"]
    search_fields = ["award__pick__purchase__buyer__email__exact", "award__prize__name"]
    search_help_text = "A whole e-mail address, or part of a prize's name."
    list_select_related = ["award__prize", "award__pick__purchase__buyer", "award__pick__draw__raffle"]
    fieldsets = [
        (None, {"fields": ["prize", "raffle", "holder", "purchase", ("takes", "status"), "next_steps"]}),
        ("Check", {"fields": ["against", "wanted", "sent"]}),
        ("Delivery", {"fields": ["where", "carrier", "tracking"]}),
        ("Times (UTC)", {"fields": ["accepted_at", "dispatched_at", "delivered_at"]}),
    ]
    readonly_fields = ["prize", "raffle", "holder", "purchase", "next_steps", "against", "sent", "where"]

    @admin.display(description="prize", ordering="award__prize__name")
    def prize(self, claim: Claim) -> str:
        """The prize, or the cash that is paid instead."""
        prize = claim.award.prize
        if claim.takes == Claim.Takes.PRIZE:
            return prize.name
        return f"{price(prize.cash_alternative or 0, claim.award.pick.draw.raffle.currency)} instead of {prize.name}"

    @admin.display
    def raffle(self, claim: Claim) -> Any:
        """The raffle, with a link to its draw."""
        draw = claim.award.pick.draw
        page = reverse("admin:verification_draw_change", args=[draw.pk])
        return format_html('<a href="{}">{}</a>', page, draw.raffle.title)

    @admin.display(ordering="award__pick__purchase__buyer__email")
    def holder(self, claim: Claim) -> str:
        """Whose prize it is."""
        return claim.award.pick.purchase.buyer.email

    @admin.display
    def purchase(self, claim: Claim) -> Any:
        """The winning ticket, with a link to its purchase."""
        pick = claim.award.pick
        page = reverse("admin:purchases_purchase_change", args=[pick.purchase_id])
        return format_html('<a href="{}">Ticket {}</a>', page, pick.ticket)

    @admin.display(description="what stands against it")
    def against(self, claim: Claim) -> Any:
        """What staff have to judge."""
        found = services.objections(claim.award)
        return format_html_join("", "<div>{}</div>", ([each] for each in found)) or "Nothing that we know of."

    @admin.display(description="documents")
    def sent(self, claim: Claim) -> Any:
        """Links to what the person sent."""
        links = (
            (reverse("admin:verification_claim_document", args=[claim.pk, each.pk]), each, f"{each.created_at:%F %R}")
            for each in claim.documents.defer("sealed_content")
        )
        return format_html_join("", '<div><a href="{}">{}</a>, sent {} UTC</div>', links) or "-"

    @admin.display(description="address")
    def where(self, claim: Claim) -> Any:
        """Where it goes."""
        try:
            address = claim.address or {}
        except DecryptionFailed:
            return UNREADABLE
        return format_html_join("", "<div>{}</div>", ([address[name]] for name in ADDRESS if address.get(name))) or "-"

    @admin.display(description="actions")
    def next_steps(self, claim: Claim) -> Any:
        """Links to the pages of the next steps."""
        links = [
            (reverse("admin:verification_claim_step", args=[claim.pk, name]), step.title)
            for name, step in STEPS.items()
            if claim.status in step.of
        ]
        if claim.status in {"checked", "dispatched"}:
            links.append((pick_page(claim.award.pick, "claim"), "Handed over"))
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}…</a>', links) or "-"

    def get_fieldsets(self, request: HttpRequest, obj: Claim | None = None) -> Any:
        """Show actions, documents and address only to those who handle claims."""
        if request.user.has_perm(HANDLE):
            return self.fieldsets
        hidden = {"next_steps", "sent", "where"}
        return [
            (title, options | {"fields": [each for each in options["fields"] if each not in hidden]})
            for title, options in self.fieldsets
        ]

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of the steps, and documents."""
        wrap = self.admin_site.admin_view
        pages = [
            path("<int:claim>/documents/<int:document>", wrap(self.document), name="verification_claim_document"),
            path("<int:claim>/<slug:name>/step/", wrap(self.step), name="verification_claim_step"),
        ]
        return pages + super().get_urls()

    def step(self, request: HttpRequest, claim: int, name: str) -> HttpResponse:
        """Ask for what a step needs, then take it."""
        step, found = STEPS.get(name), self._claim(request, claim)
        if step is None:
            raise Http404
        form = step.form(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._page(request, found, step, form)
        page = reverse("admin:verification_claim_change", args=[claim])
        try:
            step.act(claim, actor=signed_in(request), **form.cleaned_data)
        except Problem as problem:
            self.message_user(request, f"Not done: {problem.detail}", messages.ERROR)
        else:
            self.message_user(request, step.told, messages.SUCCESS)
        return HttpResponseRedirect(page)

    def document(self, request: HttpRequest, claim: int, document: int) -> HttpResponse:
        """Download a document; the audit has who did."""
        found = get_object_or_404(ClaimDocument, claim=self._claim(request, claim), pk=document)
        try:
            content = found.content
        except DecryptionFailed:
            self.message_user(request, UNREADABLE, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:verification_claim_change", args=[claim]))
        actor: User = signed_in(request)
        record("claim.document_read", found.claim, actor=actor, after={"sha256": bytes(found.digest).hex()})
        ending = found.media.rpartition("/")[2]
        # Never shown within our pages: a stranger made it.
        headers = {"Content-Disposition": f'attachment; filename="claim-{claim}-{document}.{ending}"'}
        return HttpResponse(content, content_type=found.media, headers=headers | {"Cache-Control": "no-store"})

    def _claim(self, request: HttpRequest, claim: int) -> Claim:
        if not request.user.has_perm(HANDLE):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request).select_related(*self.list_select_related), pk=claim)

    def _page(self, request: HttpRequest, claim: Claim, step: Step, form: forms.Form) -> TemplateResponse:
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "claim": claim,
            "prize": self.prize(claim),
            "against": services.objections(claim.award),
            "claim_page": reverse("admin:verification_claim_change", args=[claim.pk]),
            "title": step.title,
            "means": step.means,
            "form": form,
        }
        return TemplateResponse(request, "admin/verification/claim_step.html", context)
