"""Data that follow from a number, so that the provider knows what was seeded without being told.

Of the standard library alone: the product's side and the provider's, which is in another environment, import it.
"""

PRICE, CURRENCY = 500, "gbp"
#: How many people share the purchases of a backlog.
PEOPLE = 1_000


def identifier(number: int) -> str:
    """A UUID in the form of version 7, whose rows lie together in an index as those of the product do."""
    return f"00000000-0000-7000-8000-{number:012}"


def intent_id(number: int) -> str:
    """A PaymentIntent's id, as long as Stripe's."""
    return f"pi_{number:024}"


def number_of(intent: str) -> int | None:
    """The number of such an intent, None for any other."""
    digits = intent.removeprefix("pi_")
    return int(digits) if digits.isdecimal() else None


def person_of(number: int) -> int:
    """The number of the person who made the purchase of this number."""
    return number % PEOPLE + 1


def customer_id(person: int) -> str:
    """A person's id at the provider, as long as Stripe's."""
    return f"cus_{person:014}"
