"""Raffles in the back office, through the same services as the API."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.translation import ngettext

from accounts.admin_actions import reasoned
from accounts.models import User
from accounts.permissions import signed_in
from luxewin.api.problems import Problem
from luxewin.clock import database_now
from luxewin.currencies import is_currency
from luxewin.lines import validate_one_line
from luxewin.money import amount_of, as_input, as_text
from raffles import services, terms, words
from raffles.models import MAX_ADDITION, MAX_VALUE, Prize, Raffle, TermsAddition, TicketCounter
from raffles.phases import Phase
from raffles.slugs import is_reserved


def _price(text: str, currency: str) -> int:
    """Return it in Stripe's unit; raise ValidationError. If the currency itself is wrong, check only the form."""
    try:
        return amount_of(text, currency if is_currency(currency) else "gbp")
    except ValueError as error:
        raise forms.ValidationError(str(error), code="invalid") from error


class PrizeForm(forms.ModelForm):
    """A prize of a draft; its value is entered in the raffle's currency."""

    AMOUNTS = ("retail_value", "cash_alternative")

    retail_value = forms.CharField(
        required=False, label="Retail value", help_text="In the raffle's currency, for example 4500.00."
    )
    cash_alternative = forms.CharField(
        required=False, label="Cash alternative", help_text="Paid instead if the winner prefers it."
    )

    def __init__(self, *args: Any, raffle: Raffle, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.raffle = raffle
        for name in self.AMOUNTS:
            if isinstance(value := self.initial.get(name), int) and is_currency(raffle.currency):
                self.initial[name] = as_input(value, raffle.currency)

    def clean_retail_value(self) -> int | None:
        """Return it in Stripe's unit. The raffle's own form is validated first, so its currency is known."""
        return self._amount("retail_value")

    def clean_cash_alternative(self) -> int | None:
        """Return it in Stripe's unit."""
        return self._amount("cash_alternative")

    def _amount(self, name: str) -> int | None:
        text: str = self.cleaned_data[name]
        amount = _price(text, self.raffle.currency) if text else None
        if amount and amount > MAX_VALUE:
            raise forms.ValidationError(f"At most {as_input(MAX_VALUE, self.raffle.currency)}.", code="max_value")
        return amount


class PrizeInline(admin.TabularInline):
    """The prizes of a draft can be edited, those of a published raffle only read."""

    IN_CURRENCY = ("worth", "in_cash")

    model = Prize
    form = PrizeForm
    extra = 0

    def get_fields(self, request: HttpRequest, obj: Raffle | None = None) -> Any:
        """Show amounts as numbers when editable, with their currency when read-only."""
        amounts = PrizeForm.AMOUNTS if _is_draft(obj) else self.IN_CURRENCY
        return ["position", "name", "description", *amounts]

    def get_readonly_fields(self, request: HttpRequest, obj: Raffle | None = None) -> list[str]:
        """Return the computed fields."""
        return [] if _is_draft(obj) else [*self.IN_CURRENCY]

    @admin.display(description="retail value")
    def worth(self, prize: Prize) -> str:
        """Return the value with its currency."""
        return "-" if prize.retail_value is None else as_text(prize.retail_value, prize.raffle.currency)

    @admin.display(description="cash alternative")
    def in_cash(self, prize: Prize) -> str:
        """Return the cash alternative with its currency."""
        return "-" if prize.cash_alternative is None else as_text(prize.cash_alternative, prize.raffle.currency)

    def has_add_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Allow it on drafts."""
        return super().has_add_permission(request, obj) and _is_draft(obj)

    def has_change_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Allow it on drafts."""
        return super().has_change_permission(request, obj) and _is_draft(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Allow it on drafts."""
        return super().has_delete_permission(request, obj) and _is_draft(obj)


class TermsAdditionInline(admin.TabularInline):
    """What was added to the conditions; an action adds more."""

    model = TermsAddition
    fields = ("published_at", "text")
    readonly_fields = fields
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Leave it to the action, which mails the entrants."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Additions stay as they are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Additions stay."""
        return False


class AdditionForm(forms.Form):
    """What is added to the conditions of the chosen raffles."""

    text = forms.CharField(
        max_length=MAX_ADDITION,
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "autofocus": True}),
        help_text="Public: shown with today's date below the conditions, and mailed to everyone with tickets.",
    )


def _is_draft(raffle: Raffle | None) -> bool:
    return raffle is None or raffle.status == Raffle.Status.DRAFT


class Lines(forms.CharField):
    """A list of texts, one per line."""

    widget = forms.Textarea

    def validate(self, value: list[str]) -> None:  # type: ignore[override]
        """Require each to be text on one line."""
        super().validate(value)  # type: ignore[arg-type]
        for line in value:
            validate_one_line(line)

    def prepare_value(self, value: Any) -> Any:
        """Accept a list from the database, text from a browser."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        """Return the lines without blank ones."""
        # Split only where the browser does: other separators of `splitlines` are refused within a line.
        lines = value if isinstance(value, list) else (value or "").replace("\r\n", "\n").split("\n")
        return [line.strip() for line in lines if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class LongText(forms.CharField):
    """Text on several lines, whose line ends a browser does not change."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        """Return it with the line ends that are stored."""
        return (super().to_python(value) or "").replace("\r\n", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class CurrencyField(forms.CharField):
    """An ISO 4217 code, in upper or lower case."""

    def to_python(self, value: Any) -> str:
        """Return it in lower case, as Stripe writes it."""
        return (super().to_python(value) or "").lower()

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


class RaffleForm(forms.ModelForm):
    """A raffle's page."""

    class Meta:
        field_classes = {"conditions": LongText, "free_route_instructions": LongText}

    slug = forms.SlugField(
        max_length=80,
        required=False,
        label="Web address",
        help_text="The last part of the raffle's web address. Leave it empty to make it from the title.",
    )
    ticket_price = forms.CharField(label="Price per ticket", help_text="For example 5.00.")
    currency = CurrencyField(min_length=3, max_length=3, help_text="GBP, EUR, USD or another ISO 4217 code.")
    choices = Lines(
        required=False,
        label="Answers to choose from",
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="One per line. Without any, buyers type their answer.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        price, currency = self.initial.get("ticket_price"), self.initial.get("currency", "")
        if isinstance(price, int) and is_currency(currency):
            self.initial["ticket_price"], self.initial["currency"] = as_input(price, currency), currency.upper()

    def clean(self) -> dict[str, Any]:
        """Apply the rules of the API; only a draft's page has the terms."""
        super().clean()
        if text := self.cleaned_data.get("ticket_price"):
            self._read_price(text)
        for field, code, detail in list(terms.faults(self.cleaned_data)):
            self.add_error(field.replace(".", "_"), forms.ValidationError(detail, code=code))
        return self.cleaned_data

    def _read_price(self, text: str) -> None:
        """Convert to Stripe's unit, now that the currency is known."""
        try:
            self.cleaned_data["ticket_price"] = _price(text, self.cleaned_data.get("currency", ""))
        except forms.ValidationError as fault:
            self.add_error("ticket_price", fault)

    def clean_slug(self) -> str:
        """Validate as in the API. A draft whose slug is emptied keeps its old one."""
        slug: str = self.cleaned_data["slug"] or self.instance.slug
        if is_reserved(slug):
            raise forms.ValidationError(f"{slug} is reserved. Choose another.", code="reserved")
        return slug


def _cancel(raffle: Raffle, reason: str, actor: User) -> str:
    services.cancel_raffle(raffle.pk, reason=reason, actor=actor)
    return f"{raffle} was cancelled. Everyone is being refunded."


def _what_goes_back(raffle: Raffle) -> str:
    """Name a raffle with what its cancellation sends back. Cost: one query."""
    counter = TicketCounter.objects.filter(raffle=raffle).first()
    if counter is None or not counter.sold:
        return f"{raffle}: no ticket is sold"
    most = as_text((counter.sold - counter.postal) * raffle.ticket_price, raffle.currency)
    # Single refunds of before are not taken off: they leave their numbers.
    free = f", {counter.postal} of them free entries" if counter.postal else ""
    return (
        f"{raffle}: {ngettext('%d ticket', '%d tickets', counter.sold) % counter.sold} sold{free}; up to {most} go back"
    )


@admin.register(Raffle)
class RaffleAdmin(admin.ModelAdmin):
    """Raffles and the state of their sale."""

    form = RaffleForm
    list_display = ["title", "phase", "price", "sold", "postal", "held", "capacity", "closes_at", "opens_at"]
    list_filter = ["status", "category", "currency"]
    search_fields = ["title", "slug", "id"]
    date_hierarchy = "closes_at"
    prepopulated_fields = {"slug": ["title"]}
    inlines = [PrizeInline, TermsAdditionInline]
    actions = [
        "publish",
        "add_to_conditions",
        reasoned(
            "cancel",
            "Cancel the raffle and refund everyone",
            _cancel,
            permission="cancel",
            label=_what_goes_back,
            reaches="Public: shown on the raffle's page and in the e-mail about each refund.",
        ),
    ]
    facts = [
        "id",
        "phase",
        "tickets",
        "published_at",
        "closed_at",
        "frozen_at",
        "drawn_at",
        "cancelled_at",
        "cancel_reason",
    ]
    fieldsets = [
        (None, {"fields": ["title", "slug", "category", "description", "image_url"]}),
        (
            "Terms (cannot change after publishing)",
            {
                "fields": [
                    ("ticket_price", "currency"),
                    ("capacity", "max_per_person", "min_tickets"),
                    ("opens_at", "closes_at"),
                    "conditions",
                    ("free_route_instructions", "free_route_until"),
                    ("alternates", "claim_seconds", "debit_percent"),
                    ("commit_within_seconds", "delay_seconds"),
                    "question",
                    "choices",
                    "answer",
                ]
            },
        ),
        ("Status", {"fields": tuple(facts)}),
    ]

    def get_formset_kwargs(self, request: HttpRequest, obj: Raffle, inline: Any, prefix: str) -> dict[str, Any]:
        """Add the raffle to prizes, for its currency."""
        made: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        return made | {"form_kwargs": {"raffle": obj}} if isinstance(inline, PrizeInline) else made

    def get_inlines(self, request: HttpRequest, obj: Raffle | None) -> list[Any]:
        """Show additions once there can be any."""
        return [PrizeInline] if _is_draft(obj) else [*self.inlines]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Raffle]:
        """Add phase and counter, in one query."""
        return Raffle.objects.with_phase().select_related("counter").order_by(*self.get_ordering(request))

    def get_fieldsets(self, request: HttpRequest, obj: Raffle | None = None) -> Any:
        """Hide the state of a new raffle. Fixed terms are read-only; people who may change it see the answer."""
        basics, (title, options), state = self.fieldsets
        if obj is None:
            return [basics, (title, options)]
        names = list(options["fields"])
        if not _is_draft(obj):
            names[0] = "price"
            names[names.index("choices")] = "possible"
        if not self.has_change_permission(request, obj):
            names.remove("answer")
        return [basics, (title, options | {"fields": names}), state]

    def get_readonly_fields(self, request: HttpRequest, obj: Raffle | None = None) -> list[str]:
        """Return facts always, and the terms once they are fixed."""
        return self.facts + ([] if _is_draft(obj) else ["price", "possible", *Raffle.TERMS])

    def get_prepopulated_fields(self, request: HttpRequest, obj: Raffle | None = None) -> dict[str, Sequence[str]]:
        """Fill in the slug only if it can be edited."""
        return self.prepopulated_fields if _is_draft(obj) and self.has_change_permission(request, obj) else {}

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start with the delay that this installation promises."""
        return {"delay_seconds": settings.DRAW_DELAY_SECONDS, "currency": "GBP"} | super().get_changeform_initial_data(
            request
        )

    def has_delete_permission(self, request: HttpRequest, obj: Raffle | None = None) -> bool:
        """Allow it on drafts only: public promises stay on record."""
        return super().has_delete_permission(request, obj) and obj is not None and _is_draft(obj)

    def delete_model(self, request: HttpRequest, obj: Raffle) -> None:
        """Delete through the service, which audits it."""
        services.delete_raffle(obj.pk, actor=signed_in(request))

    def save_model(self, request: HttpRequest, obj: Raffle, form: Any, change: bool) -> None:
        """Save through the services, which audit it."""
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            services.update_raffle(obj.pk, actor=signed_in(request), **changes)
        else:
            obj.pk = services.create_raffle(prizes=[], actor=signed_in(request), **form.cleaned_data).pk
            obj._state.adding = False  # noqa: SLF001 the service saved it

    @admin.display(ordering="phase")
    def phase(self, raffle: Raffle) -> str:
        """Return the phase by the database's clock."""
        return Phase(raffle.phase).label if hasattr(raffle, "phase") else ""

    @admin.display(description="price per ticket", ordering="ticket_price")
    def price(self, raffle: Raffle) -> str:
        """Return the price with its currency."""
        return as_text(raffle.ticket_price, raffle.currency)

    @admin.display(description="answers to choose from")
    def possible(self, raffle: Raffle) -> Any:
        """Return the choices, one per line."""
        return format_html_join("", "<div>{}</div>", ([choice] for choice in raffle.choices)) or "-"

    @admin.display(ordering="counter__sold")
    def sold(self, raffle: Raffle) -> int:
        """Return how many numbers were given out."""
        return raffle.counter.sold if hasattr(raffle, "counter") else 0

    @admin.display(description="free entries", ordering="counter__postal")
    def postal(self, raffle: Raffle) -> int:
        """Return how many of them were free entries."""
        return raffle.counter.postal if hasattr(raffle, "counter") else 0

    @admin.display(description="reserved", ordering="counter__held")
    def held(self, raffle: Raffle) -> int:
        """Return how many are in a checkout right now."""
        return raffle.counter.held if hasattr(raffle, "counter") else 0

    @admin.display
    def tickets(self, raffle: Raffle) -> str:
        """Return the counter."""
        return str(raffle.counter) if hasattr(raffle, "counter") else "-"

    def response_add(self, request: HttpRequest, obj: Raffle, post_url_continue: str | None = None) -> HttpResponse:
        """Show how prices and times were understood."""
        self._echo(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Raffle) -> HttpResponse:
        """Show how prices and times were understood, while they can be changed."""
        if _is_draft(obj):
            self._echo(request, obj)
        return super().response_change(request, obj)

    def _echo(self, request: HttpRequest, raffle: Raffle) -> None:
        opens, closes = words.moment(raffle.opens_at), words.moment(raffle.closes_at)
        text = f"{as_text(raffle.ticket_price, raffle.currency)} per ticket, on sale from {opens} until {closes}."
        self.message_user(request, text, messages.INFO)

    @admin.action(description="Publish the selected drafts…", permissions=["publish"])
    def publish(self, request: HttpRequest, raffles: QuerySet[Raffle]) -> HttpResponse | None:
        """Show the terms of each draft in words; with `confirmed`, publish those unchanged since they were shown."""
        agreed = dict(each.split(" ", 1) for each in request.POST.getlist("terms") if " " in each)
        asks_again = [raffle for raffle in raffles if not self._publish(request, raffle, agreed)]
        if not asks_again:
            return None
        now = database_now()
        drafts = [
            {
                "raffle": raffle,
                "terms": list(words.in_words(raffle, now)),
                "digest": words.digest(raffle),
                "faults": services.faults_of_draft(raffle),
                "changed": str(raffle.pk) in agreed,
            }
            for raffle in asks_again
        ]
        context = self.admin_site.each_context(request) | {
            "title": "Publish: check the terms",
            "opts": self.opts,
            "raffles": drafts,
            "field": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/publish.html", context)

    def _publish(self, request: HttpRequest, raffle: Raffle, agreed: dict[str, str]) -> bool:
        """Return whether nothing is left to ask: it was published, or a message says why not."""
        try:
            with transaction.atomic():
                # Locked, so that nobody changes it between reading and publishing.
                raffle = Raffle.objects.select_for_update(no_key=True).get(pk=raffle.pk)
                if _is_draft(raffle) and agreed.get(str(raffle.pk)) != words.digest(raffle):
                    return False
                services.publish_raffle(raffle.pk, actor=signed_in(request))
            self.message_user(request, f"{raffle} was published.", messages.SUCCESS)
        except Problem as problem:
            faults = "; ".join(fault["detail"] for fault in problem.data.get("errors", []))
            self.message_user(request, f"{raffle}: {problem.detail} {faults}", messages.ERROR)
        return True

    @admin.action(description="Add to the conditions…", permissions=["publish"])
    def add_to_conditions(self, request: HttpRequest, raffles: QuerySet[Raffle]) -> HttpResponse | None:
        """Ask for the text; with `confirmed`, add it to each raffle."""
        form = AdditionForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            for raffle in raffles:
                try:
                    services.add_to_conditions(raffle.pk, actor=signed_in(request), **form.cleaned_data)
                    told = f"Added to the conditions of {raffle}. Everyone with tickets is being mailed."
                    self.message_user(request, told, messages.SUCCESS)
                except Problem as problem:
                    self.message_user(request, f"Not done: {raffle}. {problem.detail}", messages.ERROR)
            return None
        context = self.admin_site.each_context(request) | {
            "title": "Add to the conditions",
            "opts": self.opts,
            "raffles": raffles,
            "form": form,
            "field": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/addition.html", context)

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """Whether the person may publish: raffle managers."""
        return request.user.has_perm("raffles.publish_raffle")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the person may cancel: raffle managers."""
        return request.user.has_perm("raffles.cancel_raffle")
