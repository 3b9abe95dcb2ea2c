"""A person's page in the back office: the API's services, a reason, the audit, mails, and nobody above oneself."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from accounts import services
from accounts.links import change_token
from accounts.models import Deletion, EmailChange, Notification, Session, User
from luxewin.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
PEOPLE = "/admin/accounts/user/"
REASON = "She sent a copy of her passport."


@pytest.fixture
def clerk(person) -> User:
    """May change people and their roles' pages, and has no other right."""
    clerk = person("clerk", role="support")
    names = ["change_user", "add_user", "delete_user", "change_group", "add_group", "view_session"]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    return clerk


@pytest.fixture
def root(person) -> User:
    root = person("root", is_superuser=True)
    User.objects.filter(pk=root.pk).update(is_staff=True)
    return root


@pytest.fixture
def desk() -> Callable[[User], Client]:
    """A member of staff at the back office."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def form(user: User, **changes: Any) -> dict[str, Any]:
    """What the page of a person sends."""
    names = ("email", "display_name", "date_of_birth", "country", "region")
    fields = {name: getattr(user, name) for name in names} | {"groups": [group.pk for group in user.groups.all()]}
    flags = {name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)}
    inline = {"preferences-TOTAL_FORMS": 0, "preferences-INITIAL_FORMS": 0}
    values = fields | flags | inline | {"reason": REASON} | changes
    return {name: value for name, value in values.items() if value is not None}


def save(client: Client, user: User, **changes: Any) -> Any:
    return client.post(f"{PEOPLE}{user.pk}/change/", form(user, **changes))


def state(user: User) -> dict[str, Any]:
    """All of a person that staff could reach."""
    row = User.objects.filter(pk=user.pk).values().get() | {"last_login": None}
    alive = Session.objects.filter(user=user).alive().count()
    return row | {"groups": sorted(user.groups.values_list("name", flat=True)), "sessions": alive}


def test_a_corrected_birth_date_and_country_are_audited_with_the_reason_and_told(alice, clerk, desk):
    assert save(desk(clerk), alice, date_of_birth="1991-02-03", country="ie").status_code == 302
    alice.refresh_from_db()
    assert (alice.date_of_birth, alice.country) == (date(1991, 2, 3), "IE")
    entry = AuditEntry.objects.get(action="user.updated")
    assert (entry.subject_id, entry.actor, entry.before) == (str(alice.pk), clerk.pk, {"country": "GB"})
    # What names a person stays out of the audit, which forgets nothing.
    changed = ["country", "date_of_birth"]
    assert entry.after == {"country": "IE", "changed": changed, "reason": REASON}
    assert Notification.objects.mails().get(user=alice).kind == "changed_by_staff"
    assert Notification.objects.mails().get(user=alice).context["changed"] == changed


@pytest.mark.parametrize("reason", ["", "   "])
def test_nothing_is_changed_without_a_reason(reason, alice, clerk, desk):
    before = state(alice)
    answer = save(desk(clerk), alice, country="IE", reason=reason)
    assert "reason" in answer.context["adminform"].form.errors
    assert state(alice) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("country", "XX"), ("country", "UK"), ("region", "US-WA"), ("region", "nowhere")),
        *(("date_of_birth", "2190-01-01"), ("date_of_birth", "1799-01-01"), ("date_of_birth", "soon")),
        *(("display_name", "Win at https://prize.example"), ("display_name", ""), ("email", "nobody")),
    ],
)
def test_what_the_api_refuses_the_page_refuses(field, value, alice, clerk, desk):
    before = state(alice)
    answer = save(desk(clerk), alice, **{field: value})
    assert field in answer.context["adminform"].form.errors
    assert state(alice) == before


def test_a_new_address_counts_once_its_mailbox_says_yes_and_both_are_told(alice, clerk, desk):
    assert save(desk(clerk), alice, email="Alice-New@example.com").status_code == 302
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    told = {each.kind: each.context.get("to", alice.email) for each in Notification.objects.mails().filter(user=alice)}
    assert told == {"email_change_told": "alice@example.com", "email_change_new": "alice-new@example.com"}
    entry = AuditEntry.objects.get(action="user.email_change_requested")
    assert (entry.actor, entry.after) == (clerk.pk, {"by": "support", "reason": REASON})
    change = EmailChange.objects.get(user=alice)
    assert services.confirm_email_change(token=change_token(change.pk.hex, "new")) is True
    alice.refresh_from_db()
    assert alice.email == "alice-new@example.com"
    assert Notification.objects.mails().get(user=alice, kind="email_changed").context["to"] == "alice@example.com"


def test_staff_give_nobody_an_address_that_has_an_account(alice, bob, clerk, desk):
    answer = save(desk(clerk), alice, email="Bob@example.com")
    assert "email" in answer.context["adminform"].form.errors
    assert not EmailChange.objects.exists()


def test_a_page_saved_as_it_is_writes_nothing(alice, root, desk):
    before = state(alice)
    assert save(desk(root), alice).status_code == 302
    assert state(alice) == before
    assert not AuditEntry.objects.filter(subject_id=str(alice.pk)).exclude(action__contains="group").exists()
    assert not Notification.objects.mails().exists()


def test_whoever_may_change_people_gives_themselves_nothing(clerk, desk, api):
    before = state(clerk)
    finance = Group.objects.get(name="finance").pk
    assert save(desk(clerk), clerk, is_superuser="on", groups=[finance]).status_code == 403
    answer = desk(clerk).post(f"{PEOPLE}{clerk.pk}/password/", {"password1": "x", "password2": "x", "reason": REASON})
    assert answer.status_code == 403
    assert state(clerk) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"is_superuser": "on"},
        {"user_permissions": ["refund"]},
        {"groups": ["finance"]},
        {"groups": ["support", "finance"]},
        {"password": "pbkdf2_sha256$1$x$y", "email_verified_at": "", "is_active": "", "id": "1", "last_login": ""},
    ],
)
def test_nobody_gives_a_right_that_they_lack_shown_or_not(changes, alice, clerk, desk):
    before = state(alice)
    ids = {"refund": Permission.objects.get(codename="refund_purchase").pk}
    ids |= {group.name: group.pk for group in Group.objects.all()}
    sent = {
        name: [ids[each] for each in value] if isinstance(value, list) else value for name, value in changes.items()
    }
    save(desk(clerk), alice, **sent)
    assert state(alice) == before
    assert not User.objects.get(pk=alice.pk).has_perm("purchases.refund_purchase")


def test_a_role_whose_every_right_one_has_can_be_given_and_taken(alice, clerk, desk):
    support = Group.objects.get(name="support")
    assert save(desk(clerk), alice, groups=[support.pk], is_staff="on").status_code == 302
    assert (state(alice)["groups"], state(alice)["is_staff"]) == (["support"], True)
    entry = AuditEntry.objects.get(action="user.rights_set")
    assert entry.before == {"is_staff": False, "groups": []}
    assert entry.after == {"is_staff": True, "groups": ["support"], "reason": REASON}
    alice.refresh_from_db()
    assert save(desk(clerk), alice, groups=None, is_staff=None).status_code == 302
    assert (state(alice)["groups"], state(alice)["is_staff"]) == ([], False)


def _is_deactivated(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("who", ["root", "fiona", "a closed superuser"])
def test_nobody_touches_somebody_with_more_rights(who, clerk, desk, request, api):
    above = request.getfixturevalue("root" if "super" in who else who)
    api(above)
    if "closed" in who:
        _is_deactivated(above)
    before = state(above)
    client = desk(clerk)
    for changes in ({"email": "clerk-2@example.com"}, {"country": "IE"}, {"groups": None}, {"is_staff": None}):
        assert save(client, above, **changes).status_code == 403
    words = {"password1": "wet-Otter-7-lamps", "password2": "wet-Otter-7-lamps", "reason": REASON}
    assert client.post(f"{PEOPLE}{above.pk}/password/", words).status_code == 403
    for action in ("forget", "export", "close", "reopen"):
        sent = {"action": action, "_selected_action": [str(above.pk)], "confirmed": "1", "reason": REASON}
        assert "rights that you do not have" in client.post(PEOPLE, sent, follow=True).content.decode()
    for session in Session.objects.filter(user=above):
        sent = {"action": "end", "_selected_action": [str(session.pk)], "confirmed": "1", "reason": REASON}
        client.post("/admin/accounts/session/", sent)
    wish = {"email": above.email, "wish": "for good", "reason": REASON, "confirmed": "1"}
    client.post("/admin/accounts/safeguards/add/", wish)
    assert state(above) == before
    assert not Deletion.objects.exists()
    assert not AuditEntry.objects.filter(actor=clerk.pk).exists()


def test_nobody_edits_a_role(clerk, root, desk):
    mine = Group.objects.get(name="support")
    wanted = {"name": "support", "permissions": [Permission.objects.get(codename="refund_purchase").pk]}
    for client in (desk(clerk), desk(root)):
        assert client.post(f"/admin/auth/group/{mine.pk}/change/", wanted).status_code == 403
        assert client.post("/admin/auth/group/add/", wanted | {"name": "mine"}).status_code == 403
    assert not mine.permissions.filter(codename="refund_purchase").exists()


def test_nobody_deletes_a_row_or_changes_preferences(alice, clerk, root, desk):
    for client in (desk(clerk), desk(root)):
        assert client.post(f"{PEOPLE}{alice.pk}/delete/", {"post": "yes"}).status_code == 403
        sent = {"action": "delete_selected", "_selected_action": [str(alice.pk)], "post": "yes"}
        client.post(PEOPLE, sent)
        inline = {"preferences-TOTAL_FORMS": 1, "preferences-INITIAL_FORMS": 1}
        inline |= {"preferences-0-user": str(alice.pk), "preferences-0-winner_name": "full"}
        save(client, alice, **inline)
    alice.refresh_from_db()
    assert alice.preferences.winner_name == "initials"


def test_a_new_account_has_a_reason_a_mail_and_no_password(root, desk):
    sent = {"email": "New@example.com", "display_name": "New", "reason": "Our new colleague."}
    assert "reason" in desk(root).post(f"{PEOPLE}add/", sent | {"reason": ""}).context["adminform"].form.errors
    assert desk(root).post(f"{PEOPLE}add/", sent).status_code == 302
    made = User.objects.get(email="new@example.com")
    assert (made.has_usable_password(), made.has_verified_email, made.is_staff) == (False, False, False)
    assert Notification.objects.mails().get(user=made).kind == "verify_email"
    entry = AuditEntry.objects.get(action="user.added")
    assert (entry.subject_id, entry.actor, entry.after) == (str(made.pk), root.pk, {"reason": "Our new colleague."})


@pytest.mark.parametrize(
    ("action", "means"),
    [
        ("forget", "In two weeks all personal details are erased"),
        ("export", "The link is sent to the person, not to you"),
        ("close", "undoes this"),
    ],
)
def test_an_action_asks_for_a_reason_and_says_what_it_means_first(action, means, alice, root, desk):
    before = state(alice)
    sent = {"action": action, "_selected_action": [str(alice.pk)]}
    assert means in desk(root).post(PEOPLE, sent).content.decode()
    assert "This field is required" in desk(root).post(PEOPLE, sent | {"confirmed": "1"}).content.decode()
    assert state(alice) == before
    assert not Deletion.objects.exists()


def test_staff_take_back_a_deletion_that_waits(alice, root, desk, api):
    api(alice)
    for action in ("forget", "reopen"):
        sent = {"action": action, "_selected_action": [str(alice.pk)], "confirmed": "1", "reason": REASON}
        desk(root).post(PEOPLE, sent)
    alice.refresh_from_db()
    assert (alice.is_active, Deletion.objects.get().status) == (True, "cancelled")
    actions = ("user.deletion_requested", "user.deletion_cancelled", "user.reopened")
    assert {each.action for each in AuditEntry.objects.filter(actor=root.pk, action__in=actions)} == set(actions)
    assert AuditEntry.objects.get(action="user.reopened").after == {"reason": REASON}
    assert state(alice)["sessions"] == 0


def test_what_is_erased_is_not_written_over(alice, root, desk):
    services.request_deletion(alice, actor=alice)
    User.objects.filter(pk=alice.pk).update(email="deleted-1@deleted.invalid")
    before = state(alice)
    alice.refresh_from_db()
    assert save(desk(root), alice, display_name="Alice").status_code == 403
    sent = {"action": "reopen", "_selected_action": [str(alice.pk)], "confirmed": "1", "reason": REASON}
    assert "was erased" in desk(root).post(PEOPLE, sent, follow=True).content.decode()
    assert state(alice) == before


def test_staff_see_who_may_have_a_second_account(alice, bob, sam, desk):
    User.objects.filter(pk=bob.pk).update(display_name="ALICE")
    assert f"{bob.email}" in desk(sam).get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    shown = desk(sam).get("/admin/accounts/user/").context["cl"].result_list
    assert {user.pk for user in shown if user.has_double} == {alice.pk, bob.pk}
