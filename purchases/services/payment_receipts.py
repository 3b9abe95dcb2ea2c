"""Payment receipts: numbered without a gap, once for each purchase."""

from datetime import UTC
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from luxewin.clock import database_now
from luxewin.currencies import CURRENCIES
from purchases.errors import NothingPaid
from purchases.models import PaymentReceipt, Purchase

NEXT = """
    INSERT INTO purchases_receiptcounter AS counter (year, last) VALUES (%s, 1)
    ON CONFLICT (year) DO UPDATE SET last = counter.last + 1 RETURNING last
"""


def issue_receipt(purchase_id: UUID) -> PaymentReceipt:
    """Return the receipt of a purchase that was paid, and issue it the first time. Raise NothingPaid.

    A number is taken in the transaction that stores its receipt, so none is lost. Issuing waits for others who issue
    at the moment, so do it last in a transaction. Cost: two statements, or five the first time.
    """
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update(no_key=True).get(pk=purchase_id)
        if issued := PaymentReceipt.objects.filter(purchase=purchase).first():
            return issued
        if purchase.paid_at is None or not purchase.amount:
            raise NothingPaid("Nothing was paid for this, so there is no receipt.")
        year = database_now().astimezone(UTC).year
        with connection.cursor() as cursor:
            cursor.execute(NEXT, [year])
            (number,) = cursor.fetchone()
        return PaymentReceipt.objects.create(purchase=purchase, year=year, number=number, **_tax(purchase))


def _tax(purchase: Purchase) -> dict[str, Any]:
    """Return the tax within the amount, rounded half up to what the currency can express; nothing if none is set."""
    percent = Decimal(str(settings.RECEIPT_TAX_PERCENT))
    if not percent:
        return {}
    known = CURRENCIES.get(purchase.currency)
    multiple = known.multiple if known else 1
    share = purchase.amount * percent / (100 + percent) / multiple
    amount = int(share.quantize(Decimal(1), ROUND_HALF_UP)) * multiple
    return {"tax_name": settings.RECEIPT_TAX_NAME, "tax_percent": percent, "tax_amount": amount}


def receipt_facts(receipt: PaymentReceipt, purchase: Purchase) -> dict[str, Any]:
    """Return what a message or the document says of a receipt, as JSON has it."""
    facts: dict[str, Any] = {
        "number": str(receipt),
        "paid_at": purchase.paid_at and purchase.paid_at.isoformat(),
        "price": purchase.amount // purchase.quantity,
        "amount": purchase.amount,
        "currency": purchase.currency,
    }
    if receipt.tax_amount is not None:
        percent = f"{receipt.tax_percent.normalize():f}" if receipt.tax_percent is not None else ""
        facts["tax"] = {"name": receipt.tax_name, "percent": percent, "amount": receipt.tax_amount}
    return facts
