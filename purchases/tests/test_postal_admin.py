"""Letters in the back office: support enters them, one or a file, finance withdraws them, nobody edits them."""

import re
import string
from random import Random

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from luxewin.audit.models import AuditEntry
from luxewin.tests.asking import nothing_written
from purchases import services
from purchases.models import PostalEntry, Purchase
from purchases.postal_files import MAX_BYTES
from purchases.tests.stage import counts, over

LIST = "/admin/purchases/postalentry/"
FILE = f"{LIST}file/"
HEAD = "reference,email,quantity,received_on\n"


@pytest.fixture
def desk():
    """A member of staff at the back office."""

    def sign_in(user):
        client = Client(raise_request_exception=False)
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def letter():
    """What the page of a letter sends."""

    def make(into, **changes):
        fields = {"raffle": into.pk, "email": "Bob@Example.com", "quantity": 2, "reference": "A-1"}
        return fields | {"received_on": timezone.now().date().isoformat()} | changes

    return make


def said(response):
    return " ".join(str(message) for message in response.context["messages"])


def entered(raffle, entrant, actor, reference="A-1", quantity=1):
    day = timezone.now().date()
    letter = {"entrant": entrant, "quantity": quantity, "reference": reference, "received_on": day}
    return services.enter_postal(raffle_id=raffle.pk, actor=actor, **letter)


def test_support_enters_a_letter_and_goes_on_with_the_next_of_the_same_raffle_and_day(bob, sam, desk, on_sale, letter):
    raffle, client = on_sale(), desk(sam)
    assert f'value="{raffle.pk}"' in client.get(f"{LIST}add/").content.decode()
    response = client.post(f"{LIST}add/", letter(raffle), follow=True)
    assert "A-1 was added: tickets" in said(response)
    form = response.context["form"]
    assert (str(form["raffle"].value()), form["received_on"].value()) == (str(raffle.pk), str(timezone.now().date()))
    purchase = Purchase.objects.get()
    assert (purchase.buyer, purchase.tickets, purchase.postal_entry.entered_by) == (
        bob,
        {"first": 1, "last": 2, "count": 2},
        sam,
    )
    assert AuditEntry.objects.get(action="purchase.entered").actor == sam.pk
    page = client.get(LIST).content.decode()
    assert "bob@example.com" in page
    assert "1 to 2" in page
    assert "A-1" in client.get(f"{LIST}?q=bob@example.com").content.decode()


FAULTS = {
    "email": ["nobody@example.com", "no address", ""],
    "quantity": ["0", "two", "1.5", "6", ""],
    "reference": ["USED", "x" * 65, "a\x00b", " "],
    "received_on": ["2999-01-01", "2001-01-01", "soon", ""],
    "raffle": ["", "x", "00000000-0000-7000-8000-000000000000"],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in FAULTS.items() for value in values])
def test_each_fault_is_shown_at_its_field_and_what_was_typed_stays(
    field, value, alice, bob, sam, desk, on_sale, letter
):
    raffle = on_sale(max_per_person=5)
    entered(raffle, alice, sam, "USED")
    with nothing_written():
        response = desk(sam).post(f"{LIST}add/", letter(raffle, **{field: value}))
    form = response.context["form"]
    assert list(form.errors) == [field], form.errors
    kept = {name: str(form[name].value()) for name in FAULTS if name != field}
    assert kept == {name: str(given) for name, given in letter(raffle).items() if name != field}


def test_all_faults_of_a_letter_are_shown_at_once(alice, sam, desk, on_sale, letter):
    raffle = on_sale(max_per_person=5)
    entered(raffle, alice, sam, "USED")
    faulty = letter(raffle, email=sam.email, quantity=6, reference="USED", received_on="2999-01-01")
    response = desk(sam).post(f"{LIST}add/", faulty)
    assert set(response.context["form"].errors) == {"email", "quantity", "reference", "received_on"}


def test_what_was_sold_since_the_page_was_checked_is_told_and_nothing_is_lost(
    bob, sam, desk, on_sale, letter, monkeypatch
):
    raffle = on_sale(capacity=2)
    monkeypatch.setattr("purchases.admin.postal.faults_of", lambda *args: [])
    entered(raffle, bob, sam, "FIRST")
    with nothing_written():
        response = desk(sam).post(f"{LIST}add/", letter(raffle))
    assert response.context["form"].non_field_errors() == ["You asked for 2, but only 1 ticket is left."]
    assert response.context["form"]["reference"].value() == "A-1"


def test_only_raffles_on_sale_are_offered(sam, desk, on_sale, draft):
    late = on_sale(title="Over")
    over(late)
    draft(title="Unseen")
    on_sale(title="Running")
    choices = desk(sam).get(f"{LIST}add/").context["form"].fields["raffle"].queryset
    assert [raffle.title for raffle in choices] == ["Running"]


@pytest.mark.parametrize("who", ["mona", "fiona", "audrey"])
def test_nobody_else_enters_letters(who, request, desk, on_sale, letter, bob):
    client, raffle = desk(request.getfixturevalue(who)), on_sale()
    with nothing_written():
        assert client.post(f"{LIST}add/", letter(raffle)).status_code == 403
        assert client.get(FILE).status_code == 403
        assert client.post(f"{FILE}enter/", {"sealed": ""}).status_code == 403


def test_an_entry_is_neither_edited_nor_deleted(bob, sam, person, desk, on_sale):
    entry = entered(on_sale(), bob, sam)
    for user in (sam, person("root", role="support", is_superuser=True)):
        client = desk(user)
        assert 'name="reference"' not in client.get(f"{LIST}{entry.pk}/change/").content.decode()
        with nothing_written():
            assert client.post(f"{LIST}{entry.pk}/change/", {"reference": "B"}).status_code == 403
            assert client.post(f"{LIST}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert PostalEntry.objects.get().reference == "A-1"


def _withdraw(client, entry, reason):
    data = {"action": "withdraw", "_selected_action": [str(entry.pk)], "confirmed": "yes", "reason": reason}
    return client.post(LIST, data, follow=True)


def test_finance_withdraws_with_a_reason_and_once(bob, sam, fiona, desk, on_sale):
    entry, client = entered(on_sale(), bob, sam), desk(fiona)
    assert _withdraw(client, entry, " ").context["form"].errors.keys() == {"reason"}
    assert "was withdrawn" in said(_withdraw(client, entry, "Not their signature."))
    assert "be withdrawn without refund. This one is void" in said(_withdraw(client, entry, "Again."))
    row = AuditEntry.objects.get(action="purchase.void")
    assert (row.actor, row.after["reason"]) == (fiona.pk, "Not their signature.")


@pytest.mark.parametrize("who", ["sam", "audrey"])
def test_nobody_else_withdraws(who, request, bob, sam, desk, on_sale):
    entry = entered(on_sale(), bob, sam)
    _withdraw(desk(request.getfixturevalue(who)), entry, "I say so.")
    assert Purchase.objects.get().status == "paid"


def _upload(client, raffle, content):
    file = SimpleUploadedFile("letters.csv", content if isinstance(content, bytes) else content.encode())
    return client.post(FILE, {"raffle": raffle.pk, "file": file})


def _seal(response):
    return re.search(r'name="sealed" value="([^"]+)"', response.content.decode())[1]


def test_a_file_is_shown_before_it_is_entered_and_entered_once(alice, bob, sam, desk, on_sale):
    raffle, client, today = on_sale(), desk(sam), timezone.now().date()
    with nothing_written():
        review = _upload(client, raffle, f"{HEAD}A,bob@example.com,2,{today}\nB,alice@example.com,1,{today}\n")
    assert [review.context[name] for name in ("letters", "tickets", "people")] == [2, 3, 2]
    sealed = _seal(review)
    response = client.post(f"{FILE}enter/", {"sealed": sealed}, follow=True)
    assert "2 free entries were added to A fine watch: tickets 1 to 3." in said(response)
    assert counts(raffle) == (0, 3)
    with nothing_written():
        again = client.post(f"{FILE}enter/", {"sealed": sealed})
    assert len(again.context["faults"]) == 2
    assert "A was already added to this raffle" in again.context["faults"][0]


def test_a_faulty_file_shows_every_fault_and_is_not_entered(bob, sam, desk, on_sale):
    raffle = on_sale()
    with nothing_written():
        response = _upload(desk(sam), raffle, f"{HEAD}<b>,nobody@example.com,x,y\n")
    text = response.content.decode()
    assert len(response.context["faults"]) == 3
    assert "row 2: email: no account has the address nobody@example.com" in text
    assert "Nothing was saved" in text


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff\xfe", b"x" * 700_000], ids=["empty", "NUL", "bytes", "large"])
def test_a_weird_upload_is_refused_on_the_page(content, sam, desk, on_sale):
    raffle = on_sale()
    with nothing_written():
        response = _upload(desk(sam), raffle, content)
    assert response.status_code == 200
    assert b"errorlist" in response.content


def test_an_upload_without_file_or_raffle_names_both(sam, desk, on_sale):
    assert not desk(sam).get(FILE).context["form"].errors
    response = desk(sam).post(FILE, {})
    assert set(response.context["form"].errors) == {"raffle", "file"}


@pytest.mark.parametrize("sealed", ["", "x", "a:b:c", "\x00"])
def test_what_nobody_checked_is_not_entered(sealed, sam, desk, on_sale):
    with nothing_written():
        response = desk(sam).post(f"{FILE}enter/", {"sealed": sealed}, follow=True)
    assert "Choose the raffle and the file again" in said(response)
    assert desk(sam).get(f"{FILE}enter/").status_code == 302


def test_a_checked_file_is_of_no_use_once_the_sale_is_over(bob, sam, desk, on_sale):
    raffle, client = on_sale(), desk(sam)
    sealed = _seal(_upload(client, raffle, f"{HEAD}A,bob@example.com,2,{timezone.now().date()}\n"))
    over(raffle)
    response = client.post(f"{FILE}enter/", {"sealed": sealed}, follow=True)
    assert "the sale has ended" in said(response)
    assert not PostalEntry.objects.exists()


def test_the_list_costs_the_same_for_many(bob, sam, desk, on_sale, django_assert_max_num_queries):
    raffle, client = on_sale(), desk(sam)
    for number in range(12):
        entered(raffle, bob, sam, f"A-{number}")
    with django_assert_max_num_queries(12):
        assert client.get(LIST).status_code == 200


def test_the_largest_file_fits_into_the_page_that_enters_it(settings):
    # As long as a file may be, of what packs worst.
    worst = "".join(Random(1).choices(string.printable, k=MAX_BYTES))
    sealed = signing.dumps({"raffle": "x" * 36, "text": worst}, compress=True)
    assert len(sealed) + 1_000 < settings.DATA_UPLOAD_MAX_MEMORY_SIZE
