"""`meterline payments`: money that came in, failed or went back, reported and listed."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from engine.api.message_json import message_line
from engine.cli.terminal.connection import TIMEOUT_S, connected, some_of
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    TextType,
    json_option,
    limit_option,
    target_option,
    timestamp,
    together,
)
from engine.cli.terminal.tables import NumberColumn, TextTable, show_found
from engine.cli.terminal.text import grouped, instant, visible
from meterline.v1.receivables_pb2 import (
    PAYMENT_STATE_FAILED,
    ListPaymentsRequest,
    Payment,
    RecordPaymentFailureRequest,
    RecordPaymentRequest,
    RecordRefundRequest,
)
from meterline.v1.receivables_pb2_grpc import ReceivablesServiceStub

_payment_id = click.argument("payment_id", type=TextType("a payment"), metavar="PAYMENT_ID")
_payment_options = together(
    _payment_id,
    click.option(
        "--customer",
        "customer_id",
        type=TextType("a customer"),
        required=True,
        metavar="ID",
        help="Whose money.",
    ),
    click.option(
        "--currency", type=TextType("a currency"), required=True, metavar="CODE", help="Such as EUR."
    ),
    click.option(
        "--amount", type=TextType("an amount"), required=True, metavar="AMOUNT", help="Such as 12.00."
    ),
    click.option(
        "--invoice",
        "invoices",
        type=TextType("an invoice"),
        multiple=True,
        metavar="NUMBER",
        help="Which it pays first, in this order; may be repeated.",
    ),
    click.option(
        "--received-at", type=InstantType(), metavar="INSTANT", help="When it came in. Default: now."
    ),
    click.option(
        "--method", type=TextType("a method"), metavar="TEXT", help="How it was paid, such as card."
    ),
    click.option(
        "--reference",
        type=TextType("a reference"),
        metavar="TEXT",
        help="What the payer wrote; an erasure takes it away.",
    ),
)


@click.group()
def payments() -> None:
    """Report money that came in, failed or went back, and list it; Meterline moves none.

    PAYMENT_ID is yours, such as the id of a charge: the same report again changes nothing.
    """


@payments.command(epilog=INSTANT_HELP)
@_payment_options
@json_option
@target_option
def record(payment_id: str, *, as_json: bool, target: str, **said: Any) -> None:  # noqa: ANN401 - of _payment_options
    """Record money that came in.

    It pays the invoices that are named, then what is due first; what is left is balance.
    """
    request = RecordPaymentRequest(payment_id=payment_id, **_fields(**said))
    with connected(target) as channel:
        found = ReceivablesServiceStub(channel).RecordPayment(request, timeout=TIMEOUT_S).payment
    _show(found, as_json=as_json)


@payments.command(epilog=INSTANT_HELP)
@_payment_options
@click.option("--reason", type=TextType("a reason"), required=True, metavar="TEXT", help="Why it failed.")
@json_option
@target_option
def fail(payment_id: str, *, reason: str, as_json: bool, target: str, **said: Any) -> None:  # noqa: ANN401 - of _payment_options
    """Record that a payment failed: no money moves, and webhooks hear of it."""
    request = RecordPaymentFailureRequest(payment_id=payment_id, reason=reason, **_fields(**said))
    with connected(target) as channel:
        found = ReceivablesServiceStub(channel).RecordPaymentFailure(request, timeout=TIMEOUT_S).payment
    _show(found, as_json=as_json)


@payments.command()
@_payment_id
@click.option(
    "--refund-id",
    type=TextType("a refund"),
    required=True,
    metavar="ID",
    help="Yours: the same again changes nothing.",
)
@click.option(
    "--amount", type=TextType("an amount"), required=True, metavar="AMOUNT", help="How much went back."
)
@click.option("--reason", type=TextType("a reason"), required=True, metavar="TEXT", help="Why.")
@json_option
@target_option
def refund(payment_id: str, refund_id: str, amount: str, reason: str, *, as_json: bool, target: str) -> None:
    """Record that money of a payment went back: what it paid of the newest invoices is owed again."""
    request = RecordRefundRequest(payment_id=payment_id, refund_id=refund_id, amount=amount, reason=reason)
    with connected(target) as channel:
        answer = ReceivablesServiceStub(channel).RecordRefund(request, timeout=TIMEOUT_S)
    if as_json:
        click.echo(message_line(answer))
        return
    made, payment = answer.refund, answer.payment
    click.echo(
        f"refund {visible(made.refund_id)}: {grouped(made.amount)} {made.currency} of payment "
        f"{visible(payment.payment_id)} went back to {visible(made.customer_id)}"
    )


@payments.command("list")
@click.option("--customer", type=TextType("a customer"), metavar="ID", help="Only of this customer.")
@limit_option("payments")
@json_option
@target_option
def list_(customer: str | None, limit: int, *, as_json: bool, target: str) -> None:
    """List payments, also those that failed, the newest first."""
    request = ListPaymentsRequest(customer_id=customer or "")
    with connected(target) as channel:
        found = some_of(ReceivablesServiceStub(channel).ListPayments, request, "payments", limit)
    show_found(found, _table, "no payment", as_json=as_json)


def _fields(*, received_at: datetime | None, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - of _payment_options
    return {"received_at": timestamp(received_at), **said}


def _show(payment: Payment, *, as_json: bool) -> None:
    if as_json:
        click.echo(message_line(payment))
        return
    what = f"payment {visible(payment.payment_id)}: {grouped(payment.amount)} {payment.currency}"
    if payment.state == PAYMENT_STATE_FAILED:
        click.echo(f"{what} of {visible(payment.customer_id)} failed: {visible(payment.failure_reason)}")
    else:
        click.echo(f"{what} of {visible(payment.customer_id)}{_became(payment)}")


def _became(payment: Payment) -> str:
    """What became of the money: " paid INV-000042 10.00, 2.00 is balance"."""
    parts = [f"{each.invoice} {grouped(each.amount)}" for each in payment.applied]
    paid = f" paid {', '.join(parts)}" if parts else ""
    if not payment.balance.strip("0."):
        return paid
    return f"{paid}, {grouped(payment.balance)} is balance"


def _table(found: Iterable[Payment]) -> TextTable:
    table = TextTable(
        *("payment", "state", "customer", "received"),
        *map(NumberColumn, ("amount", "refunded", "balance")),
        "pays",
    )
    for each in found:
        has_failed = each.state == PAYMENT_STATE_FAILED
        pays = ", ".join(f"{one.invoice} {grouped(one.amount)}" for one in each.applied)
        table.add(
            *(each.payment_id, "failed" if has_failed else "succeeded", each.customer_id),
            *(instant(each.received_at), f"{grouped(each.amount)} {each.currency}"),
            *("" if has_failed else grouped(text) for text in (each.refunded, each.balance)),
            each.failure_reason if has_failed else pays,
        )
    return table
