"""Quotes as JSON, one object a line: the fields of a line item, every number as exact text.

{"kind": "line", "quote": 1, ...}         each rated line, with tiers, stages and formula
{"kind": "total", "quote": 1, ...}        after a quote's lines, for each currency
{"kind": "grand_total", ...}              at the end of several quotes, for each currency
"""

from collections.abc import Iterator

from engine.api.message_json import JsonFields, json_fields, json_line
from engine.api.messages import decimal_text, money_text, rated_message
from engine.billing.quote.quotes import Quotes
from rating import RatedLine

_RATED = (
    *("billable_quantity", "conversion", "allowance", "free_amount", "package_size", "block_size"),
    *(
        "tiers",
        "event_fees",
        "stages",
        "exact_amount",
        "rounding",
        "amount",
        "currency",
        "formula",
        "negative_quantity",
    ),
)


def json_lines(quotes: Quotes) -> Iterator[str]:
    """The objects as text, without line breaks."""
    for fields in _objects(quotes):
        yield json_line(fields)


def _objects(quotes: Quotes) -> Iterator[JsonFields]:
    ends = quotes.line_counts.reshape(quotes.count, len(quotes.prices)).sum(axis=1).cumsum().tolist()
    order = quotes.order
    start = 0
    for quote, end in enumerate(ends):
        which: JsonFields = {"quote": quote + 1}
        if quotes.names:
            which["names"] = quotes.names_of(quote)
        for row in order[start:end].tolist():
            yield {"kind": "line", **which, **_line_fields(quotes, row)}
        for currency, totals in quotes.totals.items():
            amount = money_text(totals.decimal(quote))
            yield {
                "kind": "total",
                **which,
                "line_count": end - start,
                "amount": amount,
                "currency": currency,
            }
        start = end
    if quotes.count > 1:
        for currency, totals in quotes.totals.items():
            yield {
                "kind": "grand_total",
                "quote_count": quotes.count,
                "amount": money_text(totals.total()),
                "currency": currency,
            }


def _line_fields(quotes: Quotes, row: int) -> JsonFields:
    line = quotes.lines.line(row)
    quoted = quotes.price_of(row)
    fields: JsonFields = {
        "price_id": quoted.id,
        "model": str(line.price.model),
        "dimensions": quotes.dimensions_of(row),
        "quantity": decimal_text(line.quantity),
        "quantity_given": bool(quotes.is_given[row]),
    }
    if quoted.units:
        fields["units"] = {unit: decimal_text(value) for unit, value in quotes.units_of(row).items()}
    if quoted.price.needs_events:
        fields["event_count"] = quotes.event_count_of(row)
    return fields | _rated_fields(line)


def _rated_fields(line: RatedLine) -> JsonFields:
    """As a line item of the engine has them."""
    found = json_fields(rated_message(line))
    return {name: found[name] for name in _RATED if name in found}
