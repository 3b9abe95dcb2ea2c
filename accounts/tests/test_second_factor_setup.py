"""Setting a second factor up, changing it and switching it off; what is kept of it, and who is told."""

import logging

import pytest
from django.db import IntegrityError, transaction

from accounts.encryption import DecryptionFailed, decrypt, encrypt
from accounts.errors import WrongCode
from accounts.models import Authenticator, Notification, RecoveryCode, Session, User
from accounts.services.codes import check_code
from accounts.tests.browsing import MODES, Device
from accounts.tests.phones import PASSWORD, Phone, enrolled, half_a_minute_passes
from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import assert_problem, client_of, nothing_written

LOGIN, TOTP = "/api/v1/auth/login", "/api/v1/users/totp"


@pytest.fixture
def owner(alice) -> User:
    """Alice with PASSWORD."""
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture
def phone(owner) -> Phone:
    """Hers, set up."""
    return enrolled(owner)


def _needs_code(user: User) -> bool:
    answer = client_of().post(LOGIN, {"email": user.email, "password": PASSWORD})
    return answer.status_code == 401 and answer.json()["code"] == "second_factor_required"


def _is_dead(user: User, code: str) -> bool:
    try:
        check_code(user, code)
    except WrongCode:
        return True
    return False


def _told(user: User) -> list[str]:
    return list(Notification.objects.mails().filter(user=user).order_by("created_at").values_list("kind", flat=True))


def _audited(user: User) -> set[str]:
    return set(AuditEntry.objects.filter(subject_id=str(user.pk)).values_list("action", flat=True))


@pytest.mark.parametrize("mode", MODES)
def test_it_counts_once_a_code_of_the_new_secret_was_seen_and_not_before(mode, owner):
    device = Device(mode)
    device.sign_in(owner.email, PASSWORD)
    before = {"enrolled": False, "recovery_codes_left": 0, "mandatory": False}
    assert device.ask("get", "users/totp").json() == before
    offered = device.ask("post", "users/totp", {"password": PASSWORD}).json()
    phone = Phone(offered["uri"])
    wrong = device.ask("post", "users/totp/confirm", {"code": phone.wrong_code()})
    assert assert_problem(wrong, 400, "invalid", {"code"})["errors"][0]["code"] == "wrong_code"
    assert device.ask("get", "users/totp").json() == before
    assert not _needs_code(owner)
    codes = device.ask("post", "users/totp/confirm", {"code": phone.code()}).json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert device.ask("get", "users/totp").json() == before | {"enrolled": True, "recovery_codes_left": 10}
    assert _needs_code(owner)
    # This device has shown a code. The other, which signed in meanwhile, has not.
    shown = {each["current"]: each["second_factor"] for each in device.ask("get", "auth/sessions").json()["results"]}
    assert shown == {True: True, False: False}
    assert _told(owner) == ["second_factor_added"]
    assert AuditEntry.objects.get(action="user.second_factor_added").after == {"replaced": False}


def test_what_is_offered_is_a_link_a_text_and_a_picture_of_one_secret(owner, api):
    offered = api(owner).post(TOTP, {"password": PASSWORD}).json()
    assert offered["uri"].startswith("otpauth://totp/LuxeWin%3Aalice%40example.com?")
    facts = {"secret": offered["secret"], "issuer": "LuxeWin", "algorithm": "SHA1", "digits": "6", "period": "30"}
    assert Phone(offered["uri"]).facts == facts
    assert len(offered["secret"]) == 32
    assert offered["qr_svg"].startswith("<svg")
    # A strict content security policy lets it stand in a page.
    assert "style=" not in offered["qr_svg"]
    assert "<script" not in offered["qr_svg"]


def test_nothing_is_offered_without_the_password(owner, api):
    client = api(owner)
    assert_problem(client.post(TOTP, {"password": "wrong"}), 400, "invalid", {"password"})
    assert Authenticator.objects.count() == 0


def test_whoever_lies_in_wait_under_an_address_that_is_not_theirs_sets_none_up(charlie, api):
    charlie.set_password(PASSWORD)
    charlie.save()
    assert_problem(api(charlie).post(TOTP, {"password": PASSWORD}), 403, "email_not_verified")
    assert Authenticator.objects.count() == 0


def test_the_code_that_confirmed_does_not_sign_in_as_well(owner, api):
    client = api(owner)
    phone = Phone(client.post(TOTP, {"password": PASSWORD}).json()["uri"])
    code = phone.code()
    assert client.post(f"{TOTP}/confirm", {"code": code}).status_code == 200
    assert_problem(client_of().post(LOGIN, {"email": owner.email, "password": PASSWORD, "code": code}), 401)


def test_of_two_offers_the_newer_one_counts(owner, api):
    client = api(owner)
    older, newer = (Phone(client.post(TOTP, {"password": PASSWORD}).json()["uri"]) for _ in range(2))
    assert_problem(client.post(f"{TOTP}/confirm", {"code": older.code()}), 400, "invalid", {"code"})
    assert client.post(f"{TOTP}/confirm", {"code": newer.code()}).status_code == 200


def test_another_phone_takes_over_for_the_password_and_a_code_of_the_old_one(owner, phone, api):
    client = api(owner)
    for given in ({}, {"code": phone.wrong_code()}):
        assert_problem(client.post(TOTP, {"password": PASSWORD} | given), 400, "invalid", {"code"})
    new = Phone(client.post(TOTP, {"password": PASSWORD, "code": phone.code()}).json()["uri"])
    half_a_minute_passes(owner)
    # Until a code of the new one was seen, the old one counts.
    assert not _is_dead(owner, phone.code())
    codes = client.post(f"{TOTP}/confirm", {"code": new.code()}).json()["recovery_codes"]
    half_a_minute_passes(owner)
    assert _is_dead(owner, phone.code())
    assert _is_dead(owner, phone.recovery_codes[0])
    assert not _is_dead(owner, new.code())
    assert not _is_dead(owner, codes[0])
    assert Authenticator.objects.count() == 1


def test_new_recovery_codes_are_for_password_and_code_and_the_older_ones_are_dead(owner, phone, api):
    client = api(owner)
    for body, field in (
        ({"password": "wrong", "code": phone.code()}, "password"),
        ({"password": PASSWORD, "code": phone.wrong_code()}, "code"),
    ):
        assert_problem(client.post(f"{TOTP}/recovery", body), 400, "invalid", {field})
    assert RecoveryCode.objects.count() == 10
    answer = client.post(f"{TOTP}/recovery", {"password": PASSWORD, "code": phone.recovery_codes[0]})
    new = answer.json()["recovery_codes"]
    assert len(new) == 10
    assert _is_dead(owner, phone.recovery_codes[1])
    assert not _is_dead(owner, new[0])
    assert "recovery_codes_renewed" in _told(owner)
    assert "user.recovery_codes_renewed" in _audited(owner)


def test_it_is_switched_off_for_password_and_code_and_leaves_nothing_behind(owner, phone, api):
    client = api(owner)
    Session.objects.update(second_factor=True)
    for body, field in (
        ({"password": "wrong", "code": phone.code()}, "password"),
        ({"password": PASSWORD, "code": phone.wrong_code()}, "code"),
    ):
        assert_problem(client.post(f"{TOTP}/off", body), 400, "invalid", {field})
    assert _needs_code(owner)
    assert client.post(f"{TOTP}/off", {"password": PASSWORD, "code": phone.code()}).status_code == 204
    assert not _needs_code(owner)
    assert (Authenticator.objects.count(), RecoveryCode.objects.count()) == (0, 0)
    assert not Session.objects.filter(second_factor=True).exists()
    assert "second_factor_removed" in _told(owner)
    assert "user.second_factor_removed" in _audited(owner)


@pytest.mark.parametrize("path", ["recovery", "off", "confirm"])
def test_without_one_there_is_nothing_to_do(path, owner, api):
    client = api(owner)
    body = {"code": "123456"} | ({} if path == "confirm" else {"password": PASSWORD})
    with nothing_written():
        assert_problem(client.post(f"{TOTP}/{path}", body), 409, "no_second_factor")


def test_staff_who_must_have_one_change_it_and_do_not_switch_it_off(mona, api, settings):
    settings.STAFF_SECOND_FACTOR = True
    phone, client = enrolled(mona), api(mona)
    assert client.get(TOTP).json()["mandatory"] is True
    both = {"password": PASSWORD, "code": phone.code()}
    assert_problem(client.post(f"{TOTP}/off", both), 409, "second_factor_mandatory")
    assert client.post(TOTP, both).status_code == 200


# What is kept


def test_neither_the_secret_nor_a_recovery_code_stands_in_the_database(owner, phone):
    device = Authenticator.objects.get()
    assert phone.facts["secret"] == device.secret
    for told in (device.secret, device.bin_key.hex()):
        assert told.lower() not in device.key.lower()
    digests = {bytes(code.digest) for code in RecoveryCode.objects.all()}
    assert {len(digest) for digest in digests} == {32}
    assert not {code.replace("-", "").encode() for code in phone.recovery_codes} & digests


def test_a_secret_copied_into_anothers_row_does_not_open_there(owner, phone, bob, caplog):
    enrolled(bob)
    Authenticator.objects.filter(user=bob).update(key=Authenticator.objects.get(user=owner).key)
    with caplog.at_level(logging.CRITICAL):
        assert _is_dead(bob, phone.code())


def test_after_a_change_of_secret_key_the_old_one_is_needed_until_a_code_was_used(owner, phone, settings, caplog):
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, []
    with caplog.at_level(logging.ERROR, logger="accounts.models.second_factor"):
        assert _is_dead(owner, phone.code())
    assert "SECRET_KEY_FALLBACKS" in caplog.text
    # Recovery codes need no key.
    assert not _is_dead(owner, phone.recovery_codes[0])
    settings.SECRET_KEY_FALLBACKS = [old]
    assert not _is_dead(owner, phone.code())
    settings.SECRET_KEY_FALLBACKS = []
    half_a_minute_passes(owner)
    assert not _is_dead(owner, phone.code())


@pytest.mark.parametrize("stored", ["", "x", "AAAA", "é", "A" * 64])
def test_what_was_not_encrypted_here_is_refused_by_name(stored):
    with pytest.raises(DecryptionFailed):
        decrypt(stored, owner="a")


def test_what_was_encrypted_is_read_by_its_owner_and_never_the_same_twice():
    one, other = encrypt(b"secret", owner="a"), encrypt(b"secret", owner="a")
    assert one != other
    assert decrypt(one, owner="a") == b"secret"
    with pytest.raises(DecryptionFailed):
        decrypt(one, owner="b")


def test_nobody_has_two_that_count(owner, phone):
    second = Authenticator.of(owner)
    second.confirmed = True
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()
