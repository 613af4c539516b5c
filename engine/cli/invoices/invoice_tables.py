"""Invoices, their sums and their lines as tables for people. The text of the wire is shown as it is: nothing is computed."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from engine.cli.billing.line_tables import price_name
from engine.cli.terminal.tables import NumberColumn, TextTable
from engine.cli.terminal.text import day, grouped
from meterline.v1.invoices_pb2 import (
    BillingParty,
    Invoice,
    InvoiceAmounts,
    InvoiceLine,
    InvoiceState,
    InvoiceTotal,
)

# Beside amount and due, where any of these isn't zero.
_TERMS = {
    "discounts": "discounts",
    "commitments": "commitments",
    "credits": "credits",
    "included_tax": "tax in prices",
    "tax": "tax",
}
_LINE_TERMS = {
    "discount": "discounts",
    "credit": "credits",
    "included_tax": "tax in prices",
    "tax": "tax",
}


def totals_table(totals: Sequence[InvoiceTotal]) -> TextTable:
    """What invoices come to, by currency."""
    names = _shown(_TERMS, [each.amounts for each in totals])
    columns = ["invoices", "amount", *(_TERMS[name] for name in names), "due"]
    table = TextTable("currency", *map(NumberColumn, columns))
    for each in totals:
        cells = (grouped(getattr(each.amounts, name)) for name in ("amount", *names, "due"))
        table.add(each.currency, f"{each.invoice_count:,}", *cells)
    return table


def invoices_table(invoices: Iterable[Invoice]) -> TextTable:
    table = TextTable(
        *("number", "state", "customer", "period", "due date"),
        *map(NumberColumn, ("lines", "due", "paid", "outstanding")),
    )
    for each in invoices:
        amounts = (each.amounts.due, each.figures.paid, each.figures.outstanding)
        due, paid, outstanding = map(grouped, amounts)
        table.add(
            *(each.number, state_text(each.state), each.customer_id, period_text(each), due_day(each)),
            *(f"{each.line_count:,}", due, paid, f"{outstanding} {each.currency}"),
        )
    return table


def lines_table(lines: Sequence[InvoiceLine]) -> TextTable:
    """Of one invoice: a line that corrects says which."""
    names = _shown(_LINE_TERMS, lines)
    corrects = any(each.is_adjustment for each in lines)
    table = TextTable(
        *(NumberColumn("line"), "subscription", "price", *(["corrects"] if corrects else [])),
        *map(NumberColumn, ("quantity", "amount", *(_LINE_TERMS[name] for name in names), "due")),
    )
    for each in lines:
        what = price_name(each.price_id, each.dimensions) if each.price_id else each.kind
        table.add(
            *(str(each.line_number), each.subscription_id, what),
            *([_corrected(each)] if corrects else []),
            grouped(each.quantity) if each.meter_id else "",
            *(grouped(getattr(each, name)) for name in ("amount", *names, "due")),
        )
    return table


def sums_table(amounts: InvoiceAmounts, currency: str) -> TextTable:
    """How an invoice's due comes to be."""
    names = _shown(_TERMS, [amounts])
    columns = ["amount", *(_TERMS[name] for name in names), "due"]
    table = TextTable(*map(NumberColumn, columns))
    *cells, due = (grouped(getattr(amounts, name)) for name in ("amount", *names, "due"))
    table.add(*cells, f"{due} {currency}")
    return table


def figures_table(invoice: Invoice) -> TextTable:
    """What is paid of it, and what isn't."""
    figures = invoice.figures
    shown = {"paid": figures.paid, "credited": figures.credited, "written off": figures.written_off}
    some = {name: text for name, text in shown.items() if name == "paid" or Decimal(text)}
    table = TextTable(*map(NumberColumn, ("due", *some, "outstanding")))
    outstanding = f"{grouped(figures.outstanding)} {invoice.currency}"
    table.add(grouped(invoice.amounts.due), *map(grouped, some.values()), outstanding)
    return table


def state_text(state: InvoiceState) -> str:
    """As people say it: partly paid."""
    return InvoiceState.Name(state).removeprefix("INVOICE_STATE_").lower().replace("_", " ")


def due_day(invoice: Invoice) -> str:
    """The day on which it is due, in UTC."""
    return invoice.due_at.ToDatetime().date().isoformat()


def party_text(party: BillingParty) -> str:
    """Who bought or sold, on one line; empty if nothing is known."""
    address = party.address
    place = " ".join(filter(None, (address.postal_code, address.city)))
    parts = [
        *(party.name, *address.lines, place, address.region, address.country, party.email),
        *(f"{each.type} {each.value}" for each in party.tax_ids),
        f"purchase order {party.purchase_order}" if party.purchase_order else "",
    ]
    return ", ".join(filter(None, parts))


def period_text(invoice: Invoice) -> str:
    """Its billing period."""
    if invoice.period_start == invoice.period_end:
        return f"corrections, {day(invoice.period_end)}"
    part = f", part {invoice.part}" if invoice.part else ""
    return f"{day(invoice.period_start)} to {day(invoice.period_end)}{part}"


def _corrected(line: InvoiceLine) -> str:
    if not line.is_adjustment:
        return ""
    period = f"{day(line.period_start)} to {day(line.period_end)}"
    return f"corrects {line.corrects_number or 'a void invoice'}, {period}"


def _shown(names: Iterable[str], of: Sequence[InvoiceAmounts] | Sequence[InvoiceLine]) -> list[str]:
    return [name for name in names if any(Decimal(getattr(each, name) or 0) for each in of)]
