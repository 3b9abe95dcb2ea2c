"""Everybody with tickets is mailed what was added to the conditions, once."""

import pytest

from accounts.models import Notification
from accounts.notifications import compose
from purchases.tests.stage import seated
from raffles.services import add_to_conditions


def told():
    return sorted(Notification.objects.mails().filter(kind="conditions_added").values_list("user__email", flat=True))


@pytest.mark.parametrize("language", ["en", "de"])
def test_everybody_with_tickets_is_mailed_once(language, alice, bob, on_sale, run_tasks):
    raffle, other = on_sale(), on_sale(slug="other")
    for _ in range(2):
        seated(alice, raffle)
    seated(bob, other)
    alice.preferences.language = language
    alice.preferences.save()
    add_to_conditions(raffle.pk, text="The box is blue.\n\nSo is the strap.")
    run_tasks()
    assert told() == [alice.email]
    mail = compose(Notification.objects.mails().get(kind="conditions_added"))
    assert raffle.title in mail.subject
    assert "    The box is blue.\n" in mail.body
    assert "    So is the strap.\n" in mail.body
    assert f"/raffles/{raffle.slug}" in mail.body
    add_to_conditions(raffle.pk, text="It ticks.")
    run_tasks()
    assert told() == [alice.email] * 2
