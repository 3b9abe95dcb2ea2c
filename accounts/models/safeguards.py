"""Safeguards of buyers: their own limits, pauses and exclusions, rules of countries, terms.

No worker switches anything here: each row says from when or until when, and the database's clock decides.
"""

from typing import Any

from django.db import models
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Now

from accounts.models.people import User
from luxewin.lines import LineField
from luxewin.tasks.models import Claimable

REGION = r"^[A-Z]{2}-[A-Z0-9]{1,3}$"


class Safeguards(models.Model):
    """Until when a person may not buy, by their own choice. A trigger refuses to shorten or remove one in force."""

    user = models.OneToOneField(User, models.PROTECT, primary_key=True, related_name="safeguards")
    paused_until = models.DateTimeField(null=True)
    excluded_until = models.DateTimeField(null=True)
    excluded_forever = models.BooleanField("excluded permanently", default=False, db_default=False)

    class Meta:
        verbose_name = "pause or exclusion"
        verbose_name_plural = "pauses and exclusions"

    def __str__(self) -> str:
        return f"Pause and exclusion of {self.user_id}"


class SpendLimitQuerySet(QuerySet[Any]):
    """Spend limits."""

    def as_they_stand(self) -> "SpendLimitQuerySet":
        """Add `limit` (none: no limit) and `is_waiting`, whether a raise waits, by the database's clock."""
        began = Q(next_from__lte=Now())
        is_waiting = Case(When(next_from__gt=Now(), then=True), default=False, output_field=models.BooleanField())
        return self.annotate(limit=Case(When(began, then=F("next_amount")), default=F("amount")), is_waiting=is_waiting)


class SpendLimit(models.Model):
    """The most a person wants to spend in a calendar month (UTC) in one currency; none is no limit.

    While one currency has a limit, currencies without a row have a limit of 0.
    """

    user = models.ForeignKey(User, models.PROTECT, related_name="spend_limits", db_index=False)
    currency = models.CharField(max_length=3)
    amount = models.PositiveBigIntegerField(null=True, help_text="In the unit that Stripe uses: 500 is 5.00 GBP.")
    next_amount = models.PositiveBigIntegerField(null=True, help_text="The limit from `next_from` on.")
    next_from = models.DateTimeField("rises at", null=True)

    objects = SpendLimitQuerySet.as_manager()

    class Meta:
        verbose_name = "monthly spending limit"
        constraints = [
            models.UniqueConstraint(fields=["user", "currency"], name="spend_limit_user_currency"),
            models.CheckConstraint(
                condition=Q(next_from__isnull=False) | Q(next_amount=None), name="spend_limit_next_has_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} a month"


class CountryRule(models.Model):
    """Whether residents of a country, or of one of its regions, may buy, and from which age.

    Of the rules that have begun, the newest of the person's region decides alone; without one, the newest of the
    country; without that, everybody of MINIMUM_AGE may buy. A rule is never changed: a newer one replaces it.
    """

    country = models.CharField(max_length=2, help_text="Two-letter code (ISO 3166-1), for example GB.")
    region = models.CharField(
        max_length=6,
        blank=True,
        help_text="Code (ISO 3166-2), for example US-WA. Leave it empty for the whole country.",
    )
    allowed = models.BooleanField("people may buy", default=True)
    minimum_age = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Only if it is higher than the minimum age that applies everywhere."
    )
    reason = LineField(max_length=200, help_text="Shown to people who cannot buy because of this rule.")
    effective_from = models.DateTimeField(help_text="In UTC.")

    class Meta:
        ordering = ["country", "region", "-effective_from"]
        constraints = [
            models.UniqueConstraint(fields=["country", "region", "effective_from"], name="country_rule_once"),
            models.CheckConstraint(
                condition=Q(region="") | Q(region__regex=REGION, region__startswith=F("country")),
                name="country_rule_region_of_country",
            ),
        ]

    def __str__(self) -> str:
        age = f", minimum age {self.minimum_age}" if self.minimum_age else ""
        return f"{self.region or self.country}: {'allowed' if self.allowed else 'not allowed'}{age}"


class Terms(models.Model):
    """A version of the terms of sale. Buyers must have accepted the newest in force; none ever changes."""

    version = LineField(max_length=40, unique=True, help_text="For example 2026-11.")
    url = models.URLField("web address", help_text="Where this version can be read permanently.")
    effective_from = models.DateTimeField(unique=True, help_text="In UTC. Earlier purchases are not affected.")
    published_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-effective_from"]
        verbose_name = "version of the terms of sale"
        verbose_name_plural = "terms of sale"

    def __str__(self) -> str:
        return self.version


class TermsAcceptance(models.Model):
    """A person's acceptance of a version, when and from where. Append-only; only the address can be erased."""

    user = models.ForeignKey(User, models.PROTECT, related_name="accepted_terms", db_index=False)
    terms = models.ForeignKey(Terms, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(db_default=Now())
    address = models.GenericIPAddressField("IP address", null=True)

    class Meta:
        verbose_name = "acceptance of the terms"
        verbose_name_plural = "acceptances of the terms"
        constraints = [models.UniqueConstraint(fields=["user", "terms"], name="terms_accepted_once")]

    def __str__(self) -> str:
        return f"{self.user_id} accepted {self.terms_id}"


class EligibilityChange(Claimable):
    """A change of a person's profile or safeguards; their open checkouts have not been checked since.

    Written by triggers of the tables that decide eligibility (accounts/sql/note_eligibility_change.sql), so that no way
    of changing them is missed.
    """

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="+")
    noted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.user_id} changed at {self.noted_at:%Y-%m-%d %H:%M:%S}"
