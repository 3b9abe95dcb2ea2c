"""Roles: the groups that the first migration makes, and their permissions. This table is the only source.

Permissions are created after migrations run, so they are granted then; permissions not listed here are removed.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

MANAGERS = "raffle managers"
FINANCE = "finance"
SUPPORT = "support"
AUDITORS = "auditors"

_RAFFLES = (
    "raffles.view_raffle",
    "raffles.view_prize",
    "raffles.view_termsaddition",
    "raffles.view_ticketcounter",
    "raffles.view_salestop",
)
# Any of them may be the first to see that something is wrong.
_STOP_SALES = ("raffles.add_salestop", "raffles.change_salestop")
_DRAWS = (
    "verification.view_draw",
    "verification.view_pick",
    "verification.view_chainstep",
    "verification.view_chainaccount",
    "verification.view_forfeit",
    "verification.view_award",
    "verification.view_claim",
)
_PURCHASES = (
    "purchases.view_purchase",
    "purchases.view_payment",
    "purchases.view_refund",
    "purchases.view_dispute",
    "purchases.view_postalentry",
    "purchases.view_lapsewait",
)
# Answers are shown only to people who may change raffles.
_SKILL = ("purchases.view_skillattempt",)
_RULES = ("accounts.view_countryrule", "accounts.view_terms")
_PEOPLE = (
    *_RULES,
    "accounts.view_safeguards",
    "accounts.view_spendlimit",
    "accounts.view_termsacceptance",
    "accounts.view_user",
    "accounts.view_identity",
    "accounts.view_authenticator",
    "accounts.view_preferences",
    "accounts.view_notification",
    "accounts.view_notification_words",
    "accounts.view_blockedaddress",
)
# See which messages there are and what became of them, and send them again; not what they said.
_MESSAGES = ("accounts.view_notification", "accounts.resend_notification")
_PRIVACY = ("accounts.view_export", "accounts.view_deletion", "accounts.view_retentionrule")
# For requests that people make in writing.
_REQUESTS = ("accounts.start_export", "accounts.start_deletion")
_WEBHOOKS = ("webhooks.view_endpoint", "webhooks.view_delivery")
_AUDIT = ("audit.view_auditentry", "audit.view_seal")
_TASKS = (
    "django_q.view_success",
    "django_q.view_failure",
    "django_q.view_ormq",
    "tasks.view_heartbeat",
    "tasks.view_startedtask",
)
_STRIPE = (
    "djstripe.view_paymentintent",
    "djstripe.view_charge",
    "djstripe.view_customer",
    "djstripe.view_refund",
    "djstripe.view_dispute",
    "djstripe.view_event",
    "djstripe.view_webhookeventtrigger",
    "purchases.view_reconciliation",
    "purchases.view_settleddifference",
    "purchases.view_stalemirror",
    "purchases.view_unstoredevent",
    "purchases.view_setasideevent",
)

ROLES: dict[str, tuple[str, ...]] = {
    MANAGERS: (
        *_RAFFLES,
        *_DRAWS,
        *_SKILL,
        *_RULES,
        *_MESSAGES,
        "accounts.add_countryrule",
        "accounts.add_terms",
        "raffles.add_raffle",
        "raffles.change_raffle",
        "raffles.delete_raffle",
        "raffles.add_prize",
        "raffles.change_prize",
        "raffles.delete_prize",
        *_STOP_SALES,
        "raffles.publish_raffle",
        "raffles.cancel_raffle",
        "verification.forfeit_pick",
        "verification.claim_award",
        "verification.handle_claim",
    ),
    FINANCE: (
        *_RAFFLES,
        *_DRAWS,
        *_PURCHASES,
        *_STRIPE,
        *_STOP_SALES,
        "purchases.refund_purchase",
        "purchases.add_settleddifference",
    ),
    # Support reads the post. People who publish raffles do not enter letters, and only finance withdraws them.
    SUPPORT: (
        *_RAFFLES,
        *_DRAWS,
        *_PURCHASES,
        *_SKILL,
        *_PEOPLE,
        *_PRIVACY,
        *_TASKS,
        *_REQUESTS,
        *_MESSAGES,
        *_WEBHOOKS,
        "webhooks.replay_delivery",
        "purchases.add_postalentry",
        "accounts.add_safeguards",
    ),
    AUDITORS: (*_RAFFLES, *_DRAWS, *_PURCHASES, *_SKILL, *_PEOPLE, *_PRIVACY, *_AUDIT, *_TASKS, *_STRIPE, *_WEBHOOKS),
}


def grant_roles_after_the_last(sender: AppConfig, **kwargs: Any) -> None:
    """Grant the roles after the last app's `post_migrate`, when every app has its permissions."""
    if sender == [each for each in apps.get_app_configs() if each.models_module][-1]:
        grant_roles()


def grant_roles() -> None:
    """Set each role's permissions to the table above; names not yet migrated are left for the next run."""
    for role, names in ROLES.items():
        group = Group.objects.filter(name=role).first()
        if group is None:
            continue
        wanted = Q(pk=None)
        for name in names:
            app, _, codename = name.partition(".")
            wanted |= Q(content_type__app_label=app, codename=codename)
        group.permissions.set(Permission.objects.filter(wanted))
