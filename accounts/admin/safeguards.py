"""Safeguards in the back office (viewed, or set up for a caller, never shortened), country rules and terms."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from iso3166 import countries_by_alpha2

from accounts import services
from accounts.back_office.forms import KEPT, AddressField, Line
from accounts.models import CountryRule, Safeguards, SpendLimit, Terms, TermsAcceptance, User
from accounts.permissions import signed_in
from luxewin.admin import ReadOnlyAdmin
from luxewin.api.problems import Problem
from luxewin.money import as_text

FOR_GOOD = "for good"
PERMANENTLY = "permanently"
# The choices for a caller, within what they could choose themselves.
PAUSES = {24: "1 day", 7 * 24: "1 week", 30 * 24: "30 days", 91 * 24: "3 months", 183 * 24: "6 months"}
EXCLUSIONS = {6: "6 months", 12: "1 year", 24: "2 years", 60: "5 years"}
WISHES = [
    ("Pause buying", [(f"pause {hours}", f"for {text}") for hours, text in PAUSES.items()]),
    (
        "Exclude (nobody can undo it)",
        [*((f"exclude {months}", f"for {text}") for months, text in EXCLUSIONS.items()), (FOR_GOOD, PERMANENTLY)],
    ),
]


class WishForm(forms.Form):
    """The safeguard that a caller wants set up."""

    email = AddressField(help_text="E-mail address of the person's account. Confirm the person's identity first.")
    wish = forms.ChoiceField(choices=WISHES, label="Period")
    reason = Line(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vLargeTextField"}),
        help_text=f"How the person asked, and how you confirmed their identity. {KEPT}",
    )

    def clean_email(self) -> str:
        """Require an address that has an account."""
        email: str = self.cleaned_data["email"]
        if not User.objects.filter(email=email).exists():
            raise forms.ValidationError(f"No account has the address {email}.")
        return email

    def meaning(self) -> str:
        """Describe the effect to the member of staff who is about to set it up."""
        wish, email = self.cleaned_data["wish"], self.cleaned_data["email"]
        length = next(text for _, wishes in WISHES for value, text in wishes if value == wish)
        if wish.startswith("pause"):
            return f"{email} cannot buy {length}, starting now. Tickets that they own stay valid."
        return (
            f"{email} cannot buy {length}, starting now, and gets no more marketing. Tickets that they have reserved "
            "are released. Tickets that they own stay valid."
        )

    def set_up(self, actor: User) -> Safeguards:
        """Set up the safeguard. Raise StaysInForce and EmailNotVerified."""
        person = User.objects.get(email=self.cleaned_data["email"])
        wish, reason = self.cleaned_data["wish"], self.cleaned_data["reason"]
        kind, _, length = wish.partition(" ")
        if kind == "pause":
            return services.pause_buying(person, hours=int(length), actor=actor, reason=reason)
        months = None if wish == FOR_GOOD else int(length)
        return services.exclude_from_buying(person, months=months, password=None, actor=actor, reason=reason)


@admin.register(Safeguards)
class SafeguardsAdmin(ReadOnlyAdmin):
    """Pauses and exclusions. Support sets them up on request; nobody can cancel one."""

    list_display = ["user", "paused_until", "excluded_until", "excluded_forever"]
    list_filter = ["excluded_forever"]
    search_fields = ["user__email", "user__id"]
    list_select_related = ["user"]
    ordering = ["user__email"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow support."""
        return request.user.has_perm("accounts.add_safeguards")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for one safeguard, and show its effect for confirmation; a refusal appears in the form."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = WishForm(request.POST if request.method == "POST" else None)
        shared = self.admin_site.each_context(request) | {"opts": self.opts, "form": form}
        if form.is_valid() and "change" not in request.POST:
            if "confirmed" not in request.POST:
                facts = {"title": f"Is this what {form.cleaned_data['email']} wants?", "meaning": form.meaning()}
                return TemplateResponse(request, "admin/accounts/wish_meaning.html", shared | facts)
            try:
                set_up = form.set_up(signed_in(request))
            except Problem as problem:
                form.add_error(None, problem.detail)
            else:
                text = f"Set up for {form.cleaned_data['email']}. The person is told by e-mail."
                self.message_user(request, text, messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:accounts_safeguards_change", args=[set_up.pk]))
        title = "Pause or exclude a person"
        return TemplateResponse(request, "admin/accounts/wish.html", shared | {"title": title})


@admin.register(SpendLimit)
class SpendLimitAdmin(ReadOnlyAdmin):
    """Monthly limits that people set for themselves."""

    list_display = ["user", "in_force", "waiting", "next_from"]
    fields = ["user", "in_force", "waiting", "next_from"]
    readonly_fields = ["in_force", "waiting"]
    search_fields = ["user__email", "user__id"]
    list_select_related = ["user"]
    ordering = ["user__email", "currency"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Add the limit in force by the database's clock."""
        return SpendLimit.objects.as_they_stand()

    @admin.display(description="limit per month")
    def in_force(self, row: Any) -> str:
        """Return the limit in force with its currency."""
        return _amount(row.limit, row.currency)

    @admin.display(description="rises to")
    def waiting(self, row: Any) -> str:
        """Return the limit that waits."""
        return _amount(row.next_amount, row.currency) if row.is_waiting else "-"


def _amount(amount: int | None, currency: str) -> str:
    return f"no limit in {currency.upper()}" if amount is None else as_text(amount, currency)


class RuleForm(forms.ModelForm):
    """A rule of a country or a region."""

    class Meta:
        model = CountryRule
        fields = ["country", "region", "allowed", "minimum_age", "reason", "effective_from"]

    def clean_country(self) -> str:
        """Require an existing country."""
        code: str = self.cleaned_data["country"].upper()
        if code not in countries_by_alpha2:
            raise forms.ValidationError(f"{code} is not the two-letter code of a country.", code="unknown_country")
        return code

    def clean_region(self) -> str:
        """Return it in upper case; a constraint checks that it belongs to the country."""
        region: str = self.cleaned_data["region"].upper()
        return region


@admin.register(CountryRule)
class CountryRuleAdmin(ReadOnlyAdmin):
    """Where people may buy, and from which age. A rule is never edited: a newer one replaces it."""

    form = RuleForm
    list_display = ["country", "region", "allowed", "minimum_age", "effective_from", "reason"]
    list_filter = ["allowed"]
    search_fields = ["country", "region", "reason"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow raffle managers."""
        return request.user.has_perm("accounts.add_countryrule")

    def save_model(self, request: HttpRequest, obj: CountryRule, form: Any, change: bool) -> None:
        """Save through the service, which audits it."""
        services.set_country_rule(obj, actor=signed_in(request))


@admin.register(Terms)
class TermsAdmin(ReadOnlyAdmin):
    """Published versions. They are never edited: a newer one replaces them."""

    list_display = ["version", "effective_from", "url", "published_at"]
    fields = ["version", "url", "effective_from"]
    search_fields = ["version"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow raffle managers."""
        return request.user.has_perm("accounts.add_terms")

    def save_model(self, request: HttpRequest, obj: Terms, form: Any, change: bool) -> None:
        """Save through the service, which audits it."""
        services.publish_terms(obj, actor=signed_in(request))


@admin.register(TermsAcceptance)
class TermsAcceptanceAdmin(ReadOnlyAdmin):
    """Acceptances: who accepted which version, when and from where."""

    list_display = ["at", "user", "terms", "address"]
    list_filter = ["terms"]
    search_fields = ["user__email", "user__id"]
    list_select_related = ["user", "terms"]
    ordering = ["-id"]
