"""People in the back office: every change goes through the services of the API, with a reason."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from iso3166 import countries_by_alpha2

from accounts import services
from accounts.addresses import mailbox_key
from accounts.admin.people_forms import NewPersonForm, PersonForm, PersonPasswordForm
from accounts.admin_actions import reasoned
from accounts.authority import givable_groups, has_authority
from accounts.back_office.filters import known
from accounts.back_office.forms import KEPT, REASON, add_problem
from accounts.models import BlockedAddress, EmailChange, Preferences, User
from accounts.permissions import signed_in
from luxewin.api.problems import Problem
from luxewin.api.ratelimits import count_request

FACTS = {"display_name", "date_of_birth", "country", "region"}
RIGHTS = {"is_staff", "is_superuser", "groups"}


class PreferencesInline(admin.StackedInline):
    """A person's preferences on their page, read-only: only the person may change them."""

    model = Preferences
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _export(person: User, reason: str, actor: User) -> str:
    services.request_export(person, actor=actor, reason=reason)
    return f"{person}: they will get an e-mail with a link to their data."


def _forget(person: User, reason: str, actor: User) -> str:
    deletion = services.request_deletion(person, actor=actor, reason=reason)
    return f"{person}: the account was closed and will be erased on {deletion.due_at:%Y-%m-%d}."


def _close(person: User, reason: str, actor: User) -> str:
    services.close_account(person, actor=actor, reason=reason)
    return f"{person}: the account was closed."


def _reopen(person: User, reason: str, actor: User) -> str:
    services.reopen_account(person, actor=actor, reason=reason)
    return f"{person}: the account was reopened."


def _block(person: User, reason: str, actor: User) -> str:
    services.block_address(person, reason=reason, actor=actor)
    return f"{person}: no more mails go to this address."


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    """A person; rights are given through groups. Staff cannot edit themselves, nor anybody with more rights."""

    form = PersonForm
    add_form = NewPersonForm
    add_form_template = None
    list_display = [
        "email",
        "display_name",
        "country",
        "has_verified_email",
        "is_staff",
        "is_active",
        "joined_at",
        "double",
    ]
    list_filter = [
        "is_staff",
        "is_active",
        "groups",
        ("country", known(lambda: sorted(countries_by_alpha2))),
        ("mailbox", admin.EmptyFieldListFilter),
    ]
    search_fields = ["email", "display_name", "id"]
    ordering = ["-joined_at"]
    readonly_fields = [
        "id",
        "new_email",
        "mails",
        "likely_doubles",
        "is_active",
        "email_verified_at",
        "joined_at",
        "last_login",
    ]
    filter_horizontal = ["groups"]
    inlines = [PreferencesInline]
    fieldsets = [
        (None, {"fields": ["id", "email", "new_email", "mails", "password"]}),
        ("Person", {"fields": ["display_name", "date_of_birth", "country", "region", "likely_doubles"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups"]}),
        ("Dates", {"fields": ["email_verified_at", "joined_at", "last_login"]}),
        ("Reason for this change", {"fields": ["reason"]}),
    ]
    add_fieldsets = [
        (
            None,
            {
                "fields": ["email", "display_name", "reason"],
                "description": "The person gets an e-mail with a link to verify the address and set a password.",
            },
        )
    ]
    actions = [
        reasoned(
            "export",
            "Send the person a copy of their data (written request)",
            _export,
            permission="export",
            label=str,
            reaches=REASON,
            means="The link is sent to the person, not to you. It works for a week.",
        ),
        reasoned(
            "forget",
            "Delete the account (written request)",
            _forget,
            permission="forget",
            label=str,
            reaches=REASON,
            means=(
                "The account is closed now: nobody can sign in, and every device is signed out. In two weeks all "
                "personal details are erased permanently. Until then the person can undo this with the link in their "
                "e-mail, and staff who may change people with “Reopen the account”."
            ),
        ),
        reasoned(
            "close",
            "Close the account",
            _close,
            permission="change",
            label=str,
            reaches=REASON,
            means=(
                "Nobody can sign in, and every device is signed out. The person is told by e-mail and keeps their "
                "tickets. If they asked for a deletion, they can no longer cancel it with their link. “Reopen the "
                "account” undoes this."
            ),
        ),
        reasoned(
            "reopen",
            "Reopen the account",
            _reopen,
            permission="change",
            label=str,
            reaches=REASON,
            means="The person can sign in again and is told by e-mail. A waiting deletion is cancelled.",
        ),
        reasoned(
            "block_address",
            "Send no mails to the address",
            _block,
            permission="block_address",
            label=str,
            reaches=KEPT,
            means=(
                "No mail at all goes to this address any more, not even a link to set a new password or that they won. "
                "Their inbox goes on. The list of blocked addresses undoes this."
            ),
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Let only superusers make superusers."""
        fields = list(super().get_readonly_fields(request, obj))
        return fields if signed_in(request).is_superuser else [*fields, "is_superuser"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the reason if nothing can be changed."""
        shown = super().get_fieldsets(request, obj)
        return shown if obj is None or self.has_change_permission(request, obj) else shown[:-1]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Leave out preferences for a new account, which has none yet."""
        return super().get_inlines(request, obj) if obj else []

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:  # type: ignore[override]
        """Offer only roles that give no more than the actor's own rights."""
        if db_field.name == "groups":
            kwargs["queryset"] = givable_groups(signed_in(request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whether it is neither the actor, nor erased, nor a person with a right that the actor lacks."""
        if not super().has_change_permission(request, obj):
            return False
        actor = signed_in(request)
        return obj is None or (obj.pk != actor.pk and not obj.is_deleted and has_authority(actor, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: people are deleted by the action."""
        return False

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.start_export")

    def has_block_address_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.resend_notification")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.start_deletion")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a refusal of a service after the form was checked; then nothing is written."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Problem as refusal:
            self.message_user(request, f"Nothing was changed. {refusal.detail}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save through the services, each of which locks, checks, audits and notifies the person."""
        given, by = form.cleaned_data, {"actor": signed_in(request), "reason": form.cleaned_data["reason"]}
        if not change:
            obj.pk = services.add_person(email=given["email"], display_name=given["display_name"], **by).pk
        else:
            self._change(request, User(pk=obj.pk), form.changed_facts(), given, by)
        obj.refresh_from_db()

    def _change(self, request: HttpRequest, person: User, changed: set[str], given: Any, by: Any) -> None:
        if facts := {name: given[name] for name in changed & FACTS}:
            services.correct_profile(person, **facts, **by)
        if changed & RIGHTS:
            known = User.objects.get(pk=person.pk)
            flags = {name: given.get(name, getattr(known, name)) for name in ("is_staff", "is_superuser")}
            services.set_rights(person, **flags, groups=given["groups"], **by)
        if "email" in changed:
            services.change_email_for(person, email=given["email"], **by)
            text = f"A link was sent to {given['email']}. The address changes when the link is opened."
            self.message_user(request, text, messages.WARNING)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Skip Django's groups, which a service has set."""
        for formset in formsets:
            formset.save()

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """Replace Django's page: set a new password or remove it, by a service."""
        person = self.get_object(request, unquote(id))
        if person is None:
            raise Http404
        if not self.has_change_permission(request, person):
            raise PermissionDenied
        form = PersonPasswordForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and self._set_password(request, person, form):
            self.log_change(request, person, "Password set.")
            self.message_user(request, f"{person} was signed out everywhere and told by e-mail.", messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[person.pk]))
        facts = {"title": f"Set the password of {person}", "form": form, "opts": self.opts, "original": person}
        context = self.admin_site.each_context(request) | facts
        return TemplateResponse(request, "admin/accounts/password.html", context)

    def _set_password(self, request: HttpRequest, person: User, form: PersonPasswordForm) -> bool:
        actor, reason = signed_in(request), form.cleaned_data["reason"]
        try:
            count_request(request, group="passwords set by staff", key="user", rate="30/h")
            services.set_password_for(person, password=form.new_password(), actor=actor, reason=reason)
        except Problem as refusal:
            add_problem(form, refusal, password="password1")  # noqa: S106 the name of a field
            return False
        return True

    def get_queryset(self, request: HttpRequest) -> Any:
        """Add whether somebody else has the same name and date of birth. Cost: one index look-up per row."""
        same = User.objects.likely_doubles_of(OuterRef("pk"), OuterRef("display_name"), OuterRef("date_of_birth"))
        return super().get_queryset(request).annotate(has_double=Exists(same))

    @admin.display(boolean=True, description="possible duplicate")
    def double(self, user: Any) -> bool:
        """Whether somebody else has the same name and date of birth."""
        return bool(user.has_double)

    @admin.display(description="accounts with the same name and date of birth, or the same mailbox")
    def likely_doubles(self, user: User) -> str:
        """Return other accounts that may be the same person's."""
        if user.date_of_birth is None:
            return "-"
        same = User.objects.likely_doubles_of(user.pk, user.display_name, user.date_of_birth)
        others = {other.email for other in same[:20]}
        if user.mailbox is None:
            others |= {each.email for each in User.objects.filter(mailbox=mailbox_key(user.email))}
        return ", ".join(sorted(others)) or "-"

    @admin.display(boolean=True, description="verified")
    def has_verified_email(self, user: User) -> bool:
        return user.has_verified_email

    @admin.display(description="mails to this address")
    def mails(self, user: User) -> str:
        """Return since when and why none are sent, if so."""
        blocked = BlockedAddress.objects.filter(email=user.email).first()
        if blocked is None:
            return "are sent"
        return f"are not sent since {blocked.created_at:%Y-%m-%d}: {blocked.get_because_display()}. {blocked.detail}"

    @admin.display(description="new e-mail address")
    def new_email(self, user: User) -> str:
        """Return the address that waits for its mailbox, and perhaps for the old one."""
        waiting = EmailChange.objects.filter(user=user).first()
        return f"{waiting.email}, waiting for the link in the e-mail to be opened" if waiting else "-"
