"""Signing in with an account elsewhere, Supabase Auth, and taking the link to it away."""

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts import supabase
from accounts.errors import IdentityNotFound, PasswordWanted, SupabaseNotConfigured
from accounts.models import Identity, Preferences, User
from accounts.services.exclusions import carry_over_exclusion
from accounts.services.linking import SUPABASE, check_may_come, check_may_link, end_links, record_link, stop_linking
from accounts.services.newcomers import NEW_NAME, make_room
from accounts.services.second_factor import show_again
from accounts.services.signing_in import let_in
from accounts.tokens import TokenPair
from luxewin.audit.services import record


def log_in_with_supabase(*, access_token: str, user_agent: str) -> tuple[User, TokenPair]:
    """Lets in (as `let_in` does) whom the token is for; the first time it finds or makes their address's account.

    An account that is there already is linked once they are in: whoever owes a second factor has linked nothing yet.
    Raises SupabaseNotConfigured, TokenRefused, EmailNotVerified, SupabaseAway (503), AccountInactive, PasswordWanted
    for those who hold rights here or want nothing linked, and SecondFactorRequired for those who have one here:
    whatever they showed to Supabase is none of ours. Cost: a few statements; the first time two requests to Supabase.
    """
    if not settings.SUPABASE_URL:
        raise SupabaseNotConfigured("Signing in with Supabase is not set up here.")
    subject = supabase.subject_of(access_token)
    user = _known(subject)
    link = None if user else subject
    if user is None:
        user = _user_of(supabase.verified_person(access_token, subject))
    check_may_come(user)
    return user, let_in(user, user_agent=user_agent, link=link, by=SUPABASE.value)


def unlink_identity(user: User, identity_id: UUID, *, password: str, code: str = "", session: UUID) -> None:
    """That account elsewhere opens this one no more, nor does any other by its address; other devices are signed out.

    Raises InvalidInput for a wrong password or code (who has no password sets one first), TooManyRequests, and
    IdentityNotFound unless it is theirs.
    """
    if not Identity.objects.filter(pk=identity_id, user=user).exists():
        raise IdentityNotFound("You have no linked sign-in with this id.")
    show_again(user, password=password, code=code)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        stop_linking(user)
        end_links(user, because="unlinked", only=identity_id, staying=session)


def _known(subject: UUID) -> User | None:
    found = Identity.objects.select_related("user").filter(provider=SUPABASE, subject=subject).first()
    return found.user if found else None


def _user_of(person: supabase.Person) -> User:
    """The account that this person may sign in to."""
    try:
        return _found_or_made(person)
    except IntegrityError:
        # Addresses also come by a change of address and in the back office; the second look finds what they wrote.
        return _found_or_made(person)


@transaction.atomic
def _found_or_made(person: supabase.Person) -> User:
    """The address's, or a new one, which is theirs from the beginning.

    Raises as `check_may_link`, and PasswordWanted where another address of the mailbox has an account.
    """
    if known := _known(person.subject):
        return known
    holder = make_room(person.email)
    if holder is None:
        return _made(person)
    if holder.email != person.email:
        # That both reach one mailbox is how providers commonly work, and too little to open an account by.
        raise PasswordWanted(
            "You already have an account here with another spelling of your address. Sign in with its password."
        )
    check_may_link(holder)
    return holder


def _made(person: supabase.Person) -> User:
    user = User(email=person.email, display_name=person.name or NEW_NAME, email_verified_at=Now())
    user.set_unusable_password()
    user.save(force_insert=True)
    Preferences.objects.create(user=user)
    record("user.registered", user, actor=user, after={"by": SUPABASE.value})
    subject, email = person.subject, person.email
    record_link(Identity.objects.create(provider=SUPABASE, subject=subject, user=user, email=email))
    carry_over_exclusion(user)
    return user
