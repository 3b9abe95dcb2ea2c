"""Terms of sale and rules of countries. Neither ever changes; newer ones replace them."""

from django.db import transaction
from django.db.models.functions import Now

from accounts.models import CountryRule, Terms, TermsAcceptance, User
from accounts.notifications import notify_all
from luxewin.api.problems import InvalidInput
from luxewin.api.requests import current_request
from luxewin.audit.services import Actor, record
from luxewin.database import in_batches
from luxewin.tasks.queue import enqueue


def terms_in_force() -> Terms | None:
    """Return the newest terms that have begun, if any. Cost: one query."""
    return Terms.objects.filter(effective_from__lte=Now()).order_by("-effective_from").first()


def accept_terms(user: User, *, version: str, field: str = "version") -> TermsAcceptance:
    """Record that this person accepts this version, with time and address. Idempotent.

    Raise InvalidInput for `field` unless it is the version in force.
    """
    terms = terms_in_force()
    if terms is None or terms.version != version:
        said = f"The terms in force are {terms.version}." if terms else "No terms are in force."
        raise InvalidInput.of(field, "not_in_force", said)
    with transaction.atomic():
        address = current_request().address
        acceptance, is_new = TermsAcceptance.objects.get_or_create(
            user=user, terms=terms, defaults={"address": address}
        )
        if is_new:
            record("terms.accepted", user, actor=user, after={"version": version})
    return acceptance


def publish_terms(terms: Terms, *, actor: Actor) -> Terms:
    """Publish a new version, in force from its time on. It can neither be changed nor withdrawn.

    Everybody who accepted an earlier one is told by a task.
    """
    with transaction.atomic():
        terms.save(force_insert=True)
        after = {"version": terms.version, "url": terms.url, "effective_from": terms.effective_from.isoformat()}
        record("terms.published", terms, actor=actor, after=after)
        enqueue(tell_of_new_terms, str(terms.pk))
    return terms


def tell_of_new_terms(terms_id: str) -> None:
    """Notify everybody who accepted an earlier version; nobody twice, however often it runs. A task."""
    terms = Terms.objects.get(pk=terms_id)
    news = {"version": terms.version, "url": terms.url, "begins": terms.effective_from.isoformat()}
    accepted = TermsAcceptance.objects.exclude(terms=terms).values("user")
    people = in_batches(User.objects.filter(pk__in=accepted, is_active=True))
    notify_all("terms_changed", ((person, terms.pk, news) for person in people))


def set_country_rule(rule: CountryRule, *, actor: Actor) -> CountryRule:
    """Add a rule that replaces, from its time on, the one before for its country or region."""
    with transaction.atomic():
        rule.save(force_insert=True)
        after = {name: getattr(rule, name) for name in ("country", "region", "allowed", "minimum_age", "reason")}
        after["effective_from"] = rule.effective_from.isoformat()
        record("country_rule.set", rule, actor=actor, after=after)
    return rule
