"""What is kept of people has the database's time, whatever a process takes for the present one."""

from datetime import date

import pytest

from accounts import services, throttle
from accounts.links import keeping_links, verification_links
from accounts.models import User
from accounts.services.profile import PlaceFixed
from accounts.tokens import open_session
from luxewin.tests.clocks import stored_times_to_come, years_ahead

PASSWORD = "correct horse battery staple"
DANA = {"display_name": "Dana", "date_of_birth": date(1990, 5, 17), "country": "GB"}


def test_nothing_that_is_stored_of_people_comes_from_a_process_that_is_years_ahead(db):
    with years_ahead():
        services.register_user(email="dana@example.com", password=PASSWORD, **DANA)
        user = User.objects.get()
        user = services.verify_email(token=verification_links.token_for(user), password=PASSWORD)
        assert user.has_verified_email
        services.update_profile(user, country="DE")
        services.update_preferences(user, marketing_consent=True)
        services.make_export(services.request_export(user, actor=user).pk)
        throttle.claim(user.email)
        open_session(user, user_agent="test")
        deletion = services.request_deletion(user, actor=user)
        services.keep_account(token=keeping_links.token_for(deletion.pk.hex, User.objects.get()))
    assert stored_times_to_come() == []


def test_nobody_moves_again_before_their_time_by_a_process_that_is_years_ahead(alice):
    services.update_profile(alice, country="DE")
    with years_ahead(), pytest.raises(PlaceFixed):
        services.update_profile(alice, country="FR")
