"""Data derived from a number, so that the provider knows what was seeded without being told.

Needs only the standard library: the product's side and the provider's, which has another environment, import it.
"""

PRICE, CURRENCY = 500, "gbp"
#: The shortest delay that a draw without a chain may have, in seconds.
DELAY = 600
#: How many people share the purchases of a backlog.
PEOPLE = 1_000


def identifier(number: int) -> str:
    """Return a UUID in the form of version 7, so that rows are adjacent in an index, as the product's are."""
    return f"00000000-0000-7000-8000-{number:012}"


def intent_id(number: int) -> str:
    """Return a PaymentIntent's id, as long as Stripe's."""
    return f"pi_{number:024}"


def number_of(intent: str) -> int | None:
    """Return the number of such an intent; None for any other."""
    digits = intent.removeprefix("pi_")
    return int(digits) if digits.isdecimal() else None


def person_of(number: int) -> int:
    """Return the number of the person who made the purchase with this number."""
    return number % PEOPLE + 1


def customer_id(person: int) -> str:
    """Return a person's id at the provider, as long as Stripe's."""
    return f"cus_{person:014}"
