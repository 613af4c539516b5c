"""Line items and spend as messages of the wire contract."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TypeVar

from google.protobuf.message import Message

from engine.billing.line_item import LineItem
from engine.spend.applied_terms import AppliedCommitment, AppliedCredit, AppliedDiscount, AppliedTax
from engine.spend.catalog_effect import CatalogEffect, OwedChange
from engine.spend.reported import ReportedTotals
from engine.spend.revenue_shares import AppliedShare, RecipientTotal
from engine.spend.spend import Spend
from engine.spend.spend_groups import SpendGroup
from engine.times import datetime_us, to_timestamp
from meterline.v1 import billing_pb2, catalog_pb2, spend_pb2
from meterline.v1.invoices_pb2 import InvoiceLine
from rating import FeeSums, Model, Price, RatedLine

# Well below the 4 MiB that a gRPC client takes unless it is told otherwise.
ANSWER_BYTES_MAX = 3 * 1024 * 1024
_Message = TypeVar("_Message", bound=Message)


def decimal_text(value: Decimal | None) -> str:
    """Plain digits without an exponent or needless zeros; empty for None. Never rounds."""
    if value is None:
        return ""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money_text(value: Decimal) -> str:
    """Plain digits with all the currency's minor digits: "12.00"."""
    return format(value, "f")


def line_item_message(item: LineItem) -> billing_pb2.LineItem:
    billed, period = item.charge.billed, item.charge.period
    price = billed.effective
    message = billing_pb2.LineItem(
        line_item_id=item.line_item_id,
        customer_id=item.charge.subscription.customer,
        subscription_id=item.charge.subscription.id,
        plan_id=billed.plan.id,
        plan_version=billed.plan_version,
        price_id=billed.price.id,
        price_version=billed.price_version,
        meter_id=billed.meter.resource.id if billed.meter is not None else "",
        meter_version=billed.meter.version if billed.meter is not None else 0,
        dimensions=item.dimensions,
        period_start=to_timestamp(datetime_us(period.start)),
        period_end=to_timestamp(datetime_us(period.end)),
        quantity=decimal_text(item.quantity),
        event_count=item.event_count,
        event_digest=item.event_digest,
        unreadable_event_count=item.unreadable_event_count,
        missing_value_event_count=item.missing_value_event_count,
        negative_quantity=item.quantity < 0 if item.rated is None else item.rated.negative_quantity,
        unrateable_reason=item.unrateable_reason,
        product=billed.price.product,
    )
    service = item.charge.service
    message.service_start.FromMicroseconds(datetime_us(service.start))
    message.service_end.FromMicroseconds(datetime_us(service.end))
    if (part := billed.part) is not None:
        message.proration.start, message.proration.end = part.start, part.end
        message.proration.total = part.total
        message.proration.unit = "day" if billed.by_day else "second"
        if item.rated is not None and item.rated.carried_quantity:
            message.proration.carried_quantity = decimal_text(item.rated.carried_quantity)
    _add_terms(message, price)
    if item.rated is not None:
        _add_amounts(message, item.rated)
    return message


def rated_message(rated: RatedLine) -> billing_pb2.LineItem:
    """The fields of a line item that its price and quantity give."""
    message = billing_pb2.LineItem(
        quantity=decimal_text(rated.quantity), negative_quantity=rated.negative_quantity
    )
    _add_terms(message, rated.price)
    _add_amounts(message, rated)
    return message


def _add_terms(message: billing_pb2.LineItem, price: Price) -> None:
    message.model = str(price.model)
    message.currency = price.currency
    message.rounding.mode = str(price.rounding.mode)
    message.rounding.scope = str(price.rounding.scope)
    message.rounding.digits = price.digits
    _add_units(message, price)
    if not price.needs_events:
        message.free_amount = decimal_text(price.free_amount)


def _add_amounts(message: billing_pb2.LineItem, rated: RatedLine) -> None:
    message.billable_quantity = decimal_text(rated.billable_quantity)
    message.exact_amount = decimal_text(rated.exact_amount)
    message.amount = money_text(rated.amount)
    if rated.together is not None:
        message.rounding.group_count = rated.together.group_count
        message.rounding.charge_exact_amount = decimal_text(rated.together.exact_amount)
        message.rounding.charge_amount = money_text(rated.together.amount)
    if rated.fees is not None:
        message.event_fees.CopyFrom(_fees_message(rated.price, rated.fees))
    _add_tiers(message, rated)
    for name, amount in rated.stages:
        term = None if name in ("price", "proration") else getattr(rated.price, name)
        message.stages.add(stage=name, amount=decimal_text(amount), term=decimal_text(term))
    message.formula = rated.formula


def add_tiers(message: InvoiceLine, rated: RatedLine) -> None:
    """What of a booked line is at which price, as a line item has it."""
    _add_units(message, rated.price)
    _add_tiers(message, rated)


def _add_units(message: billing_pb2.LineItem | InvoiceLine, price: Price) -> None:
    """What the quantities of tiers are counted in."""
    if price.conversion is not None:
        message.conversion.factor = decimal_text(price.conversion.factor)
        message.conversion.divisor = decimal_text(price.conversion.divisor)
    message.allowance = decimal_text(price.allowance or None)
    message.package_size = decimal_text(price.package_size)
    message.block_size = decimal_text(price.block_size)


def _add_tiers(message: billing_pb2.LineItem | InvoiceLine, rated: RatedLine) -> None:
    in_cell = rated.price.model is Model.MATRIX
    for tier in rated.tiers:
        message.tiers.add(
            index=tier.index,
            up_to=decimal_text(tier.up_to),
            quantity=decimal_text(tier.quantity),
            unit_amount=decimal_text(tier.unit_amount),
            flat_amount=decimal_text(tier.flat_amount),
            amount=decimal_text(tier.amount),
            from_quantity=decimal_text(tier.from_quantity) if in_cell and tier.from_quantity else None,
        )


def _fees_message(price: Price, fees: FeeSums) -> billing_pb2.EventFees:
    fixed, most, least = (
        price.fixed_amount_per_event,
        price.maximum_per_event,
        price.minimum_per_event,
    )
    return billing_pb2.EventFees(
        free_event_count=fees.free_event_count,
        charged_event_count=fees.charged_event_count,
        charged_amount=decimal_text(fees.charged_amount),
        percent_amount=decimal_text(fees.percent_amount),
        fixed_amount="" if fixed is None else decimal_text(fees.fixed_amount),
        above_maximum="" if most is None else decimal_text(fees.above_maximum),
        below_minimum="" if least is None else decimal_text(fees.below_minimum),
        percent=decimal_text(price.percent),
        fixed_amount_per_event=decimal_text(fixed),
        maximum_per_event=decimal_text(most),
        minimum_per_event=decimal_text(least),
        free_events=price.free_events,
        free_amount=decimal_text(price.free_amount),
    )


def effect_message(effect: CatalogEffect) -> catalog_pb2.CatalogEffect:
    return catalog_pb2.CatalogEffect(
        changes=map(_owed_message, effect.changes),
        change_count=effect.change_count,
        totals=map(_owed_message, effect.totals),
        incomplete=effect.incomplete,
    )


def _owed_message(change: OwedChange) -> catalog_pb2.OwedChange:
    return catalog_pb2.OwedChange(
        customer_id=change.customer_id or "",
        currency=change.currency,
        before=money_text(change.before),
        after=money_text(change.after),
    )


def fitting(messages: Iterable[_Message], bytes_max: int = ANSWER_BYTES_MAX) -> list[_Message]:
    """The first messages that fit in one answer, or in a part of it; and at least one."""
    found: list[_Message] = []
    size_bytes = 0
    for message in messages:
        size_bytes += message.ByteSize()
        if found and size_bytes > bytes_max:
            break
        found.append(message)
    return found


def spend_message(spend: Spend) -> spend_pb2.Spend:
    return spend_pb2.Spend(
        customer_id=spend.customer_id or "",
        currency=spend.currency,
        amount=money_text(spend.amount),
        line_item_count=spend.line_item_count,
        event_count=spend.event_count,
        incomplete=spend.incomplete,
        settled=spend_pb2.SettledAmounts(
            **{each.name: money_text(getattr(spend.settled, each.name)) for each in fields(spend.settled)}
        ),
    )


def discount_message(applied: AppliedDiscount) -> spend_pb2.AppliedDiscount:
    return spend_pb2.AppliedDiscount(
        coupon_id=applied.coupon_id,
        plan_id=applied.plan_id,
        subscription_id=applied.subscription_id,
        period_start=to_timestamp(datetime_us(applied.period.start)),
        period_end=to_timestamp(datetime_us(applied.period.end)),
        currency=applied.currency,
        amount=money_text(applied.amount),
    )


def commitment_message(applied: AppliedCommitment) -> spend_pb2.AppliedCommitment:
    return spend_pb2.AppliedCommitment(
        subscription_id=applied.subscription_id,
        price_ids=applied.prices,
        period_start=to_timestamp(datetime_us(applied.period.start)),
        period_end=to_timestamp(datetime_us(applied.period.end)),
        currency=applied.currency,
        amount=money_text(applied.amount),
        spend=money_text(applied.spend),
        overage=money_text(applied.overage),
        true_up=money_text(applied.true_up),
        term_start=to_timestamp(datetime_us(applied.term.start)),
        term_end=to_timestamp(datetime_us(applied.term.end)),
        drawn=money_text(applied.drawn),
        left=money_text(applied.left),
        rolled_over=money_text(applied.rolled_over),
        carried=money_text(applied.carried),
    )


def tax_message(applied: AppliedTax) -> spend_pb2.AppliedTax:
    return spend_pb2.AppliedTax(
        tax_id=applied.tax_id,
        percent=decimal_text(applied.percent),
        included=applied.included,
        reverse_charge=applied.reverse_charge,
        period_start=to_timestamp(datetime_us(applied.period.start)),
        period_end=to_timestamp(datetime_us(applied.period.end)),
        currency=applied.currency,
        taxable_amount=money_text(applied.taxable_amount),
        amount=money_text(applied.amount),
    )


def credit_message(applied: AppliedCredit) -> spend_pb2.AppliedCredit:
    message = spend_pb2.AppliedCredit(
        credit_grant_id=applied.credit_grant_id,
        category=str(applied.category),
        currency=applied.currency,
        effective_at=to_timestamp(datetime_us(applied.effective_at)),
        amount=money_text(applied.amount),
        balance=money_text(applied.balance),
    )
    if applied.expires_at is not None:
        message.expires_at.CopyFrom(to_timestamp(datetime_us(applied.expires_at)))
    return message


def share_message(applied: AppliedShare) -> spend_pb2.AppliedShare:
    return spend_pb2.AppliedShare(
        revenue_split_id=applied.revenue_split_id,
        recipient_id=applied.recipient_id,
        period_start=to_timestamp(datetime_us(applied.period.start)),
        period_end=to_timestamp(datetime_us(applied.period.end)),
        currency=applied.currency,
        split_amount=money_text(applied.split_amount),
        amount=money_text(applied.amount),
    )


def recipient_message(total: RecipientTotal) -> spend_pb2.RecipientTotal:
    return spend_pb2.RecipientTotal(
        recipient_id=total.recipient_id, currency=total.currency, amount=money_text(total.amount)
    )


def group_message(group: SpendGroup) -> spend_pb2.SpendGroup:
    return spend_pb2.SpendGroup(
        product=group.key.product,
        plan_id=group.key.plan_id,
        price_id=group.key.price_id,
        meter_id=group.key.meter_id,
        currency=group.key.currency,
        amount=money_text(group.amount),
        line_item_count=group.line_item_count,
        event_count=group.event_count,
        incomplete=group.incomplete,
    )


def reported_message(currency: str, reported: ReportedTotals) -> spend_pb2.ReportedSpend:
    *totals, whole = reported.totals()
    message = spend_pb2.ReportedSpend(
        currency=currency, amount=money_text(whole.amount), due=money_text(whole.due)
    )
    for each in totals:
        message.totals.add(currency=each.currency, amount=money_text(each.amount), due=money_text(each.due))
    for rate in reported.used_rates():
        effective_from = to_timestamp(datetime_us(rate.effective_from))
        message.rates.add(
            from_currency=rate.from_currency, rate=decimal_text(rate.rate), effective_from=effective_from
        )
    return message


def open_customer_messages(
    items: Iterable[LineItem], inconsistent: Mapping[str, str]
) -> list[billing_pb2.UnrateableCustomer]:
    """Who isn't billed, and why: a line can't be rated, or commitments don't fit together."""
    others = (
        billing_pb2.UnrateableCustomer(customer_id=each, message=f"its commitments can't be settled: {why}")
        for each, why in inconsistent.items()
    )
    return [*unrateable_messages(items), *others]


def unrateable_messages(items: Iterable[LineItem]) -> list[billing_pb2.UnrateableCustomer]:
    """Each customer of lines that can't be rated, with the reason of the first of them."""
    messages: dict[str, billing_pb2.UnrateableCustomer] = {}
    for item in items:
        subscription = item.charge.subscription
        reason = (
            f"subscription {subscription.id}, price {item.charge.billed.price.id}: {item.unrateable_reason}"
        )
        messages.setdefault(
            subscription.customer,
            billing_pb2.UnrateableCustomer(customer_id=subscription.customer, message=reason),
        )
    return list(messages.values())
