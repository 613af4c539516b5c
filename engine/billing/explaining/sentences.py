"""A line explained to whoever pays, in plain English sentences. Pure.

Rules:
1. Every number is one of the line's own. Sentences are for people: a program reads the fields of the answer.
2. A price's model decides what its tiers are called; whatever it is, the sentences end with what the line comes to.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from engine.billing.explaining.explanation import Adjustment, LineExplanation, LineTerm
from engine.billing.explaining.period_words import is_one_day_or_month, period_words
from engine.billing.line_item import LineItem
from engine.catalog.kinds.items.billed_item import ItemPlan
from engine.catalog.kinds.meter import Meter
from engine.times import us_datetime
from rating import Model, Price, RatedLine, RatedTier, minor_unit_digits

# What a meter's quantity is called, by its aggregation: {unit} and {quantity}.
_QUANTITIES: Final[Mapping[str, str]] = {
    "count": "you used {quantity} {unit}",
    "sum": "you used {quantity} {unit}",
    "min": "your lowest {unit} was {quantity}",
    "max": "your highest {unit} was {quantity}",
    "avg": "your average {unit} was {quantity}",
    "latest": "your latest {unit} was {quantity}",
    "unique_count": "you had {quantity} different {unit}",
    "time_weighted": "your {unit}, weighted by time, came to {quantity}",
    "percentile": "the percentile {percentile} of your {unit} was {quantity}",
}


def sentences(of: LineExplanation) -> Iterator[str]:
    """All of a line's, in the order in which its amount came to be."""
    if of.adjustment is not None and of.booked is not None:
        yield from _correction(of, of.adjustment)
    if of.item is not None:
        yield from _usage(of.item, of.zone)
        yield from _price(of.item, of.zone)
    if of.settled is not None and of.settled.commitment is not None:
        yield from _commitment(of)
    if of.settled is not None and (of.item is None or of.item.rated is not None):
        yield from _terms(of, of.settled.terms)
    if of.unexplained:
        yield f"{_sentence(of.unexplained)}."


def money(amount: Decimal, currency: str) -> str:
    """With all digits that it has, and at least those of the currency."""
    digits = minor_unit_digits(currency)
    text = number(amount)
    whole, _, fraction = text.partition(".")
    fraction = fraction.ljust(digits, "0")
    return f"{whole}.{fraction} {currency}" if fraction else f"{whole} {currency}"


def number(value: Decimal) -> str:
    text = format(value, ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in(words: str) -> str:
    return f"in {words}" if is_one_day_or_month(words) else f"from {words}"


def _usage(item: LineItem, zone: str) -> Iterator[str]:
    service, billed = item.charge.service, item.charge.billed
    if billed.meter is None:
        return
    meter: Meter = billed.meter.resource
    when = _sentence(_in(period_words(service.start, service.end, zone)))
    unit = meter.unit or meter.id
    said = _QUANTITIES[meter.aggregation].format(
        quantity=number(item.quantity), unit=unit, percentile=meter.percentile
    )
    group = ", ".join(f"{name} {value}" for name, value in item.dimensions.items())
    yield f"{when} {said}{f' ({group})' if group else ''}."
    if item.rated is None:
        yield f"The price {billed.price.id} can't rate this: it {item.unrateable_reason}."


def _price(item: LineItem, zone: str) -> Iterator[str]:
    rated = item.rated
    if rated is None:
        return
    price, name = rated.price, item.charge.billed.price.id
    if price.model is Model.FLAT:
        yield _flat(item, rated, zone)
        return
    if item.charge.billed.meter is None:
        yield f"The price {name} is for {number(rated.quantity)}."
    if price.conversion is not None:
        yield f"For the price {name} that counts as {number(rated.billable_quantity + price.allowance)}."
    if price.allowance:
        yield f"The first {number(price.allowance)} are included."
    free, parts = _tiers(rated) if rated.fees is None else ([], [*_fees(rated)])
    if free:
        yield f"{_sentence(_joined(free))} {'is' if free == ['1'] else 'are'} included."
    total = rated.stages[0][1]
    if not rated.billable_quantity and not total:
        yield f"That comes to {money(total, rated.currency)}."
    elif parts:
        come = "comes" if len(parts) == 1 and parts[0].startswith(("a ", "1 ")) else "come"
        yield f"{_sentence(_joined(parts))} {come} to {money(total, rated.currency)}."
    yield from _stages(rated)
    if rated.exact_amount != rated.amount or rated.together is not None:
        yield f"Rounded, the line is {money(rated.amount, rated.currency)}."


def _flat(item: LineItem, rated: RatedLine, zone: str) -> str:
    plan, service = item.charge.billed.plan, item.charge.service
    if isinstance(plan, ItemPlan):
        how = "given back" if rated.amount < 0 else "charged"
        return f"{_sentence(plan.name)} is {how} once: {money(abs(rated.amount), rated.currency)}."
    when = period_words(service.start, service.end, zone)
    return f"The fee {item.charge.billed.price.id} for {when} is {money(rated.amount, rated.currency)}."


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _tiers(rated: RatedLine) -> tuple[list[str], list[str]]:
    """Of the tiers with anything in them those that cost nothing, and the others."""
    free, paid = [], []
    shown = [each for each in rated.tiers if each.quantity or each.amount]
    for tier in shown or rated.tiers[:1]:
        if tier.quantity and not (tier.unit_amount or tier.flat_amount or tier.amount):
            is_first = not tier.from_quantity and tier.up_to is not None and tier.quantity == tier.up_to
            free.append(f"the first {number(tier.quantity)}" if is_first else number(tier.quantity))
        else:
            paid.append(_tier(rated.price, tier, rated.currency))
    return free, paid


def _tier(price: Price, tier: RatedTier, currency: str) -> str:
    count = number(tier.quantity)
    flat = money(tier.flat_amount, currency)
    if price.model in (Model.STAIRSTEP, Model.CAPACITY):
        return f"a fixed {flat}"
    if price.package_size is not None:
        count = f"{count} packages of {number(price.package_size)}"
    elif price.block_size is not None:
        count = f"{count} blocks of {number(price.block_size)}"
    unit = money(tier.unit_amount, currency)
    if price.percent is not None:
        unit = f"{number(tier.unit_amount * 100)} %"
    said = f"{count} at {unit}"
    return f"{said} and a fixed {flat}" if tier.flat_amount else said


def _fees(rated: RatedLine) -> Iterator[str]:
    fees, price = rated.fees, rated.price
    if fees is None:
        return
    yield f"{number(price.percent or Decimal(0))} % of {number(fees.charged_amount)}"
    if price.fixed_amount_per_event is not None:
        each = money(price.fixed_amount_per_event, rated.currency)
        yield f"{fees.charged_event_count:,} times {each}"


def _stages(rated: RatedLine) -> Iterator[str]:
    currency, before = rated.currency, rated.stages[0][1]
    for name, amount in rated.stages[1:]:
        shown = money(amount, currency)
        if name == "proration":
            yield f"Only a part of the period counts: {shown}."
        elif name in ("percent_off", "amount_off"):
            yield f"A reduction of {money(before - amount, currency)} leaves {shown}."
        elif amount != before:
            bound = "at most" if name == "maximum_amount" else "at least"
            yield f"The price is {bound} {shown}."
        before = amount


def _terms(of: LineExplanation, terms: Sequence[LineTerm]) -> Iterator[str]:
    currency = _currency(of)
    for each in terms:
        amount = money(each.amount, currency)
        percent = "" if each.percent is None else f"{number(each.percent)} % "
        if not each.amount and not each.reverse_charge:
            continue
        if each.kind == "plan_discount":
            yield f"The discount of the plan {each.id} takes {amount} off."
        elif each.kind == "coupon":
            yield f"The coupon {each.id} takes {percent and f'{percent}off: '}{amount}{'' if percent else ' off'}."
        elif each.kind == "credit":
            yield f"Credit {each.id} pays {amount}."
        elif each.reverse_charge:
            yield f"You owe the tax {each.id} ({percent.strip()}) yourself."
        elif each.included:
            yield f"The price contains {percent}{each.id}: {amount}."
        else:
            yield f"{percent}{each.id} on top: {amount}."
    settled = of.settled
    if terms and settled is not None and of.adjustment is None:
        yield f"What is due for it is {money(settled.amounts['due'], currency)}."


def _commitment(of: LineExplanation) -> Iterator[str]:
    settled = of.settled
    found = None if settled is None else settled.commitment
    if settled is None or found is None:
        return
    when = _in(period_words(found.term.start, found.term.end, of.zone))
    committed, spent = (money(each, found.currency) for each in (found.amount, found.spend))
    prices = f" for {_joined(list(found.prices))}" if found.prices else ""
    period = period_words(found.period.start, found.period.end, of.zone)
    by_then = "" if found.term == found.period else f" up to the end of {period}"
    yield f"{_sentence(when)} you committed to spend {committed}{prices}, and spent {spent}{by_then}."
    if found.carried:
        carried = money(found.carried, found.currency)
        yield f"{carried} of that is what earlier billing periods had left and rolled over."
    added = money(settled.amounts["amount"], found.currency)
    if settled.amounts["amount"] < 0 and found.carried:
        back = money(-settled.amounts["amount"], found.currency)
        yield f"They were charged for it, so {back} is given back."
        return
    beyond = "Spend beyond it" if found.term == found.period else f"What of {period} is beyond it"
    yield (
        f"The rest, {added}, is due as well."
        if found.spend < found.amount
        else f"{beyond} has a price of its own, which adds {added}."
    )


def _correction(of: LineExplanation, found: Adjustment) -> Iterator[str]:
    booked = of.booked
    if booked is None:
        return
    row, currency = booked.row, booked.currency
    when = period_words(row["period_start"], row["period_end"], of.zone)
    before, now = (money(each.amounts["amount"], currency) for each in (found.before, found.now))
    billed = f"was billed {before} on {_joined(found.before.on)}" if found.before.on else "was not billed yet"
    what = row["price_id"] or row["kind"]
    if found.is_rest:
        yield f"Of {when}, the price {what} {billed}, while the period ran, and comes to {now} now."
    else:
        yield f"This corrects {when}: the price {what} {billed}, and comes to {now} now."
    changes = [
        text
        for text in (
            _counted(found.facts.late_events, "event came in late", "events came in late"),
            _counted(found.facts.voided, "event was voided", "events were voided"),
            _counted(found.facts.amended, "event was amended", "events were amended"),
            _counted(found.facts.restored, "event was brought back", "events were brought back"),
            _counted(found.facts.reused_ids, "event had an id used before", "events had ids used before"),
        )
        if text
    ]
    if found.changed_after_us:
        if found.revision_before != of.revision:
            changes.append(f"the catalog went from revision {found.revision_before} to {of.revision}")
        since = f"{us_datetime(found.changed_after_us):%Y-%m-%d %H:%M} UTC"
        yield (
            f"Since {since}: {_joined(changes)}." if changes else f"Nothing of its own changed since {since}."
        )
    difference = found.now.amounts["due"] - found.before.amounts["due"]
    if not difference:
        yield "What is due stays the same."
        return
    way = "more" if difference > 0 else "less"
    yield f"The difference is {money(abs(difference), currency)} {way}, with discounts, credit and taxes."


def _counted(count: int, one: str, many: str) -> str:
    return "" if not count else f"{count:,} {one if count == 1 else many}"


def _currency(of: LineExplanation) -> str:
    if of.booked is not None:
        return of.booked.currency
    return of.item.charge.billed.effective.currency if of.item is not None else ""
