"""The tiers of a line, and what is left of what costs nothing: where the customer stands.

Rules:
1. What was used in a tier, and what it costs, are the line's own. Tiers that lie ahead come from the plan, and are shown only where the
   line is rated by just that schedule: not of a part of a period, nor of a price on the subscription's own terms, nor where what the
   line has entered differs from it.
2. What is left of an allowance is what the line was given less what it counts.
"""

from collections.abc import Iterator, Sequence
from decimal import MAX_PREC, Context, Decimal
from typing import Any, Final

from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from meterline.v1.billing_pb2 import LineItem, TierAmount
from rating import Tier

Shown = dict[str, Any]
_TIERED: Final = frozenset({"graduated", "volume", "stairstep"})
_EXACT: Final = Context(prec=MAX_PREC)
_NOTHING: Final = Decimal(0)


def ladder(line: LineItem, names: CatalogNames, words: PageWords) -> Shown | None:
    """The tiers of a line from the lowest on; None of a price without tiers."""
    if line.model not in _TIERED or not line.tiers:
        return None
    entered = {each.index: each for each in line.tiers}
    here = max(entered)
    schedule = _schedule(line, names)
    # Of a part of a schedule nobody says where it begins.
    begins = _NOTHING if schedule or not line.tiers[0].index else None
    rungs, lower = [], begins
    for index, (up_to, unit_amount, flat_amount) in enumerate(schedule or _of_line(line.tiers)):
        of_line = entered.get(index) if schedule else line.tiers[index]
        is_here = index == here if schedule else of_line is line.tiers[-1]
        rungs.append(
            {
                "range": _range(lower, up_to, words),
                "unit_amount": _each(line, unit_amount, flat_amount, words),
                "quantity": "" if of_line is None else words.plain.number(Decimal(of_line.quantity)),
                "amount": "" if of_line is None else words.money(of_line.amount, line.currency),
                "is_here": is_here,
            }
        )
        lower = up_to if up_to is not None else lower
    ends_at = Decimal(entered[here].up_to) if entered[here].up_to else None
    return {"rungs": rungs, "standing": _standing(line, ends_at, here, len(rungs), words) if schedule else ""}


def allowance(line: LineItem, words: PageWords, unit: str) -> Shown | None:
    """What costs nothing, and what is left of it; None of a line without."""
    given, left, shown = _allowance(line)
    if given is None or left is None:
        return None
    texts = {"given": words.plain.number(given), "left": words.plain.number(left)}
    if shown == "amount":
        unit = ""
        texts = {
            "given": words.money(str(given), line.currency),
            "left": words.money(str(left), line.currency),
        }
    elif shown == "events":
        unit = words.text("events")
    return {
        "text": words.text("allowance_left", unit=unit, **texts).replace("  ", " "),
        # Of a bar, in parts of a hundred: no figure.
        "used_percent": int((given - left) * 100 / given) if given else 100,
    }


def _allowance(line: LineItem) -> tuple[Decimal | None, Decimal | None, str]:
    """What is given, what is left, and what it is counted in."""
    if line.HasField("event_fees") and line.event_fees.HasField("free_events"):
        given = Decimal(line.event_fees.free_events)
        return given, max(_NOTHING, given - line.event_fees.free_event_count), "events"
    if line.free_amount:
        given = Decimal(line.free_amount)
        return given, max(_NOTHING, _EXACT.subtract(given, Decimal(line.quantity))), "amount"
    if not line.allowance or not line.billable_quantity:
        return None, None, ""
    given = Decimal(line.allowance)
    if Decimal(line.billable_quantity) > 0:
        return given, _NOTHING, "units"
    if line.HasField("conversion"):
        # How much of it is used is in another unit, with a rounding of its own.
        return None, None, ""
    return given, max(_NOTHING, _EXACT.subtract(given, max(_NOTHING, Decimal(line.quantity)))), "units"


_Rung = tuple[Decimal | None, Decimal, Decimal]


def _schedule(line: LineItem, names: CatalogNames) -> Sequence[_Rung] | None:
    """All tiers of the line's price; rule 1."""
    price = names.price(line.plan_id, line.plan_version, line.price_id, line.currency)
    if price is None or price.price.model != line.model or line.HasField("proration"):
        return None
    if names.is_overridden(line.subscription_id, line.price_id):
        return None
    schedule = [_rung(each) for each in price.price.tiers or ()]
    entered = list(_of_line(line.tiers))
    indexes = [each.index for each in line.tiers]
    if any(
        index >= len(schedule) or schedule[index] != rung
        for index, rung in zip(indexes, entered, strict=True)
    ):
        return None
    return schedule


def _rung(tier: Tier) -> _Rung:
    up_to = tier.up_to if isinstance(tier.up_to, Decimal) else None
    return up_to, tier.unit_amount or _NOTHING, tier.flat_amount or _NOTHING


def _of_line(tiers: Sequence[TierAmount]) -> Iterator[_Rung]:
    for each in tiers:
        up_to = Decimal(each.up_to) if each.up_to else None
        yield up_to, Decimal(each.unit_amount or 0), Decimal(each.flat_amount or 0)


def _range(lower: Decimal | None, up_to: Decimal | None, words: PageWords) -> str:
    if lower is None:
        return "" if up_to is None else words.text("tier_until", end=words.plain.number(up_to))
    start = words.plain.number(lower)
    if up_to is None:
        return words.text("tier_above", start=start)
    return words.text("tier_to", start=start, end=words.plain.number(up_to))


def _each(line: LineItem, unit_amount: Decimal, flat_amount: Decimal, words: PageWords) -> str:
    text = words.money(format(unit_amount, "f"), line.currency)
    if line.block_size:
        text = words.text("per_block", amount=text, size=words.plain.number(Decimal(line.block_size)))
    if flat_amount:
        text = words.text("and_once", amount=text, flat=words.money(format(flat_amount, "f"), line.currency))
    return text


def _standing(line: LineItem, ends_at: Decimal | None, here: int, count: int, words: PageWords) -> str:
    place = {"tier": str(here + 1), "tiers": str(count)}
    if ends_at is None:
        return words.text("in_last_tier", **place)
    left = max(_NOTHING, _EXACT.subtract(ends_at, Decimal(line.billable_quantity)))
    return words.text("in_tier", left=words.plain.number(left), **place)
