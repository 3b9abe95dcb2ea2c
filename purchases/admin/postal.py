"""Free entries in the back office: enter one, enter a file, look them up, withdraw them."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminDateWidget
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import ngettext

from accounts.admin_actions import reasoned
from accounts.back_office.filters import MonthFilter
from accounts.back_office.forms import AddressField, Line
from accounts.models import User
from accounts.permissions import signed_in
from luxewin import tables
from luxewin.admin import ReadOnlyAdmin
from luxewin.api.problems import Problem
from purchases import postal_files, services
from purchases.admin.labels import entry_label, numbers
from purchases.models import PostalEntry
from purchases.serializers import MAX_QUANTITY
from purchases.services.postal import entrants, faults_of
from raffles.models import Raffle
from raffles.phases import Phase

LIST = "admin:purchases_postalentry_changelist"
# How long a checked file may wait on the screen before it is entered.
SEAL_SECONDS = 3600
SALT = "purchases.postal_file"


def raffles_on_sale() -> QuerySet[Raffle]:
    """Read the raffles that letters can be entered into, with what `faults_of` needs."""
    on_sale: QuerySet[Raffle] = Raffle.objects.with_phase().filter(Q(phase=Phase.OPEN))
    return on_sale.select_related("counter").order_by("closes_at", "id")


class RaffleForm(forms.Form):
    """The raffle to enter letters into."""

    raffle = forms.ModelChoiceField(Raffle.objects.none(), help_text="Only raffles on sale take free entries.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["raffle"].queryset = raffles_on_sale()  # type: ignore[attr-defined]


class LetterForm(RaffleForm):
    """One letter. Every fault is shown at its field."""

    email = AddressField(help_text="E-mail address of the entrant's account. The letter must match that account.")
    quantity = forms.IntegerField(min_value=1, max_value=MAX_QUANTITY, initial=1, label="Tickets")
    reference = Line(
        max_length=postal_files.MAX_REFERENCE,
        help_text="What you wrote on the letter. Each raffle takes a reference only once.",
    )
    received_on = forms.DateField(widget=AdminDateWidget, help_text="YYYY-MM-DD.")

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor

    def clean(self) -> dict[str, Any]:
        """Look the entrant up, and collect everything that keeps the letter from being entered."""
        letter = {name: self.cleaned_data.get(name) for name in ("quantity", "reference", "received_on")}
        if email := self.cleaned_data.get("email"):
            letter["entrant"] = entrants([email]).get(email)
            if letter["entrant"] is None:
                self.add_error("email", f"No account has the address {email}.")
        if raffle := self.cleaned_data.get("raffle"):
            known = {name: value for name, value in letter.items() if value is not None}
            for fault in list(faults_of(raffle, [known], self.actor)):
                self.add_error(fault.field, fault.problem.detail)
        return self.cleaned_data | letter


class FileForm(RaffleForm):
    """A file of letters."""

    file = forms.FileField(
        help_text=f"A “CSV UTF-8” file, as Excel saves it, with the columns {', '.join(postal_files.COLUMNS)}."
    )


def withdraw(entry: PostalEntry, reason: str, actor: User) -> str:
    """Withdraw the entry; refused if the entries are frozen or it was withdrawn before."""
    services.void_purchase(entry.purchase_id, reason=reason, actor=actor)
    return f"{entry.reference} of {entry.purchase.buyer.email} was withdrawn. The entrant is told why by e-mail."


@admin.register(PostalEntry)
class PostalEntryAdmin(ReadOnlyAdmin):
    """Free entries, newest first. They are never edited: withdraw with a reason, and enter again."""

    list_display = ["created_at", "reference", "status", "tickets", "entrant", "title", "received_on", "entered_by"]
    list_filter = ["purchase__status", "received_on", ("created_at", MonthFilter)]
    search_fields = ["reference", "purchase__buyer__email", "raffle__title", "raffle__slug"]
    list_select_related = ["raffle", "purchase__buyer", "entered_by"]
    ordering = ["-created_at", "-purchase"]
    actions = [
        reasoned("withdraw", "Withdraw the selected free entries", withdraw, permission="withdraw", label=entry_label)
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the user may enter letters."""
        return request.user.has_perm("purchases.add_postalentry")

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Whether the user is finance, as for refunds; not those who enter letters."""
        return request.user.has_perm("purchases.refund_purchase")

    @admin.display(ordering="purchase__buyer__email")
    def entrant(self, entry: PostalEntry) -> str:
        """The entrant's address."""
        return entry.purchase.buyer.email

    @admin.display
    def tickets(self, entry: PostalEntry) -> str:
        """How many tickets, and which."""
        return numbers(entry.purchase)

    @admin.display(description="raffle", ordering="raffle__title")
    def title(self, entry: PostalEntry) -> str:
        """The raffle's title; a long one breaks into lines, which the list does not do for a related row."""
        return entry.raffle.title

    @admin.display(ordering="purchase__status")
    def status(self, entry: PostalEntry) -> str:
        """The status of its purchase."""
        return entry.purchase.get_status_display()

    def get_urls(self) -> list[URLPattern]:
        """Add the pages for files."""
        wrap, name = self.admin_site.admin_view, "purchases_postalentry"
        pages = [
            path("file/", wrap(self.check_file), name=f"{name}_file"),
            path("file/enter/", wrap(self.enter_file), name=f"{name}_enter"),
        ]
        return pages + super().get_urls()

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Enter one letter; the page for the next one comes with the same raffle and day."""
        self._demand(request)
        actor = signed_in(request)
        form = LetterForm(_sent(request), actor=actor, initial=request.GET.dict())
        if form.is_valid():
            given = form.cleaned_data
            letter = {name: given[name] for name in ("entrant", "quantity", "reference", "received_on")}
            try:
                entered = services.enter_postal(raffle_id=given["raffle"].pk, actor=actor, **letter)
            except Problem as problem:
                form.add_error(None, problem.detail)
            else:
                text = f"{given['reference']} was added: {_numbers([entered])} of {given['raffle']}."
                self.message_user(request, text, messages.SUCCESS)
                same = urlencode({"raffle": given["raffle"].pk, "received_on": given["received_on"]})
                return HttpResponseRedirect(f"{request.path}?{same}")
        return self._page(request, "letter", form=form, title="Add a free entry", media=self.media + form.media)

    def check_file(self, request: HttpRequest) -> HttpResponse:
        """Show every fault of a file, or what entering it would write; write nothing."""
        self._demand(request)
        form = FileForm(_sent(request), request.FILES or None)
        if not form.is_valid():
            return self._page(request, "file", form=form)
        raffle, file = form.cleaned_data["raffle"], form.cleaned_data["file"]
        # One byte more than allowed is enough to know that it is too large.
        data = file.read(postal_files.MAX_BYTES + 1)
        try:
            letters = postal_files.read_letters(data, raffle=raffle, actor=signed_in(request))
        except postal_files.PostalFileError as error:
            return self._page(request, "file", form=form, file=file.name, faults=error.faults)
        facts = {
            "raffle": raffle,
            "letters": len(letters),
            "tickets": sum(letter.quantity for letter in letters),
            "people": len({letter.entrant.pk for letter in letters}),
        }
        sealed = signing.dumps({"raffle": str(raffle.pk), "text": tables.decode(data)}, salt=SALT, compress=True)
        return self._page(request, "review", sealed=sealed, **facts)

    def enter_file(self, request: HttpRequest) -> HttpResponse:
        """Enter a checked file, after checking it again, as sales went on meanwhile."""
        self._demand(request)
        try:
            checked = signing.loads(request.POST.get("sealed", ""), salt=SALT, max_age=SEAL_SECONDS)
            raffle = raffles_on_sale().get(pk=checked["raffle"])
        except (signing.BadSignature, Raffle.DoesNotExist):
            text = "The page was open for too long, or the sale has ended. Choose the raffle and the file again."
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:purchases_postalentry_file"))
        try:
            entered = postal_files.load_letters(checked["text"].encode(), raffle=raffle, actor=signed_in(request))
        except postal_files.PostalFileError as error:
            return self._page(request, "file", form=FileForm(initial={"raffle": raffle}), faults=error.faults)
        entries = ngettext("%d free entry was", "%d free entries were", len(entered)) % len(entered)
        text = f"{entries} added to {raffle}: {_numbers(entered)}."
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(reverse(LIST))

    def _demand(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, name: str, **facts: Any) -> TemplateResponse:
        defaults = {"title": "Add free entries from a file", "opts": self.opts, "list": reverse(LIST)}
        context = self.admin_site.each_context(request) | defaults | facts
        return TemplateResponse(request, f"admin/purchases/postalentry/{name}.html", context)


def _sent(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _numbers(entered: list[Any]) -> str:
    first, last = entered[0].tickets["first"], entered[-1].tickets["last"]
    return f"tickets {first} to {last}" if last > first else f"ticket {first}"
