"""Random settlements: lines of some customers with commitments, credit grants, tax profiles and splits.

A case is plain fields; amounts are whole minor units, factors and percents decimals as Fractions. A case has a
reach: amounts of ordinary invoices, around the largest 64-bit integer, or past it.
"""

from fractions import Fraction
from random import Random
from typing import Any

from tests.support.rating.oracle_random import ROUNDING_MODES, Fields

PRICES = ("calls", "storage", "seats", None)
PERCENTS = ("0", "19", "7", "8.875", "20", "5.5", "33.333333333333", "100", "0.01")
WEIGHTS = ("1", "1", "2", "3", "0.5", "0", "70", "30", "33.3333")
AMOUNT_DIGITS = (4, 6, 6, 8, 12, 17, 19, 22)
DAYS = (0, 1, 30, 31, 90, 180, 364)
NEVER_REACHED = 365


def random_settlement(seed: str, lines_max: int = 24) -> Fields:
    """A case that the seed alone decides."""
    dice = Random(seed)
    digits = dice.choice(AMOUNT_DIGITS)
    customers = range(dice.randint(1, 3))
    profiles = random_profiles(dice)
    splits = [random_split(dice, digits) for _ in range(dice.randint(0, 3))]

    def place(customer: int, currency: str) -> Fields:
        """What a line belongs to; an invoice has one currency."""
        invoice = (customer * 2 + (currency == "JPY")) * 2 + dice.randint(0, 1)
        fitting = [i for i, terms in enumerate(splits) if terms["currency"] in (None, currency)]
        return {
            "customer": customer,
            "currency": currency,
            "invoice": invoice,
            "at": dice.choice(DAYS),
            "tax_profile": dice.randint(-1, len(profiles) - 1),
            "split": dice.choice([-1, *fitting]),
        }

    lines = []
    for _ in range(dice.randint(1, lines_max)):
        customer, currency = dice.choice(customers), dice.choice(("USD", "USD", "JPY"))
        subscription = dice.choice((-1, customer * 2, customer * 2 + 1))
        own = {
            "subscription": subscription,
            "price": dice.choice(PRICES),
            "amount": random_amount(dice, digits),
        }
        lines.append(place(customer, currency) | own)
    commitments = [
        terms | {"columns": place(subscription // 2, terms["currency"])}
        for subscription in range(2 * len(customers))
        for terms in random_commitments(dice, digits, subscription)
    ]
    return {
        "lines": lines,
        "commitments": commitments,
        "grants": [random_grant(dice, digits, customers) for _ in range(dice.choice((0, 1, 2, 4, 8)))],
        "profiles": profiles,
        "splits": splits,
        "tax_mode": dice.choice(ROUNDING_MODES),
        "tax_scope": dice.choice(("line", "invoice")),
        "credits_apply": dice.choice(("before_tax", "after_tax")),
        "split_scope": dice.choice(("line", "invoice")),
    }


def random_amount(dice: Random, digits: int) -> int:
    """A line's amount, mostly positive."""
    amount = dice.randrange(10 ** dice.randint(1, digits))
    return dice.choice((amount, amount, amount, amount, -amount, 0))


def random_commitments(dice: Random, digits: int, subscription: int) -> list[Fields]:
    """None, one for all prices, one for a price, or both."""
    wanted = dice.choice(
        ([], [], [None], [("calls",)], [None, ("calls", "seats")], [("calls",), ("storage",)])
    )
    return [random_commitment(dice, digits, subscription, price_ids) for price_ids in wanted]


def random_commitment(
    dice: Random, digits: int, subscription: int, price_ids: tuple[str, ...] | None
) -> Fields:
    """Terms and what is known of the period so far."""
    booked = dice.random() < 0.4
    whole_days = dice.randint(1, 366)
    days = whole_days if dice.random() < 0.5 else dice.randint(0, 366)
    return {
        "subscription": subscription,
        "currency": dice.choice(("USD", "USD", "JPY")),
        "amount": dice.randrange(10**digits),
        "overage_factor": Fraction(dice.choice(("1", "1.5", "2", "0.9", "0", "1.0001"))),
        "true_up": dice.random() < 0.7,
        "price_ids": price_ids,
        "rounding": dice.choice(ROUNDING_MODES),
        "final": dice.random() < 0.6,
        "spent": random_amount(dice, digits) if booked else 0,
        "booked_overage": random_amount(dice, digits) if booked else 0,
        "booked_true_up": random_amount(dice, digits) if booked else 0,
        "proration": Fraction(days, whole_days),
    }


def random_grant(dice: Random, digits: int, customers: range) -> Fields:
    """A grant; grants of a case are often equal in all that decides their turn but one thing."""
    effective = dice.choice((0, 0, *DAYS[:-1]))
    balance = dice.randrange(1, 10**digits)
    return {
        "customer": dice.choice(customers),
        "currency": dice.choice(("USD", "USD", "JPY")),
        "balance": balance,
        "granted": balance + dice.choice((0, dice.randrange(10**digits))),
        "priority": dice.choice((50, 50, 1, 200)),
        "promotional": dice.random() < 0.5,
        "effective_at": effective,
        "expires_at": dice.choice((None, NEVER_REACHED, *(day for day in DAYS if day > effective))),
        "created_at": dice.choice(DAYS),
        "price_ids": dice.choice((None, None, ("calls",), ("storage", "seats"))),
    }


def random_profiles(dice: Random) -> list[Fields]:
    """One to three profiles made of the same few rates; inclusive ones come first."""
    rates = [
        {
            "id": f"tax-{number}",
            "percent": Fraction(dice.choice(PERCENTS)),
            "inclusive": dice.random() < 0.4,
            "compound": dice.random() < 0.25,
        }
        for number in range(4)
    ]
    profiles: list[Fields] = []
    for _ in range(dice.randint(1, 3)):
        chosen = dice.sample(rates, dice.randint(0, 4))
        reverse: dict[str, Any] = {
            "reverse_charge": dice.random() < 0.2,
            "inclusive_reverse_charge": dice.choice(("keep", "strip")),
        }
        profiles.append({"rates": sorted(chosen, key=lambda rate: not rate["inclusive"])} | reverse)
    return profiles


def random_split(dice: Random, digits: int) -> Fields:
    """A platform's fee and one to five recipients, at least one with a weight or a fixed amount."""
    currency = dice.choice((None, "USD", "JPY"))
    weights = [dice.choice(WEIGHTS) for _ in range(dice.randint(0, 4))]
    only_fixed = currency is not None and dice.random() < 0.2
    shares = [
        {
            "id": f"seller-{number}",
            "weight": Fraction(0) if only_fixed else Fraction(weight),
            "fixed": dice.randrange(1, 10 ** dice.randint(1, digits))
            if only_fixed or (currency and dice.random() < 0.3)
            else 0,
        }
        for number, weight in enumerate(["1", *weights])
    ]
    return {
        "shares": dice.sample(shares, len(shares)),
        "platform_percent": Fraction(dice.choice(("0", "10", "2.9", "100", "33.3333"))),
        "platform_fixed": dice.randrange(10 ** dice.randint(1, digits)) if currency else 0,
        "currency": currency,
        "refund_fixed": dice.random() < 0.5,
        "base": dice.choice(("line", "net", "gross")),
        "rounding": dice.choice(ROUNDING_MODES),
    }
