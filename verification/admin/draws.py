"""Draws in the back office: read them, and record the outcomes of picks. Nobody can change a result."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.api.problems import Problem
from luxewin.desk import concern
from verification import services
from verification.anchoring.balance import ETHER
from verification.models import ChainAccount, ChainStep, Contract, Draw, Forfeit, Pick, held_prize, outcome_of
from verification.models.outcomes import MAX_REASON

FORFEIT, CLAIM = "verification.forfeit_pick", "verification.claim_award"
FORFEIT_TITLE = "Disqualify or mark unclaimed"


def picks_with_outcome() -> QuerySet[Pick]:
    """Read picks with all that is shown of them, in one query."""
    return Pick.objects.select_related("prize", "forfeit", "award__prize", "purchase__buyer", "draw__raffle")


def breakable(text: str) -> Any:
    """Let a browser break a long text without spaces into lines, while it is copied unchanged."""
    return format_html_join(mark_safe("<wbr>"), "{}", ([text[at : at + 32]] for at in range(0, len(text), 32))) or "-"


class PickInline(admin.TabularInline):
    """The picks, and their outcomes."""

    model = Pick
    extra = 0
    can_delete = False
    # Position, role and ticket are each row's heading.
    readonly_fields = ("prize", "holder", "purchase", "stands", "holds", "deeds")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pick]:
        """Read the picks in one query."""
        return picks_with_outcome()

    def get_fields(self, request: HttpRequest, obj: Draw | None = None) -> Any:
        """Show actions only to those who may take them."""
        may = request.user.has_perms([FORFEIT, CLAIM])
        return self.readonly_fields if may else self.readonly_fields[:-1]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False

    @admin.display
    def holder(self, pick: Pick) -> str:
        """Whose ticket it is."""
        return pick.purchase.buyer.email

    @admin.display(description="status")
    def stands(self, pick: Pick) -> Any:
        """The pick's outcome today, with the public reason of a forfeit."""
        outcome = outcome_of(pick).label
        if not hasattr(pick, "forfeit"):
            return outcome
        return format_html('{}<br><span class="help">{}</span>', outcome, pick.forfeit.reason)

    @admin.display(description="prize")
    def holds(self, pick: Pick) -> str:
        """The prize that the pick holds."""
        return str(held_prize(pick) or "-")

    @admin.display(description="actions")
    def deeds(self, pick: Pick) -> Any:
        """Links to the pages that confirm an action first."""
        if not pick.draw.is_over or hasattr(pick, "forfeit"):
            return "-"
        if hasattr(pick, "award") and pick.award.claimed_at:
            return "-"
        named = [("claim", "Prize handed over…")] if held_prize(pick) else []
        forfeit = f"{FORFEIT_TITLE}…" if held_prize(pick) else "Disqualify…"
        links = [(pick_page(pick, name), title) for name, title in [*named, ("forfeit", forfeit)]]
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>', links)


def pick_page(pick: Pick, name: str) -> str:
    """Return the URL of a pick's page: `claim` or `forfeit`."""
    return reverse(f"admin:verification_draw_{name}", args=[pick.draw_id, pick.position])


class TransactionInline(admin.TabularInline):
    """The draw's steps on the chain."""

    model = ChainStep
    extra = 0
    can_delete = False
    fields = readonly_fields = ("step", "state", "hash", "nonce", "attempts", "block", "gas_used", "live")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChainStep]:
        """Read the steps in one query."""
        return ChainStep.objects.select_related("transaction").annotate(tried=Count("transaction__attempts"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False

    @admin.display
    def state(self, taken: ChainStep) -> str:
        """How deep the transaction is."""
        return taken.transaction.get_state_display()

    @admin.display
    def hash(self, taken: ChainStep) -> str:
        """The hash of the mined version, else of the last."""
        return taken.transaction.hash

    @admin.display
    def nonce(self, taken: ChainStep) -> int | None:
        """The nonce; None for somebody else's transaction."""
        return taken.transaction.nonce

    @admin.display
    def attempts(self, taken: Any) -> int:
        """How many versions were signed."""
        return taken.tried

    @admin.display
    def block(self, taken: ChainStep) -> int | None:
        """The block's number."""
        return taken.transaction.block

    @admin.display(description="gas used")
    def gas_used(self, taken: ChainStep) -> int | None:
        """The gas of the whole transaction, even if it served several draws."""
        return taken.transaction.gas_used


class ForfeitForm(forms.Form):
    """Why a pick is forfeited."""

    kind = forms.ChoiceField(choices=Forfeit.Kind.choices, widget=forms.RadioSelect)
    reason = forms.CharField(
        max_length=MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Public: anyone can read it beside the pick, and the person is told. Do not name the person.",
    )

    def __init__(self, *args: Any, pick: Pick, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if held_prize(pick) is None:
            # A waiting alternate has nothing to claim.
            self.fields["kind"].choices = [Forfeit.Kind.choices[0]]  # type: ignore[attr-defined]
            self.initial["kind"] = Forfeit.Kind.DISQUALIFIED


concern("draw with a problem", "draws with a problem", "verification.draw", trouble__isempty="0")


@admin.register(Draw)
class DrawAdmin(ReadOnlyAdmin):
    """Draws by sequence; `trouble` says why a draw waits."""

    list_display = ["sequence", "raffle", "state", "tickets", "entries", "round", "trouble"]
    list_filter = ["state", ("trouble", admin.EmptyFieldListFilter)]
    search_fields = ["raffle__title", "manifest_hash__exact", "root__exact"]
    list_select_related = ["raffle"]
    fieldsets = [
        (None, {"fields": ["raffle", ("sequence", "state"), "due_at", "trouble"]}),
        ("Entries", {"fields": [("tickets", "entries"), "root", "published"]}),
        ("Random number", {"fields": ["round", "signed", "randomness", "seed"]}),
        ("If no random number arrives", {"fields": [("void_declared_at", "void"), "void_reason"]}),
        ("Rules of the draw", {"fields": ["contract", "manifest_hash", "promise"]}),
    ]
    readonly_fields = ["published", "signed", "promise", "void"]
    inlines = [PickInline, TransactionInline]

    @admin.display(description="entries published at")
    def published(self, draw: Draw) -> str:
        """As a date."""
        at = None if draw.committed_at is None else datetime.fromtimestamp(draw.committed_at, UTC)
        return display_for_value(at, "-")

    @admin.display(description="void at")
    def void(self, draw: Draw) -> str:
        """When it becomes void, if it was declared."""
        return display_for_value(draw.void_at, "-")

    @admin.display(description="signature of the beacon")
    def signed(self, draw: Draw) -> Any:
        """The signature, in lines that fit the page."""
        return breakable(draw.signature)

    @admin.display(description="manifest")
    def promise(self, draw: Draw) -> Any:
        """The manifest, in lines that fit the page."""
        return breakable(draw.manifest)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages of a pick."""
        wrap, place = self.admin_site.admin_view, "<uuid:raffle>/picks/<int:position>"
        pages = [
            path(f"{place}/forfeit/", wrap(self.forfeit), name="verification_draw_forfeit"),
            path(f"{place}/claim/", wrap(self.claim), name="verification_draw_claim"),
        ]
        return pages + super().get_urls()

    def forfeit(self, request: HttpRequest, raffle: UUID, position: int) -> HttpResponse:
        """Ask for kind and reason, and show who is next."""
        pick = self._pick(request, FORFEIT, raffle, position)
        form = ForfeitForm(request.POST if request.method == "POST" else None, pick=pick)
        if not form.is_valid():
            successor = services.next_alternate(pick.draw)
            title = FORFEIT_TITLE if held_prize(pick) else "Disqualify"
            return self._page(request, "forfeit", pick, title=title, form=form, successor=successor)
        try:
            services.forfeit_pick(pick.pk, actor=signed_in(request), **form.cleaned_data)
        except Problem as problem:
            return self._back(request, pick, f"Not done: {problem.detail}", messages.ERROR)
        outcome = Forfeit.Kind(form.cleaned_data["kind"]).label.lower()
        told = f"Pick {position} is now {outcome}. The person is told why by e-mail."
        return self._back(request, pick, told, messages.SUCCESS)

    def claim(self, request: HttpRequest, raffle: UUID, position: int) -> HttpResponse:
        """Confirm that the prize was handed over, which is final."""
        pick = self._pick(request, CLAIM, raffle, position)
        if request.method != "POST":
            return self._page(request, "claim", pick, title="Record that a prize was handed over")
        try:
            award = services.claim_award(pick.pk, actor=signed_in(request))
        except Problem as problem:
            return self._back(request, pick, f"Not done: {problem.detail}", messages.ERROR)
        return self._back(request, pick, f"{award.prize.name} was handed over to pick {position}.", messages.SUCCESS)

    def _pick(self, request: HttpRequest, permission: str, raffle: UUID, position: int) -> Pick:
        if not request.user.has_perm(permission):
            raise PermissionDenied
        return get_object_or_404(picks_with_outcome(), draw=raffle, position=position)

    def _page(self, request: HttpRequest, name: str, pick: Pick, **facts: Any) -> TemplateResponse:
        context = self.admin_site.each_context(request) | {
            "opts": self.opts,
            "pick": pick,
            "prize": held_prize(pick),
            "stands": outcome_of(pick).label,
            "draw_page": _page_of(pick),
        }
        return TemplateResponse(request, f"admin/verification/{name}.html", context | facts)

    def _back(self, request: HttpRequest, pick: Pick, told: str, level: int) -> HttpResponse:
        self.message_user(request, told, level)
        return HttpResponseRedirect(_page_of(pick))


def _page_of(pick: Pick) -> str:
    return reverse("admin:verification_draw_change", args=[pick.draw_id])


@admin.register(Contract)
class ContractAdmin(ReadOnlyAdmin):
    """Contracts that were deployed."""

    list_display = ["address", "chain_id", "transaction", "deployed_at"]


@admin.register(ChainAccount)
class ChainAccountAdmin(ReadOnlyAdmin):
    """The operator's accounts, with the balance that was last read."""

    list_display = ["address", "chain_id", "next_nonce", "ether", "needed_ether", "read_at", "warned_at"]
    exclude = ["claimed_until"]

    @admin.display(description="balance (ether)")
    def ether(self, account: ChainAccount) -> str:
        """The balance as last read; no page asks the chain."""
        return _in_ether(account.balance)

    @admin.display(description="needed for next steps (ether)")
    def needed_ether(self, account: ChainAccount) -> str:
        """What the next steps cost at the fees of that time."""
        return _in_ether(account.needed)


def _in_ether(wei: Decimal | None) -> str:
    return "-" if wei is None else f"{wei / ETHER:.6f}"
