"""What a subscription committed to spend in a period: the true-up for less, the overage factor for more.

Rules:
1. A line counts toward the commitment of its subscription in its currency that names its price, else toward the one for
   all prices, else toward none. Of several that name its price the last counts.
2. spend = what earlier parts of the period booked + the lines of this part. Adjustments don't count as spend.
3. committed = the amount, or its share of a whole period: `prorated_minor`, rounded once to minor units.
4. overage = (spend - committed, if positive) x (overage_factor - 1), rounded once. Spend beyond the commitment so
   comes to spend x factor in all; a factor below 1 makes the adjustment negative.
5. true-up = committed - spend, if positive; only in the final part, and only if `true_up` is on. Negative spend
   (refunds) is made up for too: the period then comes to the commitment.
6. Both are cumulative less what is booked, so parts of a period add up to the whole, and usage that arrives after
   the final part takes back the true-up it has covered.
7. A commitment over a term of several periods has a row for each of them. Spend then is that of the term up to and with the
   period, each period has the overage of its own spend alone, by what is committed as it is in that period, and the last one
   has the true-up.
8. What a single period that rolls over leaves unused, later ones may use, so many as its terms say, the oldest first: spend beyond
   their own commitment, or the first of their spend. Spend less that is what overage and true-up are of, and what was made up for
   when it was left unused is taken off the true-up, which may so be negative.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Self

import numpy as np

from fields import Count, DecimalNumber, Flag, Problem, Record, rule
from rating.numbers.currency import Code, NotNegative, PriceIds, minor_unit_digits, whole_minor_units
from rating.numbers.decimals import DecimalColumn, scaled_int
from rating.numbers.rounding import RoundingMode, divide_rounded_each
from rating.settlement.invoice_lines import (
    NONE,
    Flags,
    Ids,
    InvoiceLines,
    check_columns,
    check_ids,
    check_minor,
    codes_of,
    divided_minor,
    expanded,
)


class InconsistentTermsError(ValueError):
    """The periods of some commitment's term don't fit together: nothing can be settled with them. A mistake of the caller's."""


@dataclass(frozen=True, kw_only=True)
class Commitment(Record):
    """A minimum spend in one billing period.

    Attributes:
        currency: ISO 4217.
        amount: the minimum spend of a whole period, in units of the currency, in whole minor units.
        overage_factor: what spend beyond the amount is multiplied by, 0..1000; 1 (default): nothing changes,
            1.5: half as much again, 0.9: a tenth off.
        true_up: whether the shortfall is charged (default), or only the factor applies.
        price_ids: the prices whose lines count; None (default): all lines of the subscription.
        rollover_periods: how many later periods may use what one leaves; 0 (default): none. rollover_first: whether they use it before
            their own commitment, or beyond it (default).
        rounding: of the overage and of a prorated amount; default half_up (half away from zero).

    Raises:
        FieldsError: with every problem of the values.
    """

    currency: Code
    amount: NotNegative
    # A typo in a factor should not pass as a price.
    overage_factor: Annotated[Decimal, DecimalNumber(at_most=1000, fraction_digits=12)] = Decimal(1)
    true_up: bool = True
    price_ids: PriceIds | None = None
    rollover_periods: Annotated[int, Count()] = 0
    rollover_first: Annotated[bool, Flag()] = False
    rounding: RoundingMode = RoundingMode.HALF_UP

    @rule("amount", "currency")
    def _is_whole_minor_units(self) -> Iterator[Problem]:
        yield from whole_minor_units("amount", self.amount, self.currency)

    @property
    def amount_minor(self) -> int:
        return scaled_int(self.amount, minor_unit_digits(self.currency))


@dataclass(frozen=True, eq=False, kw_only=True)
class Commitments:
    """K commitments of subscriptions, each in one billing period, as columns.

    Attributes:
        terms: the distinct commitments; `terms_index`: index into it, int64[K].
        subscription: whose it is, int64[K] ids as in the lines.
        final: whether this is the last part of the period, bool[K].
        spent_minor, overage_minor, true_up_minor: booked in earlier parts of the period, in minor units.
        committed_minor: what is committed, in minor units, 0 or more.
        price_names: by what `terms` call each of the lines' price_ids, several maybe alike; None (default): as the lines do.
        term, position: int64[K], which term each row is of, and which of its periods, from 0; given together. None (default): each
            row is a term of its own.
        rolls_over: bool[K], whether the periods of its term are made up for one by one, and roll over (rule 8); None: none does.

    Raises:
        ValueError: columns of other lengths or types.
        InconsistentTermsError: a term without one of its earlier periods, or with one twice.
    """

    terms: tuple[Commitment, ...]
    terms_index: Ids
    subscription: Ids
    final: Flags
    spent_minor: DecimalColumn
    overage_minor: DecimalColumn
    true_up_minor: DecimalColumn
    committed_minor: DecimalColumn
    price_names: tuple[str, ...] | None = None
    term: Ids | None = None
    position: Ids | None = None
    rolls_over: Flags | None = None

    def __post_init__(self) -> None:
        check_columns(self, len(self))
        check_ids("terms_index", self.terms_index, 0, len(self.terms) - 1)
        check_ids("subscription", self.subscription, 0)
        for name in ("spent_minor", "overage_minor", "true_up_minor", "committed_minor"):
            check_minor(getattr(self, name), name)
        if (self.term is None) != (self.position is None):
            raise ValueError("term and position go together")
        if self.term is not None and self.position is not None:
            check_columns(self, len(self))
            order = np.lexsort((self.position, self.term))
            expected = np.zeros(len(order), dtype=np.int64)
            goes_on = np.diff(self.term[order]) == 0
            expected[1:] = np.where(goes_on, self.position[order][:-1] + 1, 0)
            if (self.position[order] != expected).any():
                raise InconsistentTermsError(
                    "a term of commitments has not each of its periods once, from the first on"
                )

    def __len__(self) -> int:
        return len(self.terms_index)

    @classmethod
    def of(
        cls, terms: Sequence[Commitment], subscription: Sequence[int] | Ids, *, final: bool = True
    ) -> Self:
        """One row for each of the terms, for a whole period of which nothing is booked."""
        rows = len(terms)
        return cls(
            terms=tuple(terms),
            terms_index=np.arange(rows, dtype=np.int64),
            subscription=np.asarray(subscription, dtype=np.int64),
            final=np.full(rows, final),
            spent_minor=DecimalColumn.zeros(rows),
            overage_minor=DecimalColumn.zeros(rows),
            true_up_minor=DecimalColumn.zeros(rows),
            committed_minor=DecimalColumn.of_ints([each.amount_minor for each in terms]),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class CommitmentResult:
    """What each of the K commitments comes to; all in minor units at scale 0.

    Attributes:
        counted_by: the commitment that each line counts toward, int64[n], -1: none.
        committed_minor: as given.
        spend_minor: the spend so far, of the period, or of the term that it is of.
        before_minor: what of it was spent in earlier periods of the term.
        rolled_minor: what earlier periods left that may be used, for rows that roll over. carried_minor: what of it is used.
        overage_minor: to charge now for spend beyond the commitment, any sign.
        true_up_minor: to charge now for the shortfall; negative where late usage takes it back.
    """

    counted_by: Ids
    committed_minor: DecimalColumn
    spend_minor: DecimalColumn
    before_minor: DecimalColumn
    rolled_minor: DecimalColumn
    carried_minor: DecimalColumn
    overage_minor: DecimalColumn
    true_up_minor: DecimalColumn


def apply_commitments(lines: InvoiceLines, commitments: Commitments) -> CommitmentResult:
    """What commitments add to the n lines. O(n log K), no Python per line or commitment but for distinct terms."""
    counted_by = _matches(lines, commitments)
    counts = counted_by != NONE
    part = lines.amount_minor.take(counts).sum_by_group(counted_by[counts], len(commitments))
    own = commitments.spent_minor.add(part)
    before = _before(own, commitments)
    rollover = _rolled_over(own, commitments)
    spend = before.add(own)
    committed = commitments.committed_minor
    zeros = DecimalColumn.zeros(len(commitments))
    short = committed.subtract(spend.subtract(rollover.used_minor))
    over = short.negate().maximum(zeros).subtract(before.subtract(committed).maximum(zeros))
    factor = DecimalColumn.of([terms.overage_factor for terms in commitments.terms])
    extra = factor.subtract(DecimalColumn.of_ints([1] * len(factor)))
    overage = _rounded(over.multiply(extra.take(commitments.terms_index)), commitments)
    trues_up = np.array([terms.true_up for terms in commitments.terms], dtype=np.bool_)
    shortfall = short.maximum(zeros).where(trues_up[commitments.terms_index], zeros)
    true_up = shortfall.subtract(rollover.paid_minor).subtract(commitments.true_up_minor)
    # Without a true-up nothing that was booked is taken back.
    owing = commitments.final & (trues_up[commitments.terms_index] | (rollover.paid_minor.mantissa != 0))
    return CommitmentResult(
        counted_by=counted_by,
        committed_minor=committed,
        spend_minor=spend,
        before_minor=before,
        rolled_minor=rollover.left_minor,
        carried_minor=rollover.used_minor,
        overage_minor=overage.subtract(commitments.overage_minor).narrowed(),
        true_up_minor=true_up.where(owing, zeros).narrowed(),
    )


def _before(own: DecimalColumn, commitments: Commitments) -> DecimalColumn:
    """Of each row what was spent in the earlier periods of its term, from what each period spent (rule 7)."""
    before = DecimalColumn.zeros(len(own))
    if commitments.term is None or commitments.position is None:
        return before
    if commitments.rolls_over is not None:
        own = before.where(commitments.rolls_over, own)
    order = np.lexsort((commitments.position, commitments.term))
    position = commitments.position[order]
    # A period of all terms at once: the one before it is the row before.
    for each in range(1, 1 + int(position.max(initial=0))):
        places = np.flatnonzero(position == each)
        earlier = order[places - 1]
        before = before.replaced(order[places], before.take(earlier).add(own.take(earlier)))
    return before.narrowed()


@dataclass(frozen=True, eq=False, kw_only=True)
class _Rollover:
    """Of each of K rows what earlier periods left, what of that it uses, and what of that was made up for; minor units."""

    left_minor: DecimalColumn
    used_minor: DecimalColumn
    paid_minor: DecimalColumn


def _rolled_over(own: DecimalColumn, commitments: Commitments) -> _Rollover:
    """Rule 8, from what each period spent: a period of all terms at once, and in it one that left something after the other."""
    zeros = DecimalColumn.zeros(len(own))
    if (
        commitments.term is None
        or commitments.position is None
        or commitments.rolls_over is None
        or not commitments.rolls_over.any()
    ):
        return _Rollover(left_minor=zeros, used_minor=zeros, paid_minor=zeros)
    of_terms = commitments.terms_index
    lasts = np.array([each.rollover_periods for each in commitments.terms], dtype=np.int64)[of_terms]
    first = np.array([each.rollover_first for each in commitments.terms], dtype=np.bool_)[of_terms]
    trues_up = np.array([each.true_up for each in commitments.terms], dtype=np.bool_)[of_terms]
    order = np.lexsort((commitments.position, commitments.term))
    order = order[commitments.rolls_over[order]]
    position = commitments.position[order]
    left, used, paid = zeros, zeros, zeros
    # Of each row what it left that nobody has used yet.
    unused = zeros
    for each in range(1 + int(position.max(initial=0))):
        places = np.flatnonzero(position == each)
        rows = order[places]
        nothing = DecimalColumn.zeros(len(rows))
        spend, committed = own.take(rows), commitments.committed_minor.take(rows)
        wanted = spend.where(first[rows], spend.subtract(committed)).maximum(nothing)
        for back in range(min(each, int(lasts.max(initial=0))), 0, -1):
            earlier = order[places - back]
            lot = unused.take(earlier).where(lasts[earlier] >= back, nothing)
            taken = lot.minimum(wanted)
            wanted = wanted.subtract(taken)
            unused = unused.replaced(earlier, unused.take(earlier).subtract(taken))
            left = left.replaced(rows, left.take(rows).add(lot))
            used = used.replaced(rows, used.take(rows).add(taken))
            paid = paid.replaced(rows, paid.take(rows).add(taken.where(trues_up[earlier], nothing)))
        rest = committed.subtract(spend.subtract(used.take(rows))).maximum(nothing).minimum(committed)
        unused = unused.replaced(rows, rest)
    return _Rollover(left_minor=left.narrowed(), used_minor=used.narrowed(), paid_minor=paid.narrowed())


def prorated_minor(
    amount_minor: DecimalColumn,
    counted: Ids,
    owner: Ids,
    whole: Ids,
    mode: RoundingMode = RoundingMode.HALF_UP,
) -> DecimalColumn:
    """Of K periods what is committed: the sum of amount x counted / whole over the stretches of each, rounded once.

    amount_minor, counted, owner: of m stretches, their amounts for a whole period, what of it they are, and whose they are, 0 to
    K - 1. whole: int64[K], what a whole period counts, above 0.
    """
    exact = amount_minor.multiply(DecimalColumn(counted, 0)).sum_by_group(owner, len(whole))
    return divided_minor(exact, whole, mode)


def _rounded(exact: DecimalColumn, commitments: Commitments) -> DecimalColumn:
    """In whole units, each row by the rounding mode of its terms."""
    modes = [terms.rounding for terms in commitments.terms]
    return DecimalColumn(
        divide_rounded_each(exact.mantissa, 10**exact.scale, modes, commitments.terms_index), 0
    )


def _matches(lines: InvoiceLines, commitments: Commitments) -> Ids:
    """For each line the commitment that it counts toward, by rule 1."""
    codes = codes_of((*lines.currencies, *(terms.currency for terms in commitments.terms)))
    currency = np.array([codes[terms.currency] for terms in commitments.terms], dtype=np.int64)
    # The subscription in a currency; a line without one matches none.
    own = commitments.subscription * len(codes) + currency[commitments.terms_index]
    wanted = np.where(lines.subscription == NONE, NONE, lines.subscription * len(codes) + lines.currency)
    unscoped = np.array([terms.price_ids is None for terms in commitments.terms], dtype=np.bool_)
    for_all = np.flatnonzero(unscoped[commitments.terms_index])
    by_price = _matches_by_price(lines, commitments, own, wanted)
    return np.where(by_price != NONE, by_price, _lookup(own[for_all], for_all, wanted))


def _matches_by_price(lines: InvoiceLines, commitments: Commitments, own: Ids, wanted: Ids) -> Ids:
    """For each line the commitment that names its price, -1 where there is none."""
    names = lines.price_ids if commitments.price_names is None else commitments.price_names
    if len(names) != len(lines.price_ids):
        raise ValueError(f"price_names has {len(names)} names for {len(lines.price_ids)} prices of lines")
    named = codes_of(names)
    name_of_price = np.array([*(named[each] for each in names), NONE], dtype=np.int64)
    scopes = [[named[each] for each in terms.price_ids or () if each in named] for terms in commitments.terms]
    sizes = np.array([len(scope) for scope in scopes], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    flat = np.array([code for scope in scopes for code in scope], dtype=np.int64)
    row, within = expanded(sizes[commitments.terms_index])
    price = flat[starts[commitments.terms_index[row]] + within]
    match = _lookup(own[row] * len(named) + price, row, wanted * len(named) + name_of_price[lines.price])
    return np.where((lines.price == NONE) | (wanted == NONE), NONE, match)


def _lookup(key: Ids, value: Ids, wanted: Ids) -> Ids:
    """The value of each wanted key, of several the last; -1 for one that isn't there."""
    if not len(key):
        return np.full(len(wanted), NONE, dtype=np.int64)
    order = np.argsort(key, kind="stable")
    key, value = key[order], value[order]
    place = np.searchsorted(key, wanted, side="right") - 1
    return np.where(key[place] == wanted, value[place], NONE)
