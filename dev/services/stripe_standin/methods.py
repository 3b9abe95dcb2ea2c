"""Stripe's test cards, test IBANs and test payment methods, and their effects."""
# ruff: noqa: SLF001 (localstripe's whole interface is underscored, so that it stays out of what it exports)

from typing import Any

from localstripe.resources import PaymentMethod

DECLINED = ("card_declined", "generic_decline")
# Methods that are declined when charged, with Stripe's (code, decline code). A debit has no decline code.
DECLINES: dict[str, tuple[str, str | None]] = {
    "4000000000000002": DECLINED,
    "4000000000000341": DECLINED,
    "4000000000009995": ("card_declined", "insufficient_funds"),
    "4000000000009987": ("card_declined", "lost_card"),
    "4000000000009979": ("card_declined", "stolen_card"),
    "4000000000000069": ("expired_card", "expired_card"),
    "4000000000000127": ("incorrect_cvc", "incorrect_cvc"),
    "4000000000000119": ("processing_error", "processing_error"),
    "DE62370400440532013001": ("generic_could_not_process", None),
    "DE78370400440532013004": ("generic_could_not_process", None),
    "DE65370400440000343434": ("insufficient_funds", None),
}
MESSAGES = {
    "card_declined": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "generic_could_not_process": "This payment could not be processed.",
    "insufficient_funds": "The customer's account has insufficient funds to cover this payment.",
}
DISPUTED = {"4000000000000259", "DE35370400440532013002"}
REFUNDS_LATER = "4000000000007726"  # a refund is pending and succeeds later
REFUNDS_FAIL = "4000000000005126"  # a refund seems to succeed and fails later
TEST_CARDS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_pendingRefund": REFUNDS_LATER,
    "pm_card_refundFail": REFUNDS_FAIL,
}
TEST_IBANS = {
    "pm_sepaDebit_success_de": "DE89370400440532013000",
    "pm_sepaDebit_failed_de": "DE62370400440532013001",
    "pm_sepaDebit_disputed_de": "DE35370400440532013002",
}


def install() -> None:
    """Add to localstripe all of Stripe's test payment methods that matter here."""
    PaymentMethod._try_get_canonical_test_article = classmethod(lambda _, identifier: _test_method(identifier))


def _test_method(identifier: str) -> PaymentMethod | None:
    """Make a new payment method, as Stripe does each time a test method is named."""
    if number := TEST_CARDS.get(identifier):
        return PaymentMethod(type="card", card={"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"})
    if iban := TEST_IBANS.get(identifier):
        return PaymentMethod(type="sepa_debit", sepa_debit={"iban": iban})
    return None


def number_of(method: Any) -> str:
    """Return the card's number or the IBAN."""
    return getattr(method, "_card_number", "") or getattr(method, "_sepa_debit_iban", "")


def billing_details(method: Any) -> dict[str, Any]:
    given = method.billing_details or {}
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    fields = dict.fromkeys(("email", "name", "phone", "tax_id"))
    return fields | given | {"address": address | (given.get("address") or {})}


def details(method: Any) -> dict[str, Any]:
    """Return a charge's `payment_method_details`."""
    if method.type == "sepa_debit":
        shown = {name: method.sepa_debit[name] for name in ("bank_code", "country", "fingerprint", "last4")}
        return {"type": "sepa_debit", "sepa_debit": shown | {"branch_code": None, "mandate": None}}
    card = dict(getattr(method, "card", {}))
    card.pop("three_d_secure_usage", None)
    checks = dict.fromkeys(("address_line1_check", "address_postal_code_check")) | {"cvc_check": "pass"}
    unset = dict.fromkeys(("extended_authorization", "installments", "mandate", "network_token", "three_d_secure"))
    return {"type": "card", "card": {**unset, **card, "checks": checks, "network": card.get("brand"), "wallet": None}}
