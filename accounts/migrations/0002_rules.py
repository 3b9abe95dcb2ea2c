"""What models cannot express (accounts/sql), the roles as groups, and how long things are kept at first."""

from django.db import migrations

from luxewin.sql import load

# Their permissions: accounts.roles.
ROLES = ("raffle managers", "finance", "support", "auditors")
MINIMISATION = "GDPR Art. 5(1)(c) and (e): not needed any longer."
# For each thing the days that it is kept, and why.
RULES = {
    "ended_sessions": (90, "GDPR Art. 6(1)(f): to look into misuse that is noticed late."),
    "message_contents": (365, "GDPR Art. 6(1)(f): to show for a year what somebody was told, word for word."),
    "unverified_accounts": (30, MINIMISATION),
    "exports": (7, MINIMISATION),
    "link_requests": (7, MINIMISATION),
    "sign_in_delays": (1, "GDPR Art. 6(1)(f): to slow down those who guess passwords."),
    "address_changes": (1, MINIMISATION),
    "excluded_addresses": (0, "GDPR Art. 6(1)(c) and (f): kept while the exclusion lasts, to hold to it."),
    "back_office_sessions": (0, MINIMISATION),
    "finished_tasks": (30, "GDPR Art. 6(1)(f): to find faults; it holds ids alone."),
    "failed_tasks": (30, "GDPR Art. 6(1)(f): to find faults; its errors may quote an address."),
    "client_secrets": (30, MINIMISATION),
    "stripe_deliveries": (90, "GDPR Art. 6(1)(f): to look into deliveries that went wrong; it holds addresses."),
}


def seed(apps, schema_editor):
    for name in ROLES:
        apps.get_model("auth", "Group").objects.get_or_create(name=name)
    rule = apps.get_model("accounts", "RetentionRule")
    rule.objects.bulk_create(rule(what=what, keep_days=days, why=why) for what, (days, why) in RULES.items())


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("otp_totp", "0003_add_timestamps")]
    operations = [
        # After the table of django-otp, which points at our people.
        migrations.CreateModel(
            name="Authenticator",
            fields=[
            ],
            options={
                'proxy': True,
                'indexes': [],
                'constraints': [],
                'verbose_name': 'two-step sign-in',
                'verbose_name_plural': 'two-step sign-in',
            },
            bases=("otp_totp.totpdevice",),
        ),
        *load(
            "accounts",
            "durable_cache",
            "authenticator_each",
            "accounts_last_zones",
            "accounts_age",
            "accounts_rule",
            "accounts_standings",
            "safeguards_are_kept",
            "no_marketing_to_the_excluded",
            "published_terms_are_fixed",
            "note_eligibility_change",
            "keep_former_identifier",
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
