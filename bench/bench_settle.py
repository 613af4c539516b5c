"""How fast lines are settled: `python -m bench.bench_settle`.

One million lines of 100,000 customers go through each stage by itself and through all of them. Times are medians in
one process; the last line of the output is one JSON object, and nothing is aimed at. The wide rows hold the same lines with one amount past
64 bits, which puts their stage on Python integers.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from statistics import median
from time import perf_counter

import numpy as np

from bench.aims import aims_json
from rating.numbers.allocate import allocate
from rating.numbers.decimals import DecimalColumn
from rating.settlement.commitments import Commitment, Commitments, apply_commitments
from rating.settlement.credits import apply_credits
from rating.settlement.grants import NEVER_US, CreditGrants
from rating.settlement.invoice_lines import InvoiceLines, LineColumns
from rating.settlement.settle import SettlementTerms, settle
from rating.settlement.splits import Share, Split, apply_splits
from rating.settlement.tax import apply_taxes
from rating.settlement.tax_rates import TaxProfile, TaxRate, TaxRounding, TaxScope

LINES_A_CUSTOMER = 10
PRICES = tuple(f"price-{number}" for number in range(20))
SCOPES = tuple(PRICES[number : number + 2] for number in range(0, 20, 2))


def main() -> None:
    """Builds the lines and terms from the seed, times every stage, prints a table."""
    options = _options()
    dice = np.random.default_rng(options.seed)
    lines, terms = lines_of(options.lines, dice), terms_of(options.lines, dice)
    huge = lines.amount_minor.widened().mantissa
    huge[0] = 10**20
    wide = lines.with_amounts(DecimalColumn(huge, 0))
    print(f"{options.lines:,} lines, seed {options.seed}; medians of {options.runs} runs\n")
    print(f"{'stage':40}{'ms':>8}{'lines/s':>14}")
    rows = []
    for name, run in {**stages_of("", lines, terms), **stages_of(", wide", wide, terms)}.items():
        seconds = median(_timed(run) for _ in range(options.runs))
        rows.append(
            {"stage": name, "ms": round(seconds * 1000, 1), "lines_per_second": round(len(lines) / seconds)}
        )
        print(f"{name:40}{seconds * 1000:>8.0f}{len(lines) / seconds:>14,.0f}")
    print()
    result = {"bench": "settle", "lines": options.lines, "seed": options.seed, "stages": rows}
    print(json.dumps(result | {"aims": aims_json([])}))


def stages_of(suffix: str, lines: InvoiceLines, terms: SettlementTerms) -> dict[str, Callable[[], object]]:
    """Each stage as a call without arguments."""
    if terms.commitments is None or terms.grants is None:
        raise ValueError("the bench needs commitments and grants")
    commitments, grants = terms.commitments, terms.grants
    general = replace(grants, scope=np.full(len(grants), -1))
    totals = lines.amount_minor.sum_by_group(lines.invoice, int(lines.invoice.max()) + 1)
    weights = lines.amount_minor.maximum(DecimalColumn.zeros(len(lines)))
    on_invoice = TaxRounding(scope=TaxScope.INVOICE)
    calls: dict[str, Callable[[], object]] = {
        "allocation to the lines of invoices": lambda: allocate(totals, weights, lines.invoice),
        "commitments": lambda: apply_commitments(lines, commitments),
        "credits, every grant for all prices": lambda: apply_credits(lines, general),
        "credits, grants with scopes": lambda: apply_credits(lines, grants),
        "taxes, rounded on lines": lambda: apply_taxes(lines, terms.tax_profiles),
        "taxes, rounded on invoices": lambda: apply_taxes(lines, terms.tax_profiles, on_invoice),
        "splits": lambda: apply_splits(lines, terms.splits),
        "all stages": lambda: settle(lines, terms),
    }
    return {name + suffix: call for name, call in calls.items()}


def lines_of(count: int, dice: np.random.Generator) -> InvoiceLines:
    """Lines of 0.01 to 5,000.00 USD, ten for each customer and its one invoice and subscription."""
    customer = np.arange(count) // LINES_A_CUSTOMER
    return InvoiceLines(
        amount_minor=DecimalColumn(dice.integers(1, 500_000, count), 0),
        currencies=("USD",),
        currency=np.zeros(count, dtype=np.int64),
        customer=customer,
        invoice=customer,
        subscription=customer,
        price_ids=PRICES,
        price=dice.integers(0, len(PRICES), count),
        at_us=np.zeros(count, dtype=np.int64),
        tax_profile=dice.integers(0, 3, count),
        split=dice.integers(-1, 2, count),
    )


def terms_of(count: int, dice: np.random.Generator) -> SettlementTerms:
    """A commitment for each customer, two grants on average (half of them for two prices only), taxes, splits."""
    customers = -(-count // LINES_A_CUSTOMER)
    ids = np.arange(customers)
    committed = [
        Commitment(currency="USD", amount=Decimal(amount), overage_factor=Decimal("1.25"))
        for amount in (9_000, 90_000)
    ]
    whole, which = Commitments.of(committed, [0, 1]), dice.integers(0, 2, customers)
    zeros, ones = DecimalColumn.zeros(customers), np.ones(customers, dtype=np.int64)
    return SettlementTerms(
        commitments=replace(
            whole,
            terms_index=which,
            subscription=ids,
            final=ones == 1,
            spent_minor=zeros,
            overage_minor=zeros,
            true_up_minor=zeros,
            committed_minor=whole.committed_minor.take(which),
        ),
        adjustments=LineColumns(
            customer=ids, invoice=ids, at_us=ones * 0, tax_profile=ones * 0, split=ones * -1
        ),
        grants=grants_of(2 * customers, customers, dice),
        tax_profiles=(_profile("8.875"), _profile("5", "9.975"), _profile("19", inclusive=True)),
        splits=(_split(1, 1, 1), _split(70, 30)),
    )


def grants_of(count: int, customers: int, dice: np.random.Generator) -> CreditGrants:
    """Grants of up to 20,000.00 USD."""
    zeros = np.zeros(count, dtype=np.int64)
    return CreditGrants(
        customer=dice.integers(0, customers, count),
        currencies=("USD",),
        currency=zeros,
        priority=dice.integers(0, 3, count),
        promotional=dice.random(count) < 0.5,
        effective_us=zeros,
        expires_us=zeros + NEVER_US,
        created_us=dice.integers(0, 1000, count),
        balance_minor=DecimalColumn(dice.integers(1, 2_000_000, count), 0),
        scopes=SCOPES,
        scope=np.where(dice.random(count) < 0.5, dice.integers(0, len(SCOPES), count), -1),
    )


def _profile(*percents: str, inclusive: bool = False) -> TaxProfile:
    return TaxProfile(
        rates=tuple(
            TaxRate(
                tax_rate_id=f"tax-{percent}",
                percent=Decimal(percent),
                inclusive=inclusive,
                compound=place > 0,
            )
            for place, percent in enumerate(percents)
        )
    )


def _split(*weights: int) -> Split:
    return Split(
        shares=tuple(Share(recipient_id=f"r{place}", weight=Decimal(w)) for place, w in enumerate(weights)),
        platform_percent=Decimal("2.9"),
        platform_fixed=Decimal("0.30"),
        currency="USD",
    )


def _timed(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    main()
