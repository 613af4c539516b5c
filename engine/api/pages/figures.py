"""GetSpend's answer as the texts of a page: totals, lines by plan, credits, commitments, discounts and taxes.

Rules:
1. Every amount is one of the answer's, written as the reader's language writes it; none is added up here.
2. What is zero and says nothing is left out: a customer without terms of money sees one total.
3. At most _LINES_MAX lines are shown, and _LADDERS_MAX of them tier by tier; the page says how many are left out.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.pages.ladders import allowance, ladder
from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document_parts import Span
from meterline.v1.billing_pb2 import LineItem
from meterline.v1.spend_pb2 import GetSpendResponse, Spend

Shown = dict[str, Any]
_LINES_MAX: Final = 200
_LADDERS_MAX: Final = 20
# In their order between the sum of lines and what is due, and whether they take off it.
_TERMS: Final = (
    ("discounts", True),
    ("commitments", False),
    ("credits", True),
    ("included_tax", True),
    ("tax", False),
)


def shown_figures(spend: GetSpendResponse, names: CatalogNames, words: PageWords) -> Shown:
    """What changes while somebody looks."""
    lines = list(spend.line_items[:_LINES_MAX])
    left_out = sum(each.line_item_count for each in spend.spends) - len(lines)
    return {
        "totals": [_total(each, words) for each in spend.spends],
        "period": _period(lines, names, words),
        "sections": list(_sections(lines, names, words)),
        "left_out": words.text("lines_left_out", count=words.plain.number(Decimal(left_out)))
        if left_out > 0
        else "",
        "standings": list(_standings(lines, names, words)),
        "credits": [
            _credit(each, names, words)
            for each in spend.credits
            if Decimal(each.amount) or Decimal(each.balance)
        ],
        "commitments": [_commitment(each, names, words) for each in spend.commitments],
        "terms": [*_discounts(spend, words), *_taxes(spend, words)],
        "as_of": words.plain.instant(spend.as_of.ToMicroseconds(), names.zone),
    }


def period_of(spend: GetSpendResponse) -> Span | None:
    """From the first start to the last end of the lines' billing periods; None without a line."""
    return _span(spend.line_items)


def _span(lines: Any) -> Span | None:  # noqa: ANN401 - a list of lines, or a message's
    if not lines:
        return None
    return Span(
        min(each.period_start.ToMicroseconds() for each in lines),
        max(each.period_end.ToMicroseconds() for each in lines),
    )


def _period(lines: list[LineItem], names: CatalogNames, words: PageWords) -> str:
    span = _span(lines)
    return "" if span is None else words.plain.period(span, names.zone_of(lines[0].subscription_id))


def _total(spend: Spend, words: PageWords) -> Shown:
    currency, settled = spend.currency, spend.settled
    parts = []
    if settled.due != spend.amount or any(Decimal(getattr(settled, name)) for name, _ in _TERMS):
        parts.append({"name": words.text("sum_of_lines"), "text": words.money(spend.amount, currency)})
        parts += [
            {
                "name": words.text(f"part_{name}"),
                "text": words.money(_signed(getattr(settled, name), takes_off=takes_off), currency),
            }
            for name, takes_off in _TERMS
            if Decimal(getattr(settled, name))
        ]
    return {
        "key": currency,
        "due": words.money(settled.due, currency),
        "parts": parts,
        "is_incomplete": spend.incomplete,
    }


def _signed(text: str, *, takes_off: bool) -> str:
    return format(-Decimal(text), "f") if takes_off else text


def _sections(lines: list[LineItem], names: CatalogNames, words: PageWords) -> Iterator[Shown]:
    """The lines of each plan of each subscription."""
    grouped: dict[tuple[str, str, int], list[LineItem]] = {}
    for line in lines:
        grouped.setdefault((line.subscription_id, line.plan_id, line.plan_version), []).append(line)
    for number, ((subscription_id, plan_id, version), some) in enumerate(grouped.items()):
        plan = names.plan(plan_id, version)
        yield {
            "key": f"s{number}",
            "name": plan_id if plan is None else plan.name,
            "period": _period(some, names, words),
            "zone": names.zone_of(subscription_id),
            "lines": [_line(each, names, words) for each in some],
        }


def _line(line: LineItem, names: CatalogNames, words: PageWords) -> Shown:
    service, period = (
        Span(getattr(line, f"{name}_start").ToMicroseconds(), getattr(line, f"{name}_end").ToMicroseconds())
        for name in ("service", "period")
    )
    return {
        "id": line.line_item_id,
        "name": line.product or line.price_id,
        "dimensions": _dimensions(line.dimensions),
        "service": ""
        if service == period
        else words.plain.period(service, names.zone_of(line.subscription_id)),
        "quantity": _quantity(line, names, words),
        "amount": words.money(line.amount, line.currency) if line.amount else "",
        "note": words.text("negative") if line.negative_quantity else "",
    }


def _quantity(line: LineItem, names: CatalogNames, words: PageWords) -> str:
    if not line.meter_id and not Decimal(line.quantity or 0):
        return ""
    return f"{words.plain.number(Decimal(line.quantity or 0))} {names.unit(line.meter_id)}".strip()


def _dimensions(dimensions: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in dimensions.items())


def _standings(lines: list[LineItem], names: CatalogNames, words: PageWords) -> Iterator[Shown]:
    """Where the customer stands in tiers and allowances, line by line."""
    shown = 0
    for line in lines:
        tiers = ladder(line, names, words)
        left = allowance(line, words, names.unit(line.meter_id))
        if (tiers is None and left is None) or shown == _LADDERS_MAX:
            continue
        shown += 1
        dimensions = _dimensions(line.dimensions)
        yield {
            "id": line.line_item_id,
            "name": f"{line.product or line.price_id} {f'({dimensions})' if dimensions else ''}".strip(),
            "unit": names.unit(line.meter_id),
            "tiers": tiers,
            "allowance": left,
        }


def _credit(credit: Any, names: CatalogNames, words: PageWords) -> Shown:  # noqa: ANN401 - an AppliedCredit
    expires = (
        words.plain.day(credit.expires_at.ToMicroseconds(), names.zone)
        if credit.HasField("expires_at")
        else ""
    )
    return {
        "name": credit.credit_grant_id,
        "kind": words.text(f"credit_{credit.category}"),
        "amount": words.money(credit.amount, credit.currency),
        "balance": words.money(credit.balance, credit.currency),
        "expires": expires or words.text("never"),
    }


def _commitment(commitment: Any, names: CatalogNames, words: PageWords) -> Shown:  # noqa: ANN401 - an AppliedCommitment
    committed, spent = Decimal(commitment.amount), Decimal(commitment.spend)
    currency = commitment.currency
    term = _of_period(commitment.term_start, commitment.term_end)
    drawn, left = (words.money(each, currency) for each in (commitment.drawn, commitment.left))
    of_term = term != _of_period(commitment.period_start, commitment.period_end)
    carried, rolled = (words.money(each, currency) for each in (commitment.carried, commitment.rolled_over))
    return {
        "prices": ", ".join(commitment.price_ids) or words.text("all_prices"),
        "period": words.plain.period(term, names.zone_of(commitment.subscription_id)),
        "drawn": words.text("commitment_drawn", drawn=drawn, left=left) if of_term else "",
        "rolled": words.text("commitment_rolled", carried=carried, rolled=rolled)
        if Decimal(commitment.rolled_over)
        else "",
        "amount": words.money(commitment.amount, currency),
        "spend": words.money(commitment.spend, currency),
        "true_up": words.money(commitment.true_up, currency),
        # Of a bar, in parts of a hundred: no figure.
        "used_percent": max(0, min(100, int(spent * 100 / committed))) if committed else 100,
    }


def _of_period(start: Timestamp, end: Timestamp) -> Span:
    return Span(start.ToMicroseconds(), end.ToMicroseconds())


def _discounts(spend: GetSpendResponse, words: PageWords) -> Iterator[Shown]:
    for each in spend.discounts:
        yield {
            "name": words.text("discount_of", name=each.coupon_id or each.plan_id),
            "text": words.money(_signed(each.amount, takes_off=True), each.currency),
        }


def _taxes(spend: GetSpendResponse, words: PageWords) -> Iterator[Shown]:
    for each in spend.taxes:
        name = "tax_reverse" if each.reverse_charge else "tax_included" if each.included else "tax_of"
        yield {
            "name": words.text(name, name=each.tax_id, percent=words.plain.number(Decimal(each.percent))),
            "text": words.money(each.amount, each.currency),
        }
