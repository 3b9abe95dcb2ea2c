"""The stand-in refuses the amounts and currencies that Stripe refuses."""

import pytest
import stripe

from dev.tests.stripe_standin.stage import make_intent


@pytest.mark.parametrize(
    ("amount", "currency", "param", "code"),
    [
        (29, "gbp", "amount", "amount_too_small"),
        (1234, "kwd", "amount", "parameter_invalid_integer"),
        (500_050, "ugx", "amount", "parameter_invalid_integer"),
        (500_001, "isk", "amount", "parameter_invalid_integer"),
        (100_000_000, "eur", "amount", "amount_too_large"),
        (5000, "xau", "currency", None),
    ],
)
def test_what_cannot_be_charged_is_refused(product: stripe.StripeClient, amount, currency, param, code) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        make_intent(product, amount=amount, currency=currency)
    assert (refusal.value.http_status, refusal.value.param, refusal.value.code) == (400, param, code)


@pytest.mark.parametrize(("amount", "currency"), [(30, "gbp"), (1230, "kwd"), (5000, "mga"), (500_000, "ugx")])
def test_what_can_be_charged_is_taken(product: stripe.StripeClient, amount, currency) -> None:
    made = make_intent(product, amount=amount, currency=currency)
    assert (made.amount, made.currency) == (amount, currency)
