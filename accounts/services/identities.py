"""Sign-in with an account elsewhere (Supabase Auth), and removal of the link to it."""

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts import supabase
from accounts.errors import IdentityNotFound, PasswordWanted, SupabaseNotConfigured
from accounts.models import Identity, Preferences, User
from accounts.services.exclusions import carry_over_exclusion
from accounts.services.linking import SUPABASE, check_may_come, check_may_link, end_links, record_link, stop_linking
from accounts.services.second_factor import reauthenticate
from accounts.services.signing_in import finish_sign_in
from accounts.services.unclaimed import NEW_NAME, release_unverified_email
from accounts.tokens import TokenPair
from luxewin.audit.services import record


def log_in_with_supabase(*, access_token: str, user_agent: str) -> tuple[User, TokenPair]:
    """Sign in the person of the token, as `finish_sign_in` does; at first, find or make the account of their address.

    An existing account is linked only after the sign-in succeeds, second factor included. Raise SupabaseNotConfigured,
    TokenRefused, EmailNotVerified, SupabaseAway (503), AccountInactive, PasswordWanted for people with rights here or
    who switched linking off, and SecondFactorRequired for people with a second factor here: a second factor at Supabase
    does not count. Cost: a few statements; the first time two requests to Supabase.
    """
    if not settings.SUPABASE_URL:
        raise SupabaseNotConfigured("Signing in with Supabase is not set up here.")
    subject = supabase.subject_of(access_token)
    user = _known(subject)
    link = None if user else subject
    if user is None:
        user = _user_of(supabase.verified_person(access_token, subject))
    check_may_come(user)
    return user, finish_sign_in(user, user_agent=user_agent, link=link, by=SUPABASE.value)


def unlink_identity(user: User, identity_id: UUID, *, password: str, code: str = "", session: UUID) -> None:
    """Remove the link to an account elsewhere, block new links by address, and sign other devices out.

    Raise InvalidInput for a wrong password or code (people without a password set one first), TooManyRequests, and
    IdentityNotFound unless the link is theirs.
    """
    if not Identity.objects.filter(pk=identity_id, user=user).exists():
        raise IdentityNotFound("You have no linked sign-in with this id.")
    reauthenticate(user, password=password, code=code)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        stop_linking(user)
        end_links(user, because="unlinked", only=identity_id, staying=session)


def _known(subject: UUID) -> User | None:
    found = Identity.objects.select_related("user").filter(provider=SUPABASE, subject=subject).first()
    return found.user if found else None


def _user_of(person: supabase.Person) -> User:
    """Return the account that this person may sign in to."""
    try:
        return _found_or_made(person)
    except IntegrityError:
        # The address may also come from a change of address or the back office; the second try finds it.
        return _found_or_made(person)


@transaction.atomic
def _found_or_made(person: supabase.Person) -> User:
    """Return the account of the address, or make one that is verified from the start.

    Raise as `check_may_link`, and PasswordWanted if another address of the mailbox has an account.
    """
    if known := _known(person.subject):
        return known
    holder = release_unverified_email(person.email)
    if holder is None:
        return _made(person)
    if holder.email != person.email:
        # A shared mailbox is a convention of providers, not enough proof to open an account.
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
