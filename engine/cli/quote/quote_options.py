"""The quantities of one quote from the command line's options: `--quantity input=1482229` and its kin."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.billing.quote.given_usage import GivenUsage
from engine.billing.quote.price_list import Counts, PriceList, QuotedPrice, near
from engine.cli.terminal.connection import CommandError
from engine.cli.terminal.options import Pair, each_once
from engine.decimal_texts import decimals

_EVENT_SEPARATOR = ","
_OPTION = {Counts.QUANTITY: "--quantity", Counts.EVENTS: "--events"}


@dataclass(frozen=True, slots=True)
class OptionUsage:
    """What the options give: price id -> quantity or events, dimension -> value, unit -> quantity; all as text."""

    quantities: Mapping[str, str]
    dimensions: Mapping[str, str]
    units: Mapping[str, str]


def read_options(
    prices: PriceList,
    *,
    quantities: Sequence[Pair],
    events: Sequence[Pair],
    dimensions: Sequence[Pair],
    units: Sequence[Pair],
) -> OptionUsage:
    """The options' texts by what they belong to.

    Raises:
        CommandError: an option that names nothing that is quoted, or comes twice.
    """
    given: dict[str, str] = {}
    for counts, texts in ((Counts.QUANTITY, quantities), (Counts.EVENTS, events)):
        option = _OPTION[counts]
        for pair in texts:
            price_id, value = _priced(prices, counts, pair)
            if price_id in given:
                raise CommandError(
                    f"{option} {price_id}: is given twice; to quote several lines of one price, "
                    "give --csv a file with the columns price,quantity"
                )
            if not value.strip():
                raise CommandError(f"{option} {price_id}: is empty")
            given[price_id] = value
    of_dimension = _named("--dimension", dimensions, prices.dimensions, prices)
    of_unit = _named("--unit", units, prices.units, prices)
    for unit, text in of_unit.items():
        decimals(pa.array([text]), np.zeros(1, dtype=np.int64), _at(f"--unit {unit}"))
    return OptionUsage(given, of_dimension, of_unit)


def usage_of_options(prices: PriceList, options: OptionUsage) -> GivenUsage:
    """The one quote that the options give."""
    texts = dict(options.quantities)
    for each in prices.prices:
        if each.counts is Counts.UNITS and any(unit in options.units for unit in each.units):
            texts[each.id] = ""
    given = [each.id for each in prices.prices if each.id in texts]
    return GivenUsage(
        prices=prices,
        quotes=1,
        names={},
        quote=np.zeros(len(given), dtype=np.int64),
        price=np.array([prices.ids[price_id] for price_id in given], dtype=np.int64),
        row=np.zeros(len(given), dtype=np.int64),
        text=pa.array([texts[price_id] for price_id in given], type=pa.string()),
        dimensions={name: pa.array([value]) for name, value in options.dimensions.items()},
        units={unit: pa.array([text]) for unit, text in options.units.items()},
        event_separator=_EVENT_SEPARATOR,
        where=lambda _row, price_id: f"{_option_of(prices.prices[prices.ids[price_id]])} {price_id}",
    )


def _option_of(price: QuotedPrice) -> str:
    return _OPTION.get(price.counts, "--unit")


def _priced(prices: PriceList, counts: Counts, pair: Pair) -> Pair:
    """(price id, value) of one --quantity or --events; the id may be left out if only one price takes it."""
    option = _OPTION[counts]
    price_id, value = pair
    if not price_id:
        fitting = [each.id for each in prices.prices if each.counts is counts]
        if len(fitting) != 1:
            raise CommandError(f"{option} {value}: must name the price: {option} PRICE={value}")
        return fitting[0], value
    try:
        price = prices.prices[prices.place_of(price_id)]
    except ValueError as error:
        raise CommandError(f"{option} {price_id}={value}: {error}") from None
    if price.counts is not counts:
        raise CommandError(f"{option} {price_id}={value}: {_instead(price)}")
    return price_id, value


def _instead(price: QuotedPrice) -> str:
    """What to give for a price that takes something else."""
    if price.counts is Counts.NOTHING:
        return f"{price.id!r} is a flat price, which takes no quantity: it is always included"
    if price.counts is Counts.UNITS:
        units = " ".join(f"--unit {unit}=..." for unit in price.units)
        return f"price {price.id!r} counts units: give {units}"
    if price.counts is Counts.EVENTS:
        return f"price {price.id!r} needs each event's amount: give --events {price.id}=50,100,250"
    return f"price {price.id!r} has no terms per event: give --quantity {price.id}=..."


def _named(option: str, pairs: Sequence[Pair], known: Sequence[str], prices: PriceList) -> dict[str, str]:
    for name, value in pairs:
        if name not in known:
            raise CommandError(
                f"{option} {name}={value}: {prices.owner} has no {option[2:]} {name[:48]!r}{near(name, known)}"
            )
        if not value:
            raise CommandError(f"{option} {name}: is empty")
    return each_once(pairs, option)


def _at(place: str) -> Callable[[int], str]:
    return lambda _at: place
