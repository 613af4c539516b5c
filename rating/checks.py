"""What must hold between the values of a price. Every broken rule is reported, each at its place.

Rules:
1. A model takes the fields that `schema.MODELS` gives it, and no other.
2. Numbers are finite decimals, not negative, of at most 26 integer and 18 fractional digits.
3. A schedule's `up_to` rise strictly from above zero; the last tier, and only the last, has none.
4. A matrix prices every combination of the values its cells name, or has a default.
5. A maximum isn't below its minimum.
6. Blocks counted on the total fit the schedule: every `up_to` is a whole number of blocks.

A value BAD was already reported and is passed over.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

from iso4217 import Currency

from rating.decimals import EXACT, fraction_digits
from rating.matrix_checks import matrix_problems
from rating.problems import BAD, Path, Problem, Unchecked
from rating.schema import (
    ANY_MODEL,
    BLOCKS,
    CONVERSION_FIELDS,
    CONVERSION_ROUNDING_FIELDS,
    FIELDS,
    FRACTION_DIGITS_MAX,
    INTEGER_DIGITS_MAX,
    MODELS,
    PER_EVENT,
    ROUNDING_FIELDS,
    TIER_FIELDS,
    TIERS_MAX,
    BlockScope,
    Choice,
    Count,
    Kind,
    Model,
    Number,
    Takes,
)

Values = Mapping[str, Any]


def find_problems(values: Values) -> list[Problem]:
    """All problems of a price's set values (typed as in `Price`; parts may be mappings)."""
    problems = list(_currency_problems(values))
    problems += kind_problems((), values, FIELDS)
    problems += kind_problems(("rounding",), as_mapping(values.get("rounding", {})), ROUNDING_FIELDS)
    problems += conversion_problems(as_mapping(values.get("conversion", {})))
    problems += _order_problems(values, "minimum_amount", "maximum_amount")
    problems += _order_problems(values, "minimum_per_event", "maximum_per_event")
    model = values.get("model")
    if isinstance(model, Model):
        problems += _model_problems(values, model)
    elif model is None:
        problems.append(Problem(("model",), f"is missing: one of {', '.join(Model)}"))
    return problems


@cache
def minor_unit_digits(currency: str) -> int:
    """Fractional digits of a currency by ISO 4217: 2 for USD, 0 for JPY, 4 for CLF.

    Raises:
        ValueError: no such currency, or one without a minor unit (gold, test codes).
    """
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        raise ValueError(f"is no ISO 4217 currency: {currency!r}") from None
    if exponent is None:
        raise ValueError(f"has no minor unit in ISO 4217: {currency}; name rounding.digits")
    return int(exponent)


def as_mapping(part: Unchecked) -> Values:
    """A part of a price as a mapping of its set values; empty for BAD."""
    if isinstance(part, Mapping):
        return part
    return {} if part is BAD else {k: v for k, v in vars(part).items() if v is not None}


def kind_problems(path: Path, values: Values, kinds: Mapping[str, Kind]) -> Iterator[Problem]:
    """Values that aren't of their field's kind."""
    for name, value in values.items():
        kind = kinds.get(name)
        if value is BAD or value is None or kind is None:
            continue
        message = _kind_message(value, kind)
        if message:
            yield Problem((*path, name), message)


def _kind_message(value: Unchecked, kind: Kind) -> str:
    if isinstance(kind, Number):
        return _number_message(value, kind)
    if isinstance(kind, Count) and not (type(value) is int and 0 <= value <= kind.at_most):
        return f"must be a whole number from 0 to {kind.at_most}, is {value!r}"
    if isinstance(kind, Choice) and not isinstance(value, kind.of):
        return f"must be one of {', '.join(kind.of)}, is {value!r}"
    return ""


def _number_message(value: Unchecked, kind: Number) -> str:
    if not isinstance(value, Decimal) or not value.is_finite():
        return f"must be a finite Decimal, is {type(value).__name__} {value!r}"
    if value < 0 or (kind.positive and not value):
        return f"must be {'more than 0' if kind.positive else '0 or more'}, is {value}"
    if kind.at_most is not None and value > kind.at_most:
        return f"must be at most {kind.at_most}, is {value}"
    if value.adjusted() >= INTEGER_DIGITS_MAX or fraction_digits(value) > FRACTION_DIGITS_MAX:
        return f"may have {INTEGER_DIGITS_MAX} digits before and {FRACTION_DIGITS_MAX} after the point, is {value}"
    return ""


def _currency_problems(values: Values) -> Iterator[Problem]:
    currency = values.get("currency")
    if currency is None:
        yield Problem(("currency",), "is missing: an ISO 4217 code such as USD")
    elif currency is not BAD:
        try:
            minor_unit_digits(currency)
        except ValueError as error:
            named_digits = as_mapping(values.get("rounding", {})).get("digits") is not None
            if not (named_digits and "no minor unit" in str(error)):
                yield Problem(("currency",), str(error))


def conversion_problems(conversion: Values) -> Iterator[Problem]:
    """All problems of a conversion, of a price or of a meter."""
    if not conversion:
        return
    yield from kind_problems(("conversion",), conversion, CONVERSION_FIELDS)
    rounding = conversion.get("rounding", conversion)
    rounding = {} if rounding is BAD else rounding
    yield from kind_problems(("conversion", "rounding"), rounding, CONVERSION_ROUNDING_FIELDS)
    if ("factor" in conversion) == ("divisor" in conversion):
        yield Problem(("conversion",), "needs either factor or divisor")
    if conversion.get("rounding") is BAD:
        return
    if ("mode" in rounding) != ("digits" in rounding):
        yield Problem(("conversion", "rounding"), "needs both mode and digits")
    if "divisor" in conversion and "digits" not in rounding:
        yield Problem(("conversion", "rounding"), "is missing: a quotient may have no end")


def _order_problems(values: Values, low: str, high: str) -> Iterator[Problem]:
    least, most = values.get(low), values.get(high)
    if isinstance(least, Decimal) and isinstance(most, Decimal) and least > most:
        yield Problem((high,), f"must not be below {low} ({least}), is {most}")


def _model_problems(values: Values, model: Model) -> Iterator[Problem]:
    takes = MODELS[model]
    allowed = ANY_MODEL | takes.may | set(takes.must)
    for name in takes.must:
        if values.get(name) is None:
            yield Problem((name,), f"is missing: a {model} price needs it")
    for name in values:
        if name in FIELDS and name not in allowed:
            yield Problem((name,), f"is not taken by a {model} price")
    yield from _part_problems(values)
    if isinstance(values.get("tiers"), tuple) and takes.tier:
        yield from _tier_problems(values, [as_mapping(tier) for tier in values["tiers"]], takes)
    if model is Model.MATRIX and isinstance(values.get("cells"), tuple):
        for index, cell in enumerate(values["cells"]):
            yield from kind_problems(("cells", index), as_mapping(cell), {"unit_amount": Number()})
            if cell is not BAD and as_mapping(cell).get("unit_amount") is None:
                yield Problem(("cells", index, "unit_amount"), "is missing: a cell needs it")
        yield from matrix_problems(values)


def _part_problems(values: Values) -> Iterator[Problem]:
    """Fields that need or exclude one another."""
    if "free_units" in values and any(name in values for name in PER_EVENT):
        yield Problem(("free_units",), "can't be told apart event by event: use free_events or free_amount")
    if "conversion" in values and any(name in values for name in PER_EVENT):
        yield Problem(("conversion",), "is not taken by a percentage price with terms per event")
    for name in BLOCKS - {"block_size"}:
        if name in values and "block_size" not in values:
            yield Problem((name,), "needs block_size")


def _tier_problems(values: Values, tiers: list[Values], takes: Takes) -> Iterator[Problem]:
    model = values["model"]
    if not 0 < len(tiers) <= TIERS_MAX:
        yield Problem(("tiers",), f"must be 1 to {TIERS_MAX} tiers, are {len(tiers)}")
        return
    for index, tier in enumerate(tiers):
        path = ("tiers", index)
        yield from kind_problems(path, tier, TIER_FIELDS)
        for name in tier:
            if name in TIER_FIELDS and name not in (*takes.tier, "up_to"):
                yield Problem((*path, name), f"is not taken by a tier of a {model} price")
        needed = (takes.tier_must,) if takes.tier_must else takes.tier
        if all(tier.get(name) is None for name in needed):
            yield Problem(path, f"needs {' or '.join(needed)}")
    bounds = [tier.get("up_to") for tier in tiers]
    if model is Model.CAPACITY:
        yield from _capacity_problems(bounds)
    else:
        yield from _bound_problems([("tiers", index, "up_to") for index in range(len(tiers))], bounds)
        yield from _block_problems(values, bounds)


def _bound_problems(paths: list[Path], bounds: list[Any]) -> Iterator[Problem]:
    """The bounds of one schedule, in order, each with its path."""
    for path, bound in zip(paths, bounds, strict=True):
        if bound is not None and bound is not BAD:
            message = _number_message(bound, Number(positive=True))
            if message:
                yield Problem(path, message)
    for path, bound in zip(paths[:-1], bounds[:-1], strict=True):
        if bound is None:
            yield Problem(path, "is missing: only the last tier has no end")
    if bounds[-1] is not None and bounds[-1] is not BAD:
        yield Problem(paths[-1], f"must be null: the last tier has no end, is {bounds[-1]}")
    for path, (before, bound) in zip(paths[1:], pairwise(bounds), strict=True):
        if isinstance(before, Decimal) and isinstance(bound, Decimal) and not bound > before:
            yield Problem(path, f"must be greater than the tier before ({before}), is {bound}")


def _capacity_problems(bounds: list[Any]) -> Iterator[Problem]:
    """Each unit of a capacity price has a schedule of its own over the same tiers."""
    maps = [dict(bound) if isinstance(bound, tuple) else bound for bound in bounds]
    for index, bound in enumerate(maps[:-1]):
        if bound is not BAD and (not isinstance(bound, dict) or not bound):
            yield Problem(("tiers", index, "up_to"), "must name a bound for each unit, as {seats: 10}")
    names = list(dict.fromkeys(name for bound in maps if isinstance(bound, dict) for name in bound))
    if maps[-1] is not None and not isinstance(maps[-1], dict) and maps[-1] is not BAD:
        yield Problem(
            ("tiers", len(maps) - 1, "up_to"), f"must be null: the last tier has no end, is {maps[-1]}"
        )
    if any(bound is BAD or (bound is not None and not isinstance(bound, dict)) for bound in maps):
        return
    if not names:
        yield Problem(("tiers",), "must name the units that they count: up_to as {seats: 10}")
    for name in names:
        paths: list[Path] = [("tiers", index, "up_to", name) for index in range(len(maps))]
        yield from _bound_problems(paths, [(bound or {}).get(name) for bound in maps])


def _block_problems(values: Values, bounds: list[Any]) -> Iterator[Problem]:
    size: Unchecked = values.get("block_size")
    on_total = values.get("block_scope", BlockScope.TOTAL) is BlockScope.TOTAL
    if not on_total or _number_message(size, Number(positive=True)):
        return
    for index, bound in enumerate(bounds):
        if not _number_message(bound, Number(positive=True)) and EXACT.remainder(bound, size):
            yield Problem(("tiers", index, "up_to"), f"must be whole blocks of {size}, is {bound}")
