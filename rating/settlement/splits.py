"""Revenue splits of marketplaces: fixed amounts first, then the platform's fee, then shares by weight; nothing is lost.

Rules:
1. Shares with a `fixed` amount have it first, in the order given, each at most what is left of the amount.
2. fee = what is left x platform_percent + platform_fixed, rounded once by the split's mode, at most what is left.
3. What remains goes to the recipients by their weights, by the largest remainder (ties to the recipient named
   first). Without any weight it is the platform's too. Fee and shares add up to the amount exactly.
4. A negative amount (a refund) mirrors the percent fee and the shares. Fixed amounts aren't returned unless
   `refund_fixed` is on; then they are, at most the amount. A zero amount pays nothing.
5. A line without a split isn't split: it has neither fee nor shares.
6. By `SplitScope` each line is split by itself, or the lines of an invoice with one split together, so that many small lines
   aren't rounded one by one and a fixed amount is paid once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate
from typing import Annotated

import numpy as np

from fields import BAD, DecimalNumber, ListOf, Nested, Problem, Record, Text, rule
from rating.numbers.allocate import allocate
from rating.numbers.currency import Code, NotNegative, minor_unit_digits, whole_minor_units
from rating.numbers.decimals import DecimalColumn, scaled_int
from rating.numbers.rounding import RoundingMode, divide_rounded_each
from rating.settlement.invoice_lines import NONE, Flags, Ids, InvoiceLines, check_ids, codes_of, expanded

Percent = Annotated[Decimal, DecimalNumber(at_most=100, fraction_digits=12)]
_ZERO = Decimal(0)


class SplitBase(StrEnum):
    """Which amount of a line is split."""

    LINE = "line"
    """The line's own amount, before credits and taxes."""
    NET = "net"
    """What the line comes to without taxes (default)."""
    GROSS = "gross"
    """What the line comes to with taxes."""


class SplitScope(StrEnum):
    """What is split at once."""

    LINE = "line"
    """Each line (default)."""
    INVOICE = "invoice"
    """The lines of one invoice that have one split."""


@dataclass(frozen=True, kw_only=True)
class Share(Record):
    """What a recipient has of an amount.

    Attributes:
        weight: of what remains after the fee it has weight / all weights; 0..10**12, at most 12 decimals; default 0.
        fixed: what it has before the fee, in units of the split's currency, in whole minor units; default 0.

    Raises:
        FieldsError: with every problem of the values.
    """

    recipient_id: Annotated[str, Text()]
    weight: Annotated[Decimal, DecimalNumber(at_most=10**12, fraction_digits=12)] = _ZERO
    fixed: NotNegative = _ZERO


@dataclass(frozen=True, kw_only=True)
class Split(Record):
    """How one kind of revenue is divided.

    Attributes:
        shares: 1..100 recipients, each once, at least one with a weight or a fixed amount above 0.
        platform_percent: of what fixed shares leave, 0..100; default 0.
        platform_fixed: once for each amount that is split, in units of `currency`, in whole minor units; default 0.
        currency: ISO 4217; needed for fixed amounts, which then apply only to lines in it.
        refund_fixed: whether a negative amount returns the fixed ones; default False.
        rounding: of the fee; default half_up (half away from zero).
        base: which amount of a line is split; default net.

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
    base: SplitBase = SplitBase.NET

    @rule("platform_fixed", "currency")
    def _fixed_fee_is_in_a_currency(self) -> Iterator[Problem]:
        if self.currency is not None:
            yield from whole_minor_units("platform_fixed", self.platform_fixed, self.currency)
        elif self.platform_fixed:
            yield Problem(("currency",), "is missing: a fixed fee is an amount in a currency")

    @rule("currency", partly=("shares",))
    def _fixed_shares_are_in_a_currency(self) -> Iterator[Problem]:
        for place, share in enumerate(self.shares):
            if share is BAD or not share.fixed:
                continue
            if self.currency is None:
                yield Problem(("currency",), "is missing: a fixed share is an amount in a currency")
                return
            for problem in whole_minor_units("fixed", share.fixed, self.currency):
                yield Problem(("shares", place, *problem.path), problem.message)

    @rule(partly=("shares",))
    def _somebody_has_a_share(self) -> Iterator[Problem]:
        if not any(share is BAD or share.weight or share.fixed for share in self.shares):
            yield Problem(("shares",), "must have a weight or a fixed amount above 0")

    @property
    def has_weights(self) -> bool:
        return any(share.weight for share in self.shares)

    @property
    def has_fixed(self) -> bool:
        return bool(self.platform_fixed or any(share.fixed for share in self.shares))

    def minor(self, amount: Decimal) -> int:
        """A fixed amount in minor units."""
        return 0 if self.currency is None else scaled_int(amount, minor_unit_digits(self.currency))


@dataclass(frozen=True, eq=False, kw_only=True)
class SplitResult:
    """m shares of n amounts; minor units at scale 0.

    Attributes:
        lines: the n amounts that were split: the given lines, or (`lines_together`) one for each invoice and split.
        platform_minor: the platform's part of each of the n; 0 where there is no split.
        recipients: the distinct recipient ids.
        line: which of the n each share is of, int64[m]; by line, then in the split's order.
        recipient: index into `recipients`, int64[m].
        amount_minor: m shares. Those of a line and its fee add up to its amount.
    """

    lines: InvoiceLines
    platform_minor: DecimalColumn
    recipients: tuple[str, ...]
    line: Ids
    recipient: Ids
    amount_minor: DecimalColumn


@dataclass(frozen=True, eq=False, slots=True)
class _Entries:
    """All shares of all splits, one after another; `first`, `count`: where those of each split are.

    upto_minor: what the fixed amounts of a split come to, up to and with each share.
    """

    first: Ids
    count: Ids
    weight: DecimalColumn
    fixed_minor: DecimalColumn
    upto_minor: DecimalColumn

    @classmethod
    def of(cls, splits: Sequence[Split]) -> "_Entries":
        count = np.array([len(each.shares) for each in splits], dtype=np.int64)
        fixed = [[each.minor(share.fixed) for share in each.shares] for each in splits]
        # What is shared out where nobody has a weight is nothing.
        weights = [
            share.weight if each.has_weights else Decimal(1) for each in splits for share in each.shares
        ]
        return cls(
            np.cumsum(count) - count,
            count,
            DecimalColumn.of(weights),
            DecimalColumn.of_ints([amount for own in fixed for amount in own]),
            DecimalColumn.of_ints([upto for own in fixed for upto in accumulate(own)]),
        )


def apply_splits(lines: InvoiceLines, splits: Sequence[Split]) -> SplitResult:
    """What the platform and each recipient have of each line's amount. O(m log m) for m shares in all.

    Raises:
        ValueError: a line's split isn't there, or has a fixed amount in another currency.
    """
    check_ids("split", lines.split, NONE, len(splits) - 1)
    divided = np.flatnonzero(lines.split != NONE)
    split = lines.split[divided]
    _check_currencies(lines, splits, divided, split)
    entries = _Entries.of(splits)
    owner, within = expanded(entries.count[split])
    entry = entries.first[split][owner] + within
    amount = lines.amount_minor.take(divided)
    sign: Ids = np.sign(amount.mantissa).astype(np.int64)
    signs = DecimalColumn(sign, 0)
    size = amount.multiply(signs)
    returned = np.array([each.refund_fixed for each in splits], dtype=np.bool_)[split]
    fixed_applies = (sign > 0) | returned
    fixed = _fixed_shares(size.where(fixed_applies, DecimalColumn.zeros(len(size))), entries, owner, entry)
    left = size.subtract(fixed.sum_by_group(owner, len(size)))
    fee = _fees(left, splits, split, fixed_applies)
    shares = fixed.add(allocate(left.subtract(fee).narrowed(), entries.weight.take(entry), owner))
    recipients = codes_of(share.recipient_id for each in splits for share in each.shares)
    recipient = np.array([recipients[s.recipient_id] for each in splits for s in each.shares], dtype=np.int64)
    signed_fee = fee.multiply(signs).narrowed()
    platform = np.zeros(len(lines), dtype=signed_fee.mantissa.dtype)
    platform[divided] = signed_fee.mantissa
    return SplitResult(
        lines=lines,
        platform_minor=DecimalColumn(platform, 0).narrowed(),
        recipients=tuple(recipients),
        line=divided[owner],
        recipient=recipient[entry],
        amount_minor=shares.multiply(signs.take(owner)).narrowed(),
    )


def lines_together(lines: InvoiceLines) -> InvoiceLines:
    """One line for each invoice and split of the lines that have a split; by invoice, then by split."""
    divided = np.flatnonzero(lines.split != NONE)
    keys = lines.invoice[divided] * (int(lines.split.max(initial=NONE)) + 1) + lines.split[divided]
    found, first, group = np.unique(keys, return_index=True, return_inverse=True)
    rows = divided[first]
    nothing = np.full(len(found), NONE, dtype=np.int64)
    return InvoiceLines(
        amount_minor=lines.amount_minor.take(divided).sum_by_group(group, len(found)),
        currencies=lines.currencies,
        currency=lines.currency[rows],
        customer=lines.customer[rows],
        invoice=lines.invoice[rows],
        subscription=nothing,
        price_ids=(),
        price=nothing,
        at_us=lines.at_us[rows],
        tax_profile=nothing,
        split=lines.split[rows],
    )


def _fixed_shares(size: DecimalColumn, entries: _Entries, owner: Ids, entry: Ids) -> DecimalColumn:
    """What each share has by rule 1, of amounts that are 0 or more."""
    upto, own = entries.upto_minor.take(entry), size.take(owner)
    return own.minimum(upto).subtract(own.minimum(upto.subtract(entries.fixed_minor.take(entry))))


def _fees(left: DecimalColumn, splits: Sequence[Split], split: Ids, fixed_applies: Flags) -> DecimalColumn:
    """The platform's part of each amount that is left, which is 0 or more, by the rules 2 to 4."""
    everything = Decimal(100)
    percents = [each.platform_percent if each.has_weights else everything for each in splits]
    percent = DecimalColumn.of(percents).take(split)
    part = DecimalColumn(percent.mantissa, percent.scale + 2)
    fixed = DecimalColumn.of_ints([each.minor(each.platform_fixed) for each in splits]).take(split)
    exact = left.multiply(part).add(fixed.where(fixed_applies, DecimalColumn.zeros(len(fixed))))
    modes = [each.rounding for each in splits]
    fee = DecimalColumn(divide_rounded_each(exact.mantissa, 10**exact.scale, modes, split), 0)
    return fee.minimum(left)


def _check_currencies(lines: InvoiceLines, splits: Sequence[Split], divided: Ids, split: Ids) -> None:
    codes = codes_of(lines.currencies)
    fixed = np.array([each.has_fixed for each in splits], dtype=np.bool_)[split]
    own = np.array([codes.get(each.currency or "", NONE) for each in splits], dtype=np.int64)[split]
    foreign = fixed & (own != lines.currency[divided])
    if foreign.any():
        row = int(np.argmax(foreign))
        line, each = int(divided[row]), splits[int(split[row])]
        raise ValueError(
            f"line {line} is in {lines.currencies[lines.currency[line]]}, "
            f"the fixed amounts of its split {split[row]} in {each.currency}"
        )
