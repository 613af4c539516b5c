"""What is to be rated: n charges as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Self

import numpy as np
import numpy.typing as npt

from rating.kernels.parts import PartColumns
from rating.numbers.decimals import DecimalColumn
from rating.prices.price import Price

QUANTITY_SCALE_MAX = 36
"""Fractional digits of a column of charges: three times what a meter has, and far enough from SCALE_MAX of a
decimal column that conversion (18), price (18) and discount (20) can add theirs."""


class RatingError(ValueError):
    """Charges that can't be rated: columns that don't fit together, or a charge its price says nothing about."""


@dataclass(frozen=True, eq=False)
class EventAmounts:
    """The amounts of each charge's events, in order, for percentage prices with terms per event.

    Attributes:
        offsets: int64[n + 1]; the events of charge i are amounts[offsets[i]:offsets[i + 1]].
        amounts: all events' amounts in units of the currency. A negative one bills as zero, no fee is due for
            it, and its line is flagged.
    """

    offsets: npt.NDArray[np.int64]
    amounts: DecimalColumn

    def __post_init__(self) -> None:
        steps = np.diff(self.offsets)
        if (
            not len(self.offsets)
            or self.offsets[0] != 0
            or self.offsets[-1] != len(self.amounts)
            or (steps < 0).any()
        ):
            raise RatingError(f"event offsets must rise from 0 to the number of events ({len(self.amounts)})")

    def of_charge(self, row: int) -> DecimalColumn:
        """The amounts of one charge's events."""
        return self.amounts.take(slice(int(self.offsets[row]), int(self.offsets[row + 1])))

    def part(self, rows: npt.NDArray[np.int64]) -> "EventAmounts":
        """The events of some of the charges."""
        counts = (self.offsets[1:] - self.offsets[:-1])[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        shift = np.repeat(self.offsets[rows] - offsets[:-1], counts)
        return EventAmounts(offsets, self.amounts.take(np.arange(offsets[-1]) + shift))

    @classmethod
    def of(cls, events: Sequence[Sequence[Decimal | int | str]]) -> Self:
        """From one list of amounts for each charge."""
        offsets = np.cumsum([0, *(len(amounts) for amounts in events)], dtype=np.int64)
        return cls(offsets, DecimalColumn.of(amount for amounts in events for amount in amounts))


@dataclass(frozen=True, eq=False)
class Dimension:
    """One dimension of n charges, dictionary-encoded: values[codes[i]], or no value where the code is -1.

    Raises:
        RatingError: a code without a value.
    """

    codes: npt.NDArray[np.int64]
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.codes) and not (self.codes.min() >= -1 and self.codes.max() < len(self.values)):
            raise RatingError(f"dimension codes must be -1..{len(self.values) - 1}")

    def part(self, rows: npt.NDArray[np.int64]) -> "Dimension":
        """The values of some of the charges."""
        return Dimension(self.codes[rows], self.values)

    def value(self, row: int) -> str | None:
        """The value of one charge."""
        code = int(self.codes[row])
        return self.values[code] if code >= 0 else None

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Self:
        """From one text (or None) for each charge."""
        known: dict[str, int] = {}
        codes = [-1 if value is None else known.setdefault(value, len(known)) for value in values]
        return cls(np.array(codes, dtype=np.int64), tuple(known))


@dataclass(frozen=True, eq=False, kw_only=True)
class Charges:
    """n charges, column by column. Only `prices`, `price_index` and `quantity` are always needed.

    Attributes:
        prices: the distinct prices.
        price_index: int64[n], which price a charge has.
        quantity: n aggregated quantities in the meter's unit; for a dynamic or percentage price the sum of the
            events' amounts. A negative one bills as zero and its line is flagged.
        events: each event's amount, for percentage prices with a fee, minimum or maximum per event or free events.
        dimensions: dimension name -> its column, for matrix prices.
        quantities: unit -> n quantities, for capacity prices.
        consumed_before: n quantities already counted when this charge starts, for tiers whose counter runs on
            another clock than the invoice (annual tiers, monthly lines); in the unit of the tiers, after
            conversion and allowance. The price stage is then price(consumed_before + now) - price(consumed_before);
            discounts, maximum and minimum apply to this charge alone.
        counter_started: bool[n], whether anything was rated on that counter before, so that the flat amount of
            the first tier isn't due again; by default where consumed_before > 0.
        carried: n quantities that earlier parts of the same billing period consumed, in the meter's unit: tiers and
            allowances go on from there, and this charge's units are priced where they come to lie. What is due
            without usage, such as a first tier's flat amount, is due in each part. A price of the whole quantity
            at one tier (volume, stairstep) has the tier that the counter has reached, its flat amount in each
            part, and this charge's units at its unit amount. Not beside consumed_before; every amount stays 0 or more.
        booked: n amounts already billed for this period. `quantity` is then the cumulative one, and the line
            bills the rounded amount for it less what is booked: the parts add up to the whole.
        final: bool[n], whether this is the last part of the period, the one in which a minimum counts; by
            default all are.
        proration: for which part of its billing period each charge is: it owes that part of what its price comes to at
            the quantity, after every stage and before the rounding; by default all of it.

    Raises:
        RatingError: columns of different lengths, or a price index out of range.
    """

    prices: Sequence[Price]
    price_index: npt.NDArray[np.int64]
    quantity: DecimalColumn
    events: EventAmounts | None = None
    dimensions: Mapping[str, Dimension] = field(default_factory=lambda: MappingProxyType({}))
    quantities: Mapping[str, DecimalColumn] = field(default_factory=lambda: MappingProxyType({}))
    consumed_before: DecimalColumn | None = None
    counter_started: npt.NDArray[np.bool_] | None = None
    carried: DecimalColumn | None = None
    booked: DecimalColumn | None = None
    final: npt.NDArray[np.bool_] | None = None
    proration: PartColumns | None = None

    def __post_init__(self) -> None:
        _check_lengths(self)
        _check_scales(self)
        index = self.price_index
        if index.dtype.kind != "i":
            raise RatingError(f"price_index must be int64, is {index.dtype}")
        if len(index) and not (index.min() >= 0 and index.max() < len(self.prices)):
            raise RatingError(
                f"price_index must be 0..{len(self.prices) - 1}, is {index.min()}..{index.max()}"
            )
        for name in ("consumed_before", "carried"):
            column = getattr(self, name)
            if column is not None and len(self) and column.mantissa.min() < 0:
                raise RatingError(f"{name} must be 0 or more")
        if self.carried is not None and self.consumed_before is not None:
            raise RatingError("carried and consumed_before can't both be given: each is what a counter holds")

    def __len__(self) -> int:
        return len(self.price_index)

    def part(self, rows: npt.NDArray[np.int64]) -> "Charges":
        """Some of the charges, in the order of `rows`."""
        return Charges(
            prices=self.prices,
            price_index=self.price_index[rows],
            quantity=self.quantity.take(rows),
            events=None if self.events is None else self.events.part(rows),
            dimensions={name: column.part(rows) for name, column in self.dimensions.items()},
            quantities={unit: column.take(rows) for unit, column in self.quantities.items()},
            consumed_before=None if self.consumed_before is None else self.consumed_before.take(rows),
            counter_started=None if self.counter_started is None else self.counter_started[rows],
            carried=None if self.carried is None else self.carried.take(rows),
            booked=None if self.booked is None else self.booked.take(rows),
            final=None if self.final is None else self.final[rows],
            proration=None if self.proration is None else self.proration.take(rows),
        )


def _check_lengths(charges: Charges) -> None:
    """Every column has a row for each charge."""
    lengths = {"quantity": len(charges.quantity)}
    for name in ("consumed_before", "counter_started", "carried", "booked", "final", "proration"):
        column = getattr(charges, name)
        lengths |= {} if column is None else {name: len(column)}
    lengths |= {f"dimensions.{name}": len(column.codes) for name, column in charges.dimensions.items()}
    lengths |= {f"quantities.{name}": len(column) for name, column in charges.quantities.items()}
    if charges.events is not None:
        lengths["events"] = len(charges.events.offsets) - 1
    for name, length in lengths.items():
        if length != len(charges.price_index):
            raise RatingError(f"{name} has {length} rows, price_index has {len(charges.price_index)}")


def _check_scales(charges: Charges) -> None:
    """No column has more fractional digits than the stages have room for."""
    columns = {
        "quantity": charges.quantity,
        "consumed_before": charges.consumed_before,
        "carried": charges.carried,
        "booked": charges.booked,
    }
    columns |= {f"quantities.{name}": column for name, column in charges.quantities.items()}
    columns["events"] = None if charges.events is None else charges.events.amounts
    for name, column in columns.items():
        if column is not None and column.scale > QUANTITY_SCALE_MAX:
            raise RatingError(
                f"{name} has {column.scale} fractional digits; at most {QUANTITY_SCALE_MAX} can be rated"
            )
