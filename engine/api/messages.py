"""Line items and spend as messages of the wire contract."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.billing.line_item import LineItem
from engine.spend.spend import Spend
from engine.times import datetime_us, to_timestamp
from meterline.v1 import billing_pb2, spend_pb2

# Well below the 4 MiB that a gRPC client takes unless it is told otherwise.
ANSWER_BYTES_MAX = 3 * 1024 * 1024


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
    charge, rated = item.charge, item.rated
    return billing_pb2.LineItem(
        line_item_id=item.line_item_id,
        customer_id=charge.subscription.customer,
        subscription_id=charge.subscription.id,
        plan_id=charge.plan.id,
        plan_version=charge.plan_version,
        price_id=charge.price.id,
        price_version=charge.price_version,
        model=str(charge.price.price.model),
        meter_id=charge.meter.resource.id if charge.meter is not None else "",
        meter_version=charge.meter.version if charge.meter is not None else 0,
        dimensions=item.dimensions,
        period_start=to_timestamp(datetime_us(charge.period.start)),
        period_end=to_timestamp(datetime_us(charge.period.end)),
        quantity=decimal_text(rated.quantity),
        exact_amount=decimal_text(rated.exact_amount),
        amount=money_text(rated.amount),
        currency=rated.currency,
        rounding=billing_pb2.Rounding(
            mode=str(rated.rounding.mode), scope=str(rated.rounding.scope), digits=rated.digits
        ),
        tiers=[
            billing_pb2.TierAmount(
                index=tier.index,
                up_to=decimal_text(tier.up_to),
                quantity=decimal_text(tier.quantity),
                unit_amount=decimal_text(tier.unit_amount),
                flat_amount=decimal_text(tier.flat_amount),
                amount=decimal_text(tier.amount),
            )
            for tier in rated.tiers
        ],
        stages=[
            billing_pb2.StageAmount(stage=name, amount=decimal_text(amount)) for name, amount in rated.stages
        ],
        formula=rated.formula,
        event_count=item.event_count,
        event_digest=item.event_digest,
        unreadable_event_count=item.unreadable_event_count,
        missing_value_event_count=item.missing_value_event_count,
        negative_quantity=rated.negative_quantity,
    )


def fitting_line_items(items: Iterable[LineItem]) -> list[billing_pb2.LineItem]:
    """The first lines whose messages fit in one answer, and at least one."""
    messages: list[billing_pb2.LineItem] = []
    size_bytes = 0
    for item in items:
        message = line_item_message(item)
        size_bytes += message.ByteSize()
        if messages and size_bytes > ANSWER_BYTES_MAX:
            break
        messages.append(message)
    return messages


def spend_message(spend: Spend) -> spend_pb2.Spend:
    return spend_pb2.Spend(
        customer_id=spend.customer_id or "",
        currency=spend.currency,
        amount=money_text(spend.amount),
        line_item_count=spend.line_item_count,
        event_count=spend.event_count,
    )


def unrateable_messages(unrateable: Mapping[str, str]) -> list[billing_pb2.UnrateableCustomer]:
    return [
        billing_pb2.UnrateableCustomer(customer_id=customer_id, message=message)
        for customer_id, message in sorted(unrateable.items())
    ]
