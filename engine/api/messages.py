"""Line items and spend as messages of the wire contract."""

from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

from google.protobuf.message import Message

from engine.billing.line_item import LineItem
from engine.spend.spend import Spend
from engine.times import datetime_us, to_timestamp
from meterline.v1 import billing_pb2, spend_pb2
from rating import Price, RatedLine

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
    price = billed.price.price
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
        negative_quantity=item.quantity < 0,
        unrateable_reason=item.unrateable_reason,
    )
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
    if price.conversion is not None:
        message.conversion.factor = decimal_text(price.conversion.factor)
        message.conversion.divisor = decimal_text(price.conversion.divisor)
    message.allowance = decimal_text(price.allowance or None)
    if not price.needs_events:
        message.free_amount = decimal_text(price.free_amount)
    message.package_size = decimal_text(price.package_size)
    message.block_size = decimal_text(price.block_size)


def _add_amounts(message: billing_pb2.LineItem, rated: RatedLine) -> None:
    message.billable_quantity = decimal_text(rated.billable_quantity)
    message.exact_amount = decimal_text(rated.exact_amount)
    message.amount = money_text(rated.amount)
    if rated.together is not None:
        message.rounding.group_count = rated.together.group_count
        message.rounding.charge_exact_amount = decimal_text(rated.together.exact_amount)
        message.rounding.charge_amount = money_text(rated.together.amount)
    for tier in rated.tiers:
        message.tiers.add(
            index=tier.index,
            up_to=decimal_text(tier.up_to),
            quantity=decimal_text(tier.quantity),
            unit_amount=decimal_text(tier.unit_amount),
            flat_amount=decimal_text(tier.flat_amount),
            amount=decimal_text(tier.amount),
        )
    for name, amount in rated.stages:
        term = None if name == "price" else getattr(rated.price, name)
        message.stages.add(stage=name, amount=decimal_text(amount), term=decimal_text(term))
    message.formula = rated.formula


def fitting(messages: Iterable[_Message]) -> list[_Message]:
    """The first messages that fit in one answer, and at least one."""
    found: list[_Message] = []
    size_bytes = 0
    for message in messages:
        size_bytes += message.ByteSize()
        if found and size_bytes > ANSWER_BYTES_MAX:
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
    )


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
