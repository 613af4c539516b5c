"""What revenue splits make of what customers pay: each share of one customer's invoices, and sums by recipient over all. Pure.

Sums are of whole minor units, so nothing is rounded here. The platform stands among the recipients without an id.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.billing.periods import Period
from engine.billing.terms.settled import Settled
from engine.spend.applied_terms import minor_decimal
from engine.times import us_datetime
from rating import SplitResult

PLATFORM = ""


@dataclass(frozen=True, slots=True)
class AppliedShare:
    """What a recipient has of the lines of an invoice that are split together; `split_amount`: what those come to."""

    revenue_split_id: str
    recipient_id: str
    period: Period
    currency: str
    split_amount: Decimal
    amount: Decimal


def applied_shares(terms: Settled | None) -> list[AppliedShare]:
    """By invoice, then by split, then in the split's order of recipients; the platform's part is the last."""
    if terms is None:
        return []
    splits, invoices = terms.settlement.splits, terms.invoiced.invoices
    first = np.searchsorted(splits.line, np.arange(len(splits.lines) + 1)).tolist()
    applied = []
    for row in range(len(splits.lines)):
        currency = splits.lines.currencies[int(splits.lines.currency[row])]
        invoice = int(splits.lines.invoice[row])
        shares = [
            (splits.recipients[int(splits.recipient[each])], splits.amount_minor, each)
            for each in range(first[row], first[row + 1])
        ]
        for recipient, column, place in (*shares, (PLATFORM, splits.platform_minor, row)):
            applied.append(
                AppliedShare(
                    revenue_split_id=terms.splits.revenue_splits[int(splits.lines.split[row])].id,
                    recipient_id=recipient,
                    period=Period(
                        us_datetime(int(invoices.start_us[invoice])),
                        us_datetime(int(invoices.end_us[invoice])),
                    ),
                    currency=currency,
                    split_amount=minor_decimal(int(splits.lines.amount_minor.mantissa[row]), currency),
                    amount=minor_decimal(int(column.mantissa[place]), currency),
                )
            )
    return applied


@dataclass(frozen=True, slots=True)
class RecipientTotal:
    """What a recipient has of all customers' invoices in a currency."""

    recipient_id: str
    currency: str
    amount: Decimal


class RecipientTotals:
    """Sums over some customers after others."""

    def __init__(self) -> None:
        self._minor: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, terms: Settled | None) -> None:
        """The shares of some more customers."""
        if terms is None:
            return
        for key, amount in _sums(terms.settlement.splits):
            self._minor[key] += amount

    def by_amount(self) -> list[RecipientTotal]:
        """By currency, then descending by amount, then by recipient."""
        found = sorted((currency, -amount, who) for (who, currency), amount in self._minor.items())
        return [
            RecipientTotal(who, currency, minor_decimal(-amount, currency)) for currency, amount, who in found
        ]


def _sums(splits: SplitResult) -> Iterator[tuple[tuple[str, str], int]]:
    """(recipient, currency) and what it has, in minor units."""
    currencies = splits.lines.currencies
    count = max(len(currencies), 1)
    parts = (
        (splits.recipient, splits.lines.currency[splits.line], splits.amount_minor, splits.recipients),
        (
            np.zeros(len(splits.lines), dtype=np.int64),
            splits.lines.currency,
            splits.platform_minor,
            (PLATFORM,),
        ),
    )
    for recipient, currency, amount, names in parts:
        keys, group = np.unique(recipient * count + currency, return_inverse=True)
        sums = amount.sum_by_group(group, len(keys)).mantissa.tolist()
        for key, total in zip(keys.tolist(), sums, strict=True):
            yield (names[key // count], currencies[key % count]), int(total)
