"""Revenue splits of marketplaces: the platform's fee first, then every recipient's share; nothing is lost.

Rules:
1. fee = amount x platform_percent + platform_fixed, rounded once by the split's mode, at most the amount.
2. What remains goes to the recipients by their weights, by the largest remainder (ties to the recipient named
   first). Fee and shares add up to the amount exactly.
3. A negative amount (a refund) mirrors the percent fee and the shares. The fixed fee isn't returned unless
   `refund_fixed` is on; then it is, at most the amount. A zero amount pays no fee.
4. A line without a split isn't split: it has neither fee nor shares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

import numpy as np

from fields import BAD, DecimalNumber, ListOf, Nested, Problem, Record, Text, rule
from rating.numbers.allocate import allocate
from rating.numbers.currency import Code, NotNegative, minor_unit_digits, whole_minor_units
from rating.numbers.decimals import DecimalColumn, scaled_int
from rating.numbers.rounding import RoundingMode, divide_rounded_each
from rating.settlement.invoice_lines import NONE, Ids, InvoiceLines, check_ids, codes_of, expanded

Percent = Annotated[Decimal, DecimalNumber(at_most=100, fraction_digits=12)]
_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Share(Record):
    """A recipient's part of what remains after the fee: weight / all weights; 0..10**12, at most 12 decimals.

    Raises:
        FieldsError: with every problem of the values.
    """

    recipient_id: Annotated[str, Text()]
    weight: Annotated[Decimal, DecimalNumber(at_most=10**12, fraction_digits=12)]


@dataclass(frozen=True, kw_only=True)
class Split(Record):
    """How one kind of revenue is divided.

    Attributes:
        shares: 1..100 recipients, each once, at least one with a weight above 0.
        platform_percent: of the amount, 0..100; default 0.
        platform_fixed: once for each line, in units of `currency`, in whole minor units; default 0.
        currency: ISO 4217; needed for a fixed fee, which then applies only to lines in it.
        refund_fixed: whether a negative line returns the fixed fee; default False.
        rounding: of the fee; default half_up (half away from zero).

    Raises:
        FieldsError: with every problem of the values.
    """

    # Each becomes a row of every line.
    shares: Annotated[tuple[Share, ...], ListOf(Nested(Share), 1, 100, unique="recipient_id")]
    platform_percent: Percent = _ZERO
    platform_fixed: NotNegative = _ZERO
    currency: Code | None = None
    refund_fixed: bool = False
    rounding: RoundingMode = RoundingMode.HALF_UP

    @rule("platform_fixed", "currency")
    def _fixed_fee_is_in_a_currency(self) -> Iterator[Problem]:
        if self.currency is not None:
            yield from whole_minor_units("platform_fixed", self.platform_fixed, self.currency)
        elif self.platform_fixed:
            yield Problem(("currency",), "is missing: a fixed fee is an amount in a currency")

    @rule(partly=("shares",))
    def _somebody_has_a_share(self) -> Iterator[Problem]:
        if not any(share is BAD or share.weight for share in self.shares):
            yield Problem(("shares",), "must have a weight above 0")

    @property
    def fixed_minor(self) -> int:
        return (
            0 if self.currency is None else scaled_int(self.platform_fixed, minor_unit_digits(self.currency))
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitResult:
    """m shares of n lines; amounts in minor units at scale 0.

    Attributes:
        platform_minor: the fee on each of the n lines; 0 where there is no split.
        recipients: the distinct recipient ids.
        line: row of the line of each share, int64[m]; by line, then in the split's order.
        recipient: index into `recipients`, int64[m].
        amount_minor: m shares. Those of a line and its fee add up to its amount.
    """

    platform_minor: DecimalColumn
    recipients: tuple[str, ...]
    line: Ids
    recipient: Ids
    amount_minor: DecimalColumn


def apply_splits(lines: InvoiceLines, splits: Sequence[Split]) -> SplitResult:
    """The fee and the shares of each line's amount. O(m log m) for m shares in all.

    Raises:
        ValueError: a line's split isn't there, or has a fixed fee in another currency.
    """
    check_ids("split", lines.split, NONE, len(splits) - 1)
    divided = np.flatnonzero(lines.split != NONE)
    split = lines.split[divided]
    _check_currencies(lines, splits, divided, split)
    fee = _fees(lines.amount_minor.take(divided), splits, split)
    rest = lines.amount_minor.take(divided).subtract(fee).narrowed()
    count = np.array([len(each.shares) for each in splits], dtype=np.int64)
    start = np.cumsum(count) - count
    owner, within = expanded(count[split])
    entry = start[split][owner] + within
    recipients = codes_of(share.recipient_id for each in splits for share in each.shares)
    recipient = np.array([recipients[s.recipient_id] for each in splits for s in each.shares], dtype=np.int64)
    weights = DecimalColumn.of([share.weight for each in splits for share in each.shares])
    platform = np.zeros(len(lines), dtype=fee.mantissa.dtype)
    platform[divided] = fee.mantissa
    return SplitResult(
        platform_minor=DecimalColumn(platform, 0).narrowed(),
        recipients=tuple(recipients),
        line=divided[owner],
        recipient=recipient[entry],
        amount_minor=allocate(rest, weights.take(entry), owner).narrowed(),
    )


def _fees(amount: DecimalColumn, splits: Sequence[Split], split: Ids) -> DecimalColumn:
    """The platform's fee on each amount, by the rules 1 and 3."""
    percent = DecimalColumn.of([each.platform_percent for each in splits]).take(split)
    part = DecimalColumn(percent.mantissa, percent.scale + 2)
    fixed = DecimalColumn.of_ints([each.fixed_minor for each in splits]).take(split)
    returned = np.array([each.refund_fixed for each in splits], dtype=np.bool_)[split]
    sign: Ids = np.sign(amount.mantissa).astype(np.int64)
    due = fixed.where((sign > 0) | returned, DecimalColumn.zeros(len(fixed)))
    size = amount.multiply(DecimalColumn(sign, 0))
    exact = size.multiply(part).add(due)
    modes = [each.rounding for each in splits]
    fee = DecimalColumn(divide_rounded_each(exact.mantissa, 10**exact.scale, modes, split), 0)
    return fee.minimum(size).multiply(DecimalColumn(sign, 0)).narrowed()


def _check_currencies(lines: InvoiceLines, splits: Sequence[Split], divided: Ids, split: Ids) -> None:
    codes = codes_of(lines.currencies)
    fixed = np.array([each.fixed_minor > 0 for each in splits], dtype=np.bool_)[split]
    own = np.array([codes.get(each.currency or "", NONE) for each in splits], dtype=np.int64)[split]
    foreign = fixed & (own != lines.currency[divided])
    if foreign.any():
        row = int(np.argmax(foreign))
        line, each = int(divided[row]), splits[int(split[row])]
        raise ValueError(
            f"line {line} is in {lines.currencies[lines.currency[line]]}, "
            f"the fixed fee of its split {split[row]} in {each.currency}"
        )
