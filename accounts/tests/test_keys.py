"""Keys of tokens: published for others to verify with, rotated without signing anybody out, refused when unreadable."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import signing_keys
from accounts.signing_keys import KeysUnreadable, new_key, parse, ring
from accounts.tokens import open_session, rotate
from luxewin.tests.asking import assert_problem, client_of

# The keys of RFC 8037 and of RFC 8032, test 2.
SEED, OTHER = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs"
JWKS, PROFILE = "/.well-known/jwks.json", "/api/v1/users/profile"


def _in(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def _published() -> dict[str, dict[str, str]]:
    return {key["kid"]: key for key in Client().get(JWKS).json()["keys"]}


def _opens(token: str) -> bool:
    return client_of().get(PROFILE, headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_anyone_verifies_an_access_token_with_the_published_keys(alice):
    token = open_session(alice, user_agent="").access
    answer = Client().get(JWKS)
    found = jwt.PyJWKSet.from_dict(answer.json())[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, found, ["EdDSA"], audience="luxewin-api", issuer="luxewin")
    assert claims["user_id"] == str(alice.pk)
    assert answer["Cache-Control"] == "public, max-age=3600"


def test_what_is_published_holds_no_secret(settings, db):
    text = Client().get(JWKS).content.decode()
    assert settings.JWT_SIGNING_KEYS not in text
    for key in _published().values():
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}


def test_a_key_is_named_by_its_rfc_7638_thumbprint():
    """The key and the thumbprint of RFC 8037, appendices A.1 and A.3."""
    key = parse(SEED).keys[0]
    assert key.jwk()["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_rotation_signs_nobody_out(alice, settings):
    old = new_key()
    settings.JWT_SIGNING_KEYS = old
    pair = open_session(alice, user_agent="")
    settings.JWT_SIGNING_KEYS = f"{old}, {new_key(_in(-1))}"
    assert ring().signing().kid != jwt.get_unverified_header(pair.access)["kid"]
    assert _opens(pair.access)
    fresh = rotate(pair.refresh)
    assert jwt.get_unverified_header(fresh.refresh)["kid"] == ring().signing().kid
    assert _opens(fresh.access)


def test_a_key_is_published_before_it_signs_and_after_it_did(settings, db):
    ever, coming = new_key(), new_key(_in(2))
    settings.JWT_SIGNING_KEYS = f"{ever},{coming}"
    kids = {parse(word).keys[0].kid for word in (ever,)} | {key.kid for key in ring().keys}
    assert set(_published()) == kids
    assert ring().signing() == ring().keys[0]
    assert ring().signing(_in(3)) == ring().keys[1]


def test_a_key_is_dropped_when_no_token_of_its_can_live(alice, settings):
    old, life = new_key(), settings.SESSION_IDLE_LIFETIME
    settings.JWT_SIGNING_KEYS = old
    pair = open_session(alice, user_agent="")
    for days, lives in ((life.days - 1, True), (life.days + 1, False)):
        settings.JWT_SIGNING_KEYS = f"{old},{new_key(_in(-days))}"
        assert _opens(pair.access) is lives
        assert (jwt.get_unverified_header(pair.access)["kid"] in _published()) is lives


def test_a_key_that_is_taken_out_ends_its_tokens_at_once(alice, settings):
    pair = open_session(alice, user_agent="")
    settings.JWT_SIGNING_KEYS = new_key()
    assert not _opens(pair.access)
    assert_problem(client_of().post("/api/v1/auth/refresh", {"refresh": pair.refresh}), 401, "token_not_valid")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" , \n", "empty"),
        ("x", "key 1 is not"),
        (f"{SEED},{SEED[:-3]}", "key 2 is not 32 random bytes"),
        ("A" * 43, "key 1 is not 32 random bytes"),
        (f"31-12-2026:{SEED}", "key 1 is not of the form"),
        (f"2999-01-01:{SEED}", "none of its keys signs yet"),
        (f"{SEED},{SEED}", "the same"),
        (f"{SEED},{OTHER}", "the same day"),
        (f"{SEED},2026-01-01:{SEED}", "the same"),
    ],
)
def test_unreadable_keys_are_refused_by_what_is_wrong_and_no_key_is_shown(text, says):
    with pytest.raises(KeysUnreadable, match=says) as refusal:
        parse(text)
    assert SEED[:8] not in str(refusal.value)


def _rotated(**options) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, stderr=StringIO(), **options)
    return out.getvalue().strip()


def test_the_command_makes_a_first_key_and_then_one_that_begins_after_everybody_knows_it(settings):
    settings.JWT_SIGNING_KEYS = ""
    settings.JWT_SIGNING_KEYS = first = _rotated()
    kid = ring().signing().kid
    settings.JWT_SIGNING_KEYS = second = _rotated()
    assert second.startswith(f"{first},")
    assert (ring().signing().kid, len(ring().keys)) == (kid, 2)
    assert timedelta(hours=1) <= ring().keys[1].begins - datetime.now(UTC) + signing_keys.PUBLISHED_FOR
    assert ring().keys[1].begins - datetime.now(UTC) >= signing_keys.PUBLISHED_FOR - timedelta(minutes=1)
    with pytest.raises(CommandError, match="already"):
        _rotated()


def test_the_command_drops_what_no_token_needs(settings):
    old, now = new_key(), new_key(_in(-40))
    settings.JWT_SIGNING_KEYS = f"{old},{now}"
    assert old not in _rotated()
    assert now in _rotated()


def test_after_a_leak_every_older_key_is_gone_and_everybody_signs_in_again(alice, settings):
    pair = open_session(alice, user_agent="")
    settings.JWT_SIGNING_KEYS = _rotated(leaked=True)
    assert len(ring().keys) == 1
    assert not _opens(pair.access)


def test_the_command_rewrites_its_file_for_its_owner_alone(settings, tmp_path):
    file = tmp_path / "keys"
    first = new_key()
    settings.JWT_SIGNING_KEYS_FILE, settings.JWT_SIGNING_KEYS = str(file), first
    assert _rotated() == ""
    assert file.read_text().splitlines()[0] == first
    assert len(parse(file.read_text()).keys) == 2
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("leaked", [False, True])
def test_keys_of_receipts_are_kept_as_long_as_a_draw_has_promised_them(settings, monkeypatch, leaked):
    idle, pinned, signing = new_key(), new_key(_in(-40)), new_key(_in(-20))
    settings.RECEIPT_KEYS = f"{idle},{pinned},{signing}"
    public = {text: parse(text).keys[0].public.public_bytes_raw().hex() for text in (pinned, signing)}
    monkeypatch.setattr(signing_keys, "PINS", [lambda: {public[pinned]}])
    tokens = settings.JWT_SIGNING_KEYS
    made = _rotated(receipts=True, leaked=leaked).split(",")
    assert made[:-1] == ([pinned] if leaked else [pinned, signing])
    assert tokens == settings.JWT_SIGNING_KEYS
    begins = parse(",".join(made)).keys[-1].begins
    assert (begins <= datetime.now(UTC)) is leaked


def test_the_first_key_of_receipts_signs_at_once_and_goes_to_its_own_file(settings, tmp_path):
    settings.RECEIPT_KEYS, settings.RECEIPT_KEYS_FILE = "", str(tmp_path / "receipts")
    assert _rotated(receipts=True) == ""
    assert len(parse((tmp_path / "receipts").read_text()).keys) == 1
