"""Effects of charges, refunds and disputes on the stand-in's balance."""

from localstripe.resources import BalanceTransaction, StripeObject


class Movement(BalanceTransaction):
    """A balance transaction in Stripe's current shape; `amount` and `fee` in the currency's smallest unit."""

    def __init__(
        self, amount: int, currency: str, kind: str, source: str, *, fee: int = 0, category: str | None = None
    ) -> None:
        StripeObject.__init__(self)  # localstripe's own knows neither disputes nor failures
        details = {"amount": fee, "application": None, "currency": currency, "description": None, "type": "stripe_fee"}
        self.amount = amount
        self.available_on = self.created
        self.balance_type = "payments"
        self.currency = currency
        self.description = None
        self.exchange_rate = None
        self.fee = fee
        self.fee_details = [details] if fee else []
        self.reporting_category = category or kind
        self.source = source
        self.status = "available"
        self.type = kind
