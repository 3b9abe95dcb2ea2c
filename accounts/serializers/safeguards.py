"""Serializers of safeguards."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.eligibility import Eligibility, eligibility_of, reasons
from accounts.errors import SpendLimitReached
from accounts.models import SpendLimit, Terms
from accounts.serializers.fields import LimitCurrencyField, PasswordField
from accounts.services.safeguards import (
    MAX_EXCLUSION_MONTHS,
    MAX_PAUSE_HOURS,
    MIN_EXCLUSION_MONTHS,
    MIN_PAUSE_HOURS,
)
from accounts.spending_limits import spent_by
from luxewin.api.fields import WholeNumber
from luxewin.api.serializers import InputSerializer
from luxewin.currencies import is_currency
from luxewin.money import as_text

# The largest number that the database column holds.
MAX_LIMIT = 10**15


class ReasonSerializer(serializers.Serializer):
    """One reason why you cannot buy, as in the refusal of `purchases/create`."""

    code = serializers.CharField()
    detail = serializers.CharField()
    currency = serializers.CharField(
        allow_null=True, help_text="The only currency that this is about. Null for all currencies."
    )


class SpendLimitSerializer(serializers.Serializer):
    """The limit of a calendar month (UTC), in Stripe's unit, like the prices of raffles."""

    currency = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True, help_text="Null if there is no limit.")
    spent = serializers.IntegerField(help_text="Paid or reserved this month.")
    left = serializers.IntegerField(allow_null=True)
    next_limit = serializers.IntegerField(allow_null=True, help_text="The limit from `next_from` on.")
    next_from = serializers.DateTimeField(allow_null=True, help_text="Null if no raise is waiting.")


class AcceptedTermsSerializer(serializers.Serializer):
    """The terms in force; all null while none are."""

    version = serializers.CharField(allow_null=True)
    url = serializers.CharField(allow_null=True)
    accepted = serializers.BooleanField(allow_null=True)


class SafeguardsSerializer(serializers.Serializer):
    """Whether you may buy, and the safeguards you have set up."""

    may_buy = serializers.BooleanField(help_text="Whether the person can buy in at least one currency.")
    may_buy_in = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="The currencies in which monthly limits leave something. Null if no limit is in force.",
    )
    reasons = ReasonSerializer(many=True)
    minimum_age = serializers.IntegerField(help_text="Where the person lives.")
    old_enough = serializers.BooleanField(allow_null=True, help_text="Null if the date of birth is not known.")
    country_allowed = serializers.BooleanField()
    spend_limits = SpendLimitSerializer(
        many=True, help_text="If one currency has a limit, nothing can be bought in currencies without one."
    )
    paused_until = serializers.DateTimeField(allow_null=True)
    excluded_until = serializers.DateTimeField(allow_null=True)
    excluded_forever = serializers.BooleanField()
    terms = AcceptedTermsSerializer()


class LimitSerializer(InputSerializer):
    """The monthly limit to set."""

    currency = LimitCurrencyField()
    limit = WholeNumber(
        min_value=0,
        max_value=MAX_LIMIT,
        allow_null=True,
        help_text="In the unit that Stripe uses. Null removes the limit after 24 hours.",
    )


class PauseSerializer(InputSerializer):
    """The pause to set up."""

    hours = WholeNumber(min_value=MIN_PAUSE_HOURS, max_value=MAX_PAUSE_HOURS, help_text="From now on.")


class ExclusionSerializer(InputSerializer):
    """The exclusion to set up."""

    months = WholeNumber(
        min_value=MIN_EXCLUSION_MONTHS,
        max_value=MAX_EXCLUSION_MONTHS,
        allow_null=True,
        help_text="Null for a permanent exclusion.",
    )
    password = PasswordField(required=False, help_text="Required if the account has a password.")


class TermsSerializer(serializers.ModelSerializer):
    """A version of the terms of sale."""

    class Meta:
        model = Terms
        fields = ["version", "url", "effective_from"]


class AcceptSerializer(InputSerializer):
    """The version to accept."""

    version = serializers.CharField(max_length=40)


def safeguards_of(user_id: UUID) -> dict[str, Any]:
    """Return all that `SafeguardsSerializer` shows. Cost: one statement, three with a limit."""
    eligibility = eligibility_of(user_id)
    limits = _limits(eligibility)
    found = [{"code": each.code, "detail": each.detail, "currency": None} for each in reasons(eligibility)]
    may_buy_in = _with_room(limits) if eligibility.is_limited else None
    found += _spent(limits, may_buy_in)
    shown = {name: getattr(eligibility, name) for name in ("minimum_age", "paused_until", "excluded_until")}
    shown |= {
        "may_buy": all(each["currency"] for each in found),
        "may_buy_in": may_buy_in,
        "reasons": found,
        "old_enough": None if eligibility.age is None else eligibility.age >= eligibility.minimum_age,
        "country_allowed": eligibility.is_allowed,
        "excluded_forever": eligibility.excluded_forever,
        "spend_limits": limits,
        "terms": {
            "version": eligibility.terms_version,
            "url": eligibility.terms_url,
            "accepted": eligibility.has_accepted,
        },
    }
    return dict(SafeguardsSerializer(shown).data)


def _with_room(limits: list[dict[str, Any]]) -> list[str]:
    """Return the chargeable currencies with a limit row and something left, or whose limit was removed."""
    return [each["currency"] for each in limits if each["left"] != 0 and is_currency(each["currency"])]


def _spent(limits: list[dict[str, Any]], may_buy_in: list[str] | None) -> list[dict[str, Any]]:
    """Return the refusals for used-up limits: per currency, and for all currencies."""
    code = SpendLimitReached.code
    found: list[dict[str, Any]] = [
        {
            "code": code,
            "detail": f"You have reached your monthly limit of {as_text(each['limit'], each['currency'])}.",
            "currency": each["currency"],
        }
        for each in limits
        if each["left"] == 0
    ]
    if may_buy_in == []:
        text = "You have reached your monthly limits. In currencies without a limit you cannot buy."
        found.append({"code": code, "detail": text, "currency": None})
    return found


def _limits(eligibility: Eligibility) -> list[dict[str, Any]]:
    if not eligibility.is_limited:
        return []
    spent = spent_by(eligibility.user_id)
    limits = SpendLimit.objects.as_they_stand().filter(user=eligibility.user_id).order_by("currency")
    return [
        {
            "currency": each.currency,
            "limit": each.limit,
            "spent": spent[each.currency],
            "left": None if each.limit is None else max(0, each.limit - spent[each.currency]),
            "next_limit": each.next_amount if each.is_waiting else None,
            "next_from": each.next_from if each.is_waiting else None,
        }
        for each in limits
    ]
