"""Revenue splits of marketplaces: the platform's fee first, then every recipient's share; nothing is lost.

Rules:
1. fee = amount x platform_percent + platform_fixed, rounded once by the split's mode, at most the amount.
2. What remains goes to the recipients by their weights, by the largest remainder (ties to the recipient named
   first). Fee and shares add up to the amount exactly.
3. A negative amount (a refund) mirrors the percent fee and the shares. The fixed fee isn't returned unless
   `refund_fixed` is on; then it is, at most the amount. A zero amount pays no fee.
4. A line without a split isn't split: it has neither fee nor shares.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from rating.allocate import allocate
from rating.checks import minor_unit_digits
from rating.decimals import DecimalColumn, scaled_int
from rating.invoice_lines import NONE, Ids, InvoiceLines, check_ids, codes_of, expanded
from rating.problems import Problem
from rating.rounding import RoundingMode, divide_rounded_each
from rating.terms import (
    Parser,
    Values,
    amount_problems,
    currency_problems,
    number_problems,
    parse_bool,
    parse_choice,
    parse_decimal,
    parse_each,
    parse_text,
    read_terms,
    refuse,
    text_problems,
    type_problems,
)

SHARES_MAX = 100
"""Most recipients of one split: each becomes a row of every line."""
WEIGHT_MAX = Decimal(10) ** 12
_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Share:
    """A recipient's part of what remains after the fee: weight / all weights; 0..10**12, at most 12 decimals.

    Raises:
        PriceError: with every problem of the values.
    """

    recipient_id: str
    weight: Decimal

    def __post_init__(self) -> None:
        refuse(_share_problems(vars(self)))


@dataclass(frozen=True, kw_only=True)
class Split:
    """How one kind of revenue is divided.

    Attributes:
        shares: 1..100 recipients, each once, at least one with a weight above 0.
        platform_percent: of the amount, 0..100; default 0.
        platform_fixed: once for each line, in units of `currency`, in whole minor units; default 0.
        currency: ISO 4217; needed for a fixed fee, which then applies only to lines in it.
        refund_fixed: whether a negative line returns the fixed fee; default False.
        rounding: of the fee; default half_up (half away from zero).

    Raises:
        PriceError: with every problem of the values.
    """

    shares: tuple[Share, ...]
    platform_percent: Decimal = _ZERO
    platform_fixed: Decimal = _ZERO
    currency: str | None = None
    refund_fixed: bool = False
    rounding: RoundingMode = RoundingMode.HALF_UP

    def __post_init__(self) -> None:
        refuse(_split_problems(vars(self)))

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


def read_split(fields: Mapping[str, object]) -> Split:
    """A split from untrusted fields, named as the attributes of `Split`; `shares` is a list of mappings.

    Raises:
        PriceError: with every problem.
    """
    return read_terms(Split, _PARSERS, _split_problems, fields)


def _parse_shares(value: object) -> tuple[Share, ...]:
    return parse_each(value, lambda fields: read_terms(Share, _SHARE_PARSERS, _share_problems, fields))


_SHARE_PARSERS: Mapping[str, Parser] = {"recipient_id": parse_text, "weight": parse_decimal}
_PARSERS: Mapping[str, Parser] = {
    "shares": _parse_shares,
    "platform_percent": parse_decimal,
    "platform_fixed": parse_decimal,
    "currency": parse_text,
    "refund_fixed": parse_bool,
    "rounding": parse_choice(RoundingMode),
}


def _share_problems(values: Values) -> Iterator[Problem]:
    yield from text_problems(values, "recipient_id")
    yield from number_problems(values, "weight", _ZERO, WEIGHT_MAX)


def _split_problems(values: Values) -> Iterator[Problem]:
    currency = {name: value for name, value in values.items() if name != "currency" or value is not None}
    yield from currency_problems(currency)
    yield from number_problems(values, "platform_percent", _ZERO, Decimal(100))
    yield from amount_problems(currency, "platform_fixed")
    if values.get("platform_fixed") and "currency" not in currency:
        yield Problem(("currency",), "is missing: a fixed fee is an amount in a currency")
    yield from type_problems(values, "refund_fixed", bool)
    yield from type_problems(values, "rounding", RoundingMode)
    if "shares" in values:
        yield from _shares_problems(values["shares"])


def _shares_problems(shares: object) -> Iterator[Problem]:
    if not isinstance(shares, tuple) or not all(isinstance(share, Share) for share in shares):
        yield Problem(("shares",), f"must be a tuple of shares, is {shares!r}")
        return
    if not 1 <= len(shares) <= SHARES_MAX:
        yield Problem(("shares",), f"must be 1 to {SHARES_MAX}, are {len(shares)}")
    elif not any(share.weight for share in shares):
        yield Problem(("shares",), "must have a weight above 0")
    seen: set[str] = set()
    for index, share in enumerate(shares):
        if share.recipient_id in seen:
            yield Problem(("shares", index, "recipient_id"), f"is there twice: {share.recipient_id}")
        seen.add(share.recipient_id)
