"""Asks the core to settle a case, and tells where it differs from the oracle.

Both sides are written as the same plain tables, so a difference shows the table's name and the rows of both; the
seed gives the case again (`random_settlement(seed)`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import zip_longest
from typing import Any

import numpy as np

from rating import (
    Commitment,
    Commitments,
    CreditGrant,
    CreditGrants,
    CreditsApply,
    DecimalColumn,
    GrantCategory,
    InclusiveReverseCharge,
    InvoiceLines,
    LineColumns,
    LineKind,
    RoundingMode,
    Settlement,
    SettlementTerms,
    Share,
    Split,
    SplitBase,
    SplitScope,
    TaxProfile,
    TaxRate,
    TaxRounding,
    TaxScope,
    prorated_minor,
    settle,
)
from tests.support.rating.oracle_random import Fields
from tests.support.rating.oracle_settle import draws, split, taxed, with_adjustments

START = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGITS = {"USD": 2, "JPY": 0}
PLACE = ("customer", "invoice", "tax_profile", "split")


def expected(case: Fields) -> dict[str, Any]:
    """The oracle's tables."""
    lines = with_adjustments(case["lines"], case["commitments"])
    amounts = [line["amount"] for line in lines]
    rule = (case["profiles"], case["tax_mode"], case["tax_scope"])
    after = case["credits_apply"] == "after_tax"
    if after:
        taxes = taxed(lines, amounts, *rule)
        consumed = draws(lines, taxes.gross, case["grants"])
        due = less(taxes.gross, consumed)
    else:
        consumed = draws(lines, amounts, case["grants"])
        taxes = taxed(lines, less(amounts, consumed), *rule)
        due = taxes.gross
    fees, shares = divided(case, lines, {"line": amounts, "net": taxes.net, "gross": taxes.gross})
    return {
        "lines": [(line["kind"], line["commitment"], line["amount"]) for line in lines],
        "credits": consumed,
        "taxes": [tuple(tax) for tax in taxes.taxes],
        "net": taxes.net,
        "gross": taxes.gross,
        "fees": fees,
        "shares": shares,
        "due": due,
    }


def divided(
    case: Fields, lines: list[Fields], bases: dict[str, list[int]]
) -> tuple[list[int], list[tuple[int, str, int]]]:
    """The platform's fee of each line, and (row, recipient, share); by invoice and split in place of lines, if the case says so."""
    rows = []
    for row, line in enumerate(lines):
        terms = case["splits"][line["split"]] if line["split"] >= 0 else None
        rows.append((line, terms, bases[terms["base"]][row] if terms else 0))
    if case["split_scope"] == "invoice":
        sums: dict[tuple[int, int], int] = {}
        for line, terms, base in rows:
            if terms:
                key = line["invoice"], line["split"]
                sums[key] = sums.get(key, 0) + base
        rows = [({}, case["splits"][key[1]], sums[key]) for key in sorted(sums)]
    fees, shares = [], []
    for row, (_, terms, base) in enumerate(rows):
        fee, parts = split(base, terms) if terms else (0, [])
        fees.append(fee)
        ids = [share["id"] for share in terms["shares"]] if terms else []
        shares += [(row, own, part) for own, part in zip(ids, parts, strict=True)]
    return fees, shares


def less(amounts: list[int], consumed: list[tuple[int, int, int]]) -> list[int]:
    """What credits leave of each line."""
    left = list(amounts)
    for row, _, amount in consumed:
        left[row] -= amount
    return left


def actual(case: Fields) -> dict[str, Any]:
    """The core's tables."""
    found = settled(case)
    kinds = [LineKind(kind).name.lower() for kind in found.kind.tolist()]
    taxes, splits, credits_ = found.taxes, found.splits, found.credits
    rates = [taxes.rates[rate].tax_rate_id for rate in taxes.rate.tolist()]
    recipients = [splits.recipients[recipient] for recipient in splits.recipient.tolist()]
    return {
        "lines": table(kinds, found.commitment.tolist(), ints(found.lines.amount_minor)),
        "credits": table(credits_.line.tolist(), credits_.grant.tolist(), ints(credits_.amount_minor)),
        "taxes": table(taxes.line.tolist(), rates, ints(taxes.taxable_minor), ints(taxes.amount_minor)),
        "net": ints(taxes.net_minor),
        "gross": ints(taxes.gross_minor),
        "fees": ints(splits.platform_minor),
        "shares": table(splits.line.tolist(), recipients, ints(splits.amount_minor)),
        "due": ints(found.due_minor),
    }


def settlement_differences(seed: str, case: Fields) -> Iterator[str]:
    """Each table in which the core differs from the oracle."""
    ours = expected(case)
    for name, theirs in actual(case).items():
        if theirs != ours[name]:
            wrong = [pair for pair in zip_longest(theirs, ours[name]) if pair[0] != pair[1]]
            yield f"seed {seed}: {name}, (core, oracle) of the first rows that differ: {wrong[:3]}"


def ints(column: DecimalColumn) -> list[int]:
    """A column of whole minor units."""
    if column.scale:
        raise ValueError("not in minor units")
    return column.mantissa.tolist()


def table(*columns: list[Any]) -> list[tuple[Any, ...]]:
    """Columns as rows."""
    return list(zip(*columns, strict=True))


def settled(case: Fields) -> Settlement:
    """The case in the core's own types, settled by the core."""
    commitments = case["commitments"]
    rounding = TaxRounding(mode=RoundingMode(case["tax_mode"]), scope=TaxScope(case["tax_scope"]))
    places = [terms["columns"] for terms in commitments]
    terms = SettlementTerms(
        commitments=commitments_of(commitments) if commitments else None,
        adjustments=LineColumns(at_us=instants(places), **ids(places)) if commitments else None,
        grants=grants_of(case["grants"]),
        tax_profiles=[profile_of(profile) for profile in case["profiles"]],
        splits=[split_of(one) for one in case["splits"]],
        tax_rounding=rounding,
        credits_apply=CreditsApply(case["credits_apply"]),
        split_scope=SplitScope(case["split_scope"]),
    )
    return settle(lines_of(case["lines"]), terms)


def lines_of(lines: list[Fields]) -> InvoiceLines:
    """The lines as columns."""
    currencies = tuple(dict.fromkeys(line["currency"] for line in lines))
    price_ids = tuple(dict.fromkeys(line["price"] for line in lines if line["price"]))
    return InvoiceLines(
        amount_minor=DecimalColumn.of_ints([line["amount"] for line in lines]),
        currencies=currencies,
        currency=column(currencies.index(line["currency"]) for line in lines),
        subscription=column(line["subscription"] for line in lines),
        price_ids=price_ids,
        price=column(price_ids.index(line["price"]) if line["price"] else -1 for line in lines),
        at_us=instants(lines),
        **ids(lines),
    )


def ids(places: list[Fields]) -> dict[str, Any]:
    """What lines belong to, as columns."""
    return {name: column(place[name] for place in places) for name in PLACE}


def instants(places: list[Fields]) -> Any:
    """Days of the case as µs since 1970."""
    return column((day(place["at"]) - EPOCH) // timedelta(microseconds=1) for place in places)


def column(values: Any) -> Any:
    """An int64 column."""
    return np.array(list(values), dtype=np.int64)


def day(number: int) -> datetime:
    """A day of the case."""
    return START + timedelta(days=number)


def money(amount: int, currency: str) -> Decimal:
    """Minor units as an amount in units of the currency."""
    return Decimal(amount).scaleb(-DIGITS[currency])


def decimal(value: Fraction) -> Decimal:
    """A factor or percent, all of which are short decimals."""
    return Decimal(int(value * 10**12)).scaleb(-12)


def commitments_of(rows: list[Fields]) -> Commitments:
    """Commitments as columns."""
    terms = tuple(
        Commitment(
            currency=row["currency"],
            amount=money(row["amount"], row["currency"]),
            overage_factor=decimal(row["overage_factor"]),
            true_up=row["true_up"],
            price_ids=row["price_ids"],
            rounding=RoundingMode(row["rounding"]),
        )
        for row in rows
    )
    return Commitments(
        terms=terms,
        terms_index=column(range(len(rows))),
        subscription=column(row["subscription"] for row in rows),
        final=np.array([row["final"] for row in rows], dtype=np.bool_),
        spent_minor=DecimalColumn.of_ints([row["spent"] for row in rows]),
        overage_minor=DecimalColumn.of_ints([row["booked_overage"] for row in rows]),
        true_up_minor=DecimalColumn.of_ints([row["booked_true_up"] for row in rows]),
        committed_minor=DecimalColumn.concatenate([_committed(row) for row in rows]),
    )


def _committed(row: Fields) -> DecimalColumn:
    """What a commitment comes to, rounded by the core."""
    share = row["proration"]
    counted, whole = np.array([share.numerator]), np.array([share.denominator])
    return prorated_minor(
        DecimalColumn.of_ints([row["amount"]]), counted, counted * 0, whole, RoundingMode(row["rounding"])
    )


def grants_of(rows: list[Fields]) -> CreditGrants | None:
    """Grants with what is left of each."""
    grants = [
        CreditGrant(
            grant_id=f"grant-{number}",
            currency=row["currency"],
            amount=money(row["granted"], row["currency"]),
            effective_at=day(row["effective_at"]),
            created_at=day(row["created_at"]),
            expires_at=None if row["expires_at"] is None else day(row["expires_at"]),
            priority=row["priority"],
            category=GrantCategory("promotional" if row["promotional"] else "paid"),
            price_ids=row["price_ids"],
        )
        for number, row in enumerate(rows)
    ]
    if not grants:
        return None
    return CreditGrants.of(grants, [row["customer"] for row in rows], [row["balance"] for row in rows])


def profile_of(profile: Fields) -> TaxProfile:
    """A tax profile."""
    return TaxProfile(
        rates=tuple(
            TaxRate(
                tax_rate_id=rate["id"],
                percent=decimal(rate["percent"]),
                inclusive=rate["inclusive"],
                compound=rate["compound"],
            )
            for rate in profile["rates"]
        ),
        reverse_charge=profile["reverse_charge"],
        inclusive_reverse_charge=InclusiveReverseCharge(profile["inclusive_reverse_charge"]),
    )


def split_of(terms: Fields) -> Split:
    """A split."""
    currency = terms["currency"]
    return Split(
        shares=tuple(
            Share(
                recipient_id=share["id"],
                weight=decimal(share["weight"]),
                fixed=money(share["fixed"], currency) if currency else Decimal(0),
            )
            for share in terms["shares"]
        ),
        platform_percent=decimal(terms["platform_percent"]),
        platform_fixed=money(terms["platform_fixed"], currency) if currency else Decimal(0),
        currency=currency,
        refund_fixed=terms["refund_fixed"],
        base=SplitBase(terms["base"]),
        rounding=RoundingMode(terms["rounding"]),
    )
