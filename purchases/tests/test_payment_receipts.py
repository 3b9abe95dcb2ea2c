"""Payment receipts: numbered without a gap, once for each purchase, as a PDF and in the mail."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import compose
from accounts.words import Block, Words
from purchases import receipt_document, receipts, services
from purchases.errors import NothingPaid
from purchases.models import PaymentReceipt, Purchase, ReceiptCounter
from purchases.services import payment_receipts
from purchases.services.settlement import tell_buyers
from purchases.tests.stage import hold, seated

pytestmark = pytest.mark.django_db
YEAR = timezone.now().year


@pytest.fixture
def paid(alice, on_sale):
    """Makes paid purchases of Alice's, of one raffle."""
    raffle = on_sale()

    return lambda: Purchase.objects.select_related("raffle").get(pk=seated(alice, raffle, 2).pk)


def test_numbers_have_no_gap_and_a_purchase_has_one(paid):
    first, second = paid(), paid()
    numbers = [str(services.issue_receipt(each.pk)) for each in (first, second, first)]
    assert numbers == [f"{YEAR}-000001", f"{YEAR}-000002", f"{YEAR}-000001"]
    third = paid()
    with transaction.atomic():
        services.issue_receipt(third.pk)
        transaction.set_rollback(True)
    # What was rolled back took no number.
    assert services.issue_receipt(paid().pk).number == 3
    assert ReceiptCounter.objects.get().last == PaymentReceipt.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_who_issue_at_once_get_different_numbers_and_one_for_the_same_purchase(paid):
    purchases = [paid() for _ in range(4)]
    start = threading.Barrier(8)
    numbers = []

    def issue(purchase: Purchase) -> None:
        start.wait()
        try:
            numbers.append((purchase.pk, services.issue_receipt(purchase.pk).number))
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=issue, args=[each]) for each in purchases * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(numbers) == 8
    assert {number for _, number in set(numbers)} == {1, 2, 3, 4}
    assert len(set(numbers)) == 4


def test_a_receipt_is_neither_changed_nor_deleted(paid):
    receipt = services.issue_receipt(paid().pk)
    for harm in (
        lambda: PaymentReceipt.objects.update(number=9),
        receipt.delete,
        lambda: PaymentReceipt.objects.create(purchase=paid(), year=receipt.year, number=receipt.number),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            harm()


def test_where_nothing_was_paid_there_is_none(alice, on_sale, api):
    purchase = hold(alice, on_sale())
    with pytest.raises(NothingPaid):
        services.issue_receipt(purchase.pk)
    answer = api(alice).get(f"/api/v1/purchases/{purchase.pk}/receipt")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_paid")
    assert not ReceiptCounter.objects.exists()


@pytest.mark.parametrize(
    ("amount", "currency", "percent", "tax"),
    [(1000, "gbp", 20, 167), (1000, "jpy", 10, 91), (50_000, "isk", 24, 9_700), (1000, "gbp", 0, None)],
)
def test_the_tax_within_the_amount_is_what_it_was_when_the_receipt_was_issued(
    amount, currency, percent, tax, paid, settings
):
    settings.RECEIPT_TAX_NAME, settings.RECEIPT_TAX_PERCENT = "VAT", float(percent)
    assert payment_receipts._tax(Purchase(amount=amount, currency=currency)).get("tax_amount") == tax
    purchase = paid()
    issued = services.issue_receipt(purchase.pk).tax_amount
    settings.RECEIPT_TAX_PERCENT = 99.0
    facts = services.receipt_facts(services.issue_receipt(purchase.pk), purchase)
    assert facts.get("tax") == (tax and {"name": "VAT", "percent": str(percent), "amount": issued})


def test_the_mail_has_number_time_lines_amount_tax_card_and_tickets(alice, paid, settings, monkeypatch):
    settings.RECEIPT_TAX_PERCENT = 20.0
    settings.OPERATOR_ADDRESS = ["1 High Street, London"]
    monkeypatch.setattr(receipts, "card_of", lambda _: "Visa •••• 4242")
    purchase = paid()
    with CaptureQueriesContext(connection) as asked:
        tell_buyers([str(purchase.pk)])
    assert len(asked) < 16
    tell_buyers([str(purchase.pk)])
    told = Notification.objects.mails().get(kind="purchase_paid")
    body = compose(told).body
    for line in (
        f"    Receipt: {YEAR}-000001\n",
        "    Paid on: ",
        f"    Tickets: {purchase.quantity} × £5.00\n",
        f"    Total: £{5 * purchase.quantity}.00\n",
        "    Of which VAT (20%): £",
        "    Paid with: Visa •••• 4242\n",
        "    Ticket numbers: ",
        "1 High Street, London",
    ):
        assert line in body
    assert PaymentReceipt.objects.count() == 1
    assert mail.outbox == []


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_document_is_a_pdf_in_the_persons_language_and_the_same_each_time(language, alice, paid, api):
    alice.preferences.language = language
    alice.preferences.save()
    purchase = paid()
    client = api(alice)
    first, second = (client.get(f"/api/v1/purchases/{purchase.pk}/receipt") for _ in range(2))
    assert first["Content-Type"] == "application/pdf"
    assert first["Content-Disposition"] == f'attachment; filename="receipt-{YEAR}-000001.pdf"'
    assert first["Cache-Control"] == "private, no-store"
    assert first.content.startswith(b"%PDF-")
    assert first.content == second.content
    asked = client.get(f"/api/v1/purchases/{purchase.pk}/receipt", headers={"Accept": "application/pdf"})
    assert asked.content == first.content


@pytest.mark.parametrize("title", ["W" * 200, "手表", "ساعة", "Zegarek żółty", "a " * 150, "€ • ×", ""])
def test_any_title_is_drawn(title):
    words = Words(title, (Block("facts", (f"Raffle: {title}", title)),))
    assert receipt_document.draw(words, title=title, issuer=[title, title]).startswith(b"%PDF-")
    assert receipt_document._plain("Zegarek żółty", receipt_document._covered()) == "Zegarek zółty"


def test_a_year_begins_with_one_again(paid):
    ReceiptCounter.objects.create(year=YEAR - 1, last=41)
    assert str(services.issue_receipt(paid().pk)) == f"{YEAR}-000001"
    assert timezone.now() - PaymentReceipt.objects.get().issued_at < timedelta(minutes=5)
