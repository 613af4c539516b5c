"""What each term of money did to each settled line, in minor units: columns in, columns out. Pure.

due = amount - discount - credit - included tax + tax. A line that doesn't add up, or isn't what was rated, is refused.
"""

from typing import Final

import numpy as np

from engine.billing.terms.settled import Settled
from engine.errors import MeterlineError
from rating import DecimalColumn

AMOUNTS: Final = (
    *("amount_minor", "discount_minor", "credit_minor"),
    *("included_tax_minor", "tax_minor", "due_minor"),
)


def settled_amounts(found: Settled) -> dict[str, DecimalColumn]:
    """AMOUNTS of all settled lines, rated ones and then what commitments add.

    Raises:
        MeterlineError: a line doesn't add up.
    """
    settlement = found.settlement
    after = settlement.lines.amount_minor
    discount = DecimalColumn.zeros(len(after))
    for each in (settlement.plan_discounts, settlement.discounts):
        if each is not None:
            own = each.discounted_minor
            discount = discount.add(DecimalColumn.zeros(len(after)).replaced(np.arange(len(own)), own))
    columns = {
        "amount_minor": after.add(discount),
        "discount_minor": discount,
        "credit_minor": settlement.credits.credited_minor,
        "included_tax_minor": settlement.taxes.included_minor,
        "tax_minor": settlement.taxes.tax_minor,
        "due_minor": settlement.due_minor,
    }
    _check_adds_up(columns)
    given = found.invoiced.lines.amount_minor
    if (columns["amount_minor"].take(np.arange(len(given))).compare(given) != 0).any():
        raise MeterlineError("a settled line is not what was rated: it is not used")
    return columns


def _check_adds_up(amounts: dict[str, DecimalColumn]) -> None:
    """Raises MeterlineError."""
    due = amounts["amount_minor"]
    for name in ("discount_minor", "credit_minor", "included_tax_minor"):
        due = due.subtract(amounts[name])
    wrong = np.flatnonzero(due.add(amounts["tax_minor"]).compare(amounts["due_minor"]) != 0)
    if len(wrong):
        raise MeterlineError(
            f"line {int(wrong[0])} of an invoice does not add up to what is due: it is not used"
        )
