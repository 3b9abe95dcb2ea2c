"""A prize's picture, which every visitor's browser asks for: public and https, through whichever door its URL comes."""

import json

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from luxewin.tests.asking import assert_problem, client_of, nothing_written
from raffles.models import Raffle
from raffles.tests.test_catalogue import ROW

UNSAFE = [
    "http://example.com/watch.jpg",
    "https://localhost/watch.jpg",
    "https://watch.localhost/1.jpg",
    "https://127.0.0.1/watch.jpg",
    "https://127.1/watch.jpg",
    "https://2130706433/watch.jpg",
    "https://0x7f.0.0.1/watch.jpg",
    "https://0177.0.0.1/watch.jpg",
    "https://10.0.0.7/watch.jpg",
    "https://172.16.0.1/watch.jpg",
    "https://192.168.1.1:8443/watch.jpg",
    "https://169.254.169.254/latest/meta-data/",
    "https://0.0.0.0/watch.jpg",
    "https://[::1]/watch.jpg",
    "https://[fe80::1]/watch.jpg",
    "https://[fd00::1]/watch.jpg",
    "https://[::ffff:10.0.0.1]/watch.jpg",
    "https://127.0.0.1./watch.jpg",
    "https://127\u30020\u30020\u30021/watch.jpg",
    "https://\uff11\uff12\uff17.0.0.1/watch.jpg",
    "https://images.internal/watch.jpg",
    "https://images.local/watch.jpg",
    "https://intranet/watch.jpg",
    "https://example.com@10.0.0.1/watch.jpg",
    "https://mona:secret@example.com/watch.jpg",
    "https://example.com\\@10.0.0.1/watch.jpg",
]
SAFE = [
    "https://example.com/watch.jpg",
    "https://cdn.example.com:8443/a/b.jpg?width=400&v=2",
    "https://bücher.example/1",
]


@pytest.mark.parametrize("address", UNSAFE)
def test_an_unsafe_address_is_refused(address):
    with pytest.raises(ValidationError):
        Raffle._meta.get_field("image_url").run_validators(address)


@pytest.mark.parametrize("address", SAFE)
def test_a_public_address_is_taken(address):
    Raffle._meta.get_field("image_url").run_validators(address)


DOORS = ["http://example.com/watch.jpg", "https://169.254.169.254/latest/meta-data/", "https://localhost/watch.jpg"]


def test_the_api_refuses_it_when_a_raffle_is_made_or_changed_published_or_not(mona, draft, on_sale, terms):
    api, raffles = client_of(mona), [draft(), on_sale()]
    new = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in terms().items()}
    for address in DOORS:
        change = {"image_url": address}
        with nothing_written():
            made = api.post("/api/v1/raffles/create", new | {"delay_seconds": 60} | change)
            assert_problem(made, 400, "invalid", {"image_url"})
            for raffle in raffles:
                assert_problem(api.patch(f"/api/v1/raffles/{raffle.pk}", change), 400, "invalid", {"image_url"})
    for address in (SAFE[1], ""):
        answer = api.patch(f"/api/v1/raffles/{raffles[1].pk}", {"image_url": address})
        assert (answer.status_code, answer.json()["image_url"]) == (200, address)


def test_the_back_office_refuses_it_published_or_not(mona, draft, on_sale):
    client = Client()
    client.force_login(mona)
    for raffle in (draft(), on_sale()):
        page = f"/admin/raffles/raffle/{raffle.pk}/change/"
        for address in DOORS:
            form = client.post(page, {"title": "A watch", "image_url": address}).context["adminform"].form
            assert "image_url" in form.errors
    assert not Raffle.objects.exclude(image_url="").exists()


def test_a_catalogue_with_it_is_refused(tmp_path, db):
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps([ROW | {"slug": f"watch-{n}", "image_url": url} for n, url in enumerate(DOORS)]))
    with nothing_written(), pytest.raises(CommandError) as refusal:
        call_command("load_catalogue", str(file))
    assert [f"raffle {number}: image_url" in str(refusal.value) for number in (1, 2, 3)] == [True] * 3
