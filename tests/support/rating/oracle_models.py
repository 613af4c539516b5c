"""How each price model turns a quantity into parts: the oracle's reading, one plain function a model.

Rules:
1. A model returns parts, at most one a tier, in order: (tier index, quantity, unit amount, flat amount).
2. Tier i covers (previous up_to, up_to]; under boundary `lower_inclusive` it covers [previous up_to, up_to).
3. graduated: the units inside each tier; a flat amount in full when its tier is entered; the first tier is
   always entered. volume and stairstep: the one tier that contains the whole quantity, also at zero.
4. Percentage allowances end when the free events or the free amount is used up, whichever comes first. The
   event that goes beyond the free amount pays percent on what is beyond, and its fixed fee in full; after that
   every event pays in full. The per-event minimum and maximum bound percent and fee together. A negative event
   neither pays nor uses up an allowance.
5. With a block size a unit amount is the price of a block. Blocks are whole on the total before the tiers, or
   inside each tier on their own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from tests.support.rating.oracle_numbers import ZERO, whole_multiples

Fields = Mapping[str, Any]
HUNDRED = Fraction(100)


class Part(NamedTuple):
    """What one tier prices: `quantity` at `unit_amount`, plus `flat_amount` once."""

    index: int
    quantity: Fraction
    unit_amount: Fraction
    flat_amount: Fraction


class NoCellError(LookupError):
    """No cell of the matrix, and no default, has a price for the charge's dimensions."""


def flat(price: Fields, quantity: Fraction, _charge: Fields) -> list[Part]:
    """One amount, whatever the usage."""
    return [Part(0, quantity, ZERO, price["flat_amount"])]


def per_unit(price: Fields, quantity: Fraction, _charge: Fields) -> list[Part]:
    """Every unit at one amount."""
    return [Part(0, quantity, price["unit_amount"], ZERO)]


def dynamic(price: Fields, quantity: Fraction, _charge: Fields) -> list[Part]:
    """The quantity is itself an amount, carried by the events; the multiplier marks it up."""
    return [Part(0, quantity, price["multiplier"], ZERO)]


def package(price: Fields, quantity: Fraction, _charge: Fields) -> list[Part]:
    """Whole packages."""
    packages = whole_multiples(quantity, price["package_size"], price.get("package_rounding", "up"))
    return [Part(0, Fraction(packages), price["package_amount"], ZERO)]


def graduated(price: Fields, quantity: Fraction, _charge: Fields) -> list[Part]:
    """The units inside each tier at the tier's own amount."""
    quantity = blocks_on_the_total(price, quantity)
    parts = []
    start = ZERO
    for index, tier in enumerate(price["tiers"]):
        end = tier["up_to"]
        if entered(price, index, start, quantity):
            inside = (quantity if end is None else min(quantity, end)) - start
            parts.append(
                Part(index, counted(price, inside), amount_of_a_unit(tier), tier.get("flat_amount", ZERO))
            )
        start = end
    return parts


def volume(price: Fields, quantity: Fraction, _charge: Fields) -> list[Part]:
    """The whole quantity at the one tier that contains it."""
    quantity = blocks_on_the_total(price, quantity)
    index = containing(price, quantity)
    tier = price["tiers"][index]
    return [Part(index, counted(price, quantity), amount_of_a_unit(tier), tier.get("flat_amount", ZERO))]


def percentage(price: Fields, quantity: Fraction, charge: Fields) -> list[Part]:
    """A share of each event's amount, with fees and allowances event by event; or of what all come to."""
    if "events" not in charge:
        return [Part(0, quantity, price["percent"] / HUNDRED, ZERO)]
    return [Part(0, quantity, ZERO, sum(event_fees(price, charge["events"]), ZERO))]


def event_fees(price: Fields, amounts: Iterable[Fraction]) -> Iterator[Fraction]:
    """What each event owes, in order."""
    free_left = price.get("free_amount")
    events_left = price.get("free_events")
    for amount in amounts:
        if amount < 0:
            yield ZERO
            continue
        paying = amount
        within_allowance = (events_left, free_left) != (None, None) and events_left != 0 and free_left != 0
        if within_allowance:
            if events_left is not None:
                events_left -= 1
            paying = ZERO if free_left is None else max(ZERO, amount - free_left)
            if free_left is not None:
                free_left = max(ZERO, free_left - amount)
        yield ZERO if within_allowance and paying == 0 else event_fee(price, paying)


def event_fee(price: Fields, amount: Fraction) -> Fraction:
    """Percent and fixed fee together, within what an event costs at most and at least."""
    fee = amount * price["percent"] / HUNDRED + price.get("fixed_amount_per_event", ZERO)
    if price.get("maximum_per_event") is not None:
        fee = min(fee, price["maximum_per_event"])
    if price.get("minimum_per_event") is not None:
        fee = max(fee, price["minimum_per_event"])
    return fee


def matrix(price: Fields, quantity: Fraction, charge: Fields) -> list[Part]:
    """A cell by itself, as a price of its own, per unit or by its tiers; they are numbered on from cell to cell."""
    terms, before = cell_of(price, charge)
    alone = {**terms, "boundary": price.get("boundary")}
    parts = MODELS[terms.get("model", "per_unit")](alone, quantity, charge)
    return [part._replace(index=before + part.index) for part in parts]


def cell_of(price: Fields, charge: Fields) -> tuple[Fields, int]:
    """What the charge's cell, or the default, says, and how many tiers the cells before it have."""
    before = 0
    for cell in price["cells"]:
        if cell["match"] == charge["dimensions"]:
            return cell, before
        before += len(cell.get("tiers", [cell]))
    default = price.get("default")
    if default is None:
        raise NoCellError(charge["dimensions"])
    return (default if isinstance(default, Mapping) else {"unit_amount": default}), before


def capacity(price: Fields, quantity: Fraction, charge: Fields) -> list[Part]:
    """The flat amount of the highest tier that any of the units reaches."""
    highest = 0
    for unit, used in charge["quantities"].items():
        bounds = [{"up_to": tier["up_to"] and tier["up_to"][unit]} for tier in price["tiers"]]
        reached = containing({**price, "tiers": bounds}, max(ZERO, used))
        highest = max(highest, reached)
    return [Part(highest, quantity, ZERO, price["tiers"][highest]["flat_amount"])]


MODELS: Mapping[str, Callable[[Fields, Fraction, Fields], list[Part]]] = {
    "flat": flat,
    "per_unit": per_unit,
    "overage": per_unit,
    "dynamic": dynamic,
    "package": package,
    "graduated": graduated,
    "graduated_percentage": graduated,
    "volume": volume,
    "stairstep": volume,
    "percentage": percentage,
    "matrix": matrix,
    "capacity": capacity,
}


def entered(price: Fields, index: int, start: Fraction, reached: Fraction) -> bool:
    """Whether a counter at `reached` has entered the tier that starts at `start`."""
    if index == 0:
        return True
    return reached >= start if price.get("boundary") == "lower_inclusive" else reached > start


def containing(price: Fields, quantity: Fraction) -> int:
    """The index of the tier that a quantity belongs to."""
    lower_inclusive = price.get("boundary") == "lower_inclusive"
    for index, tier in enumerate(price["tiers"]):
        end = tier["up_to"]
        if end is None or quantity < end or (quantity == end and not lower_inclusive):
            return index
    raise ValueError("the last tier is not open")


def blocks_on_the_total(price: Fields, quantity: Fraction) -> Fraction:
    """The units that whole blocks hold, where the total is what becomes whole."""
    if price.get("block_size") is None or price.get("block_scope") == "tier":
        return quantity
    return (
        whole_multiples(quantity, price["block_size"], price.get("block_rounding", "up"))
        * price["block_size"]
    )


def counted(price: Fields, inside: Fraction) -> Fraction:
    """What a tier's unit amount is charged for: the units inside the tier, or their blocks."""
    size = price.get("block_size")
    if size is None:
        return inside
    if price.get("block_scope") == "tier":
        return Fraction(whole_multiples(inside, size, price.get("block_rounding", "up")))
    return inside / size


def amount_of_a_unit(tier: Fields) -> Fraction:
    """A tier's price for one unit, be it an amount or a percentage."""
    if tier.get("percent") is not None:
        return tier["percent"] / HUNDRED
    return tier.get("unit_amount", ZERO)
