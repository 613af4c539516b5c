"""Old bills and what Meterline rates beside each other, by customer, label, month and currency: columns, exact.

A label is a price's id, PLAN/PRICE, or nothing where the old bills have no labels: then a customer's month is one line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from engine.cli.comparison.old_bills import KEY, OldBills
from engine.decimal_texts import exact_sums

_NUMBERS: Final = ("quantity", "amount", "discount", "tax_on_top", "due")
_MONEY: Final = pa.decimal128(38, 4)
_COUNT: Final = pa.decimal128(38, 0)
SUMMED: Final = [
    "old_count",
    "new_count",
    "old_quantity",
    "old_amount",
    "old_days",
    *(f"new_{name}" for name in _NUMBERS),
]


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line of the old bills and of Meterline. old_count, new_count: how many rows each has of it. old_quantity: None where the old
    bills have none. old_days: for how many days it was billed, 0 where that isn't said. new_amount is before discounts; due after
    discounts, credit and taxes. plan_id, price_id: Meterline's, empty where it has none.
    """

    customer_id: str
    label: str
    month: str
    currency: str
    plan_id: str
    price_id: str
    old_count: int
    new_count: int
    old_quantity: Decimal | None
    old_amount: Decimal
    old_days: int
    new_quantity: Decimal
    new_amount: Decimal
    new_discount: Decimal
    new_tax_on_top: Decimal
    new_due: Decimal


def new_rows(pages: Iterator[Any], zone: ZoneInfo, labels: frozenset[str], *, has_labels: bool) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Rows of a simulation as lines: KEY, plan_id, price_id, and numbers. `labels`: those of the old bills."""
    found = []
    for rows in pages:
        last = pc.subtract(rows["period_end"].cast(pa.int64()), 1).cast(pa.timestamp("us", "UTC"))
        month = pc.strftime(last.cast(pa.timestamp("us", zone.key)), format="%Y-%m")
        named = pc.binary_join_element_wise(rows["plan_id"], rows["price_id"], "/")
        is_whole_name = pc.is_in(named, value_set=pa.array(sorted(labels), pa.string()))
        own = pc.if_else(
            is_whole_name, named, pc.if_else(pc.equal(rows["price_id"], ""), rows["kind"], rows["price_id"])
        )
        label = own if has_labels else pa.array([""] * len(rows), pa.string())
        on_top = _minus(rows["tax_before"], rows["included_tax_before"])
        found.append(
            pa.table(
                [
                    *(rows["customer_id"], label, month, rows["currency"], rows["plan_id"], rows["price_id"]),
                    *(
                        rows["quantity_before"],
                        rows["amount_before"],
                        rows["discount_before"],
                        on_top,
                        rows["due_before"],
                    ),
                ],
                names=[*KEY, "plan_id", "price_id", *_NUMBERS],
            )
        )
    return pa.concat_tables(found)


def _minus(one: Any, other: Any) -> Any:  # noqa: ANN401 - as above
    wide = (each.cast(pa.decimal256(70, 4)) for each in (one, other))
    return pc.subtract(*wide).cast(_MONEY)


def compared_lines(old: OldBills, new: Any) -> tuple[list[ComparedLine], int]:  # noqa: ANN401 - as above
    """The lines that differ, in quantity or amount, by their keys; and how many there are in all."""
    rows = old.rows
    zero, one = (pa.scalar(Decimal(each), _COUNT) for each in (0, 1))

    def side(table: Any, which: str) -> Any:  # noqa: ANN401 - as above
        count = len(table)
        columns = {name: table[name] for name in KEY}
        columns |= {
            f"{each}_count": pa.repeat(one if each == which else zero, count) for each in ("old", "new")
        }
        for name in ("quantity", "amount"):
            of = pa.decimal128(38, 12) if name == "quantity" else _MONEY
            own = table[name] if which == "old" else pa.nulls(count, of)
            columns[f"old_{name}"] = pc.fill_null(own.cast(of), pa.scalar(Decimal(0), of))
        days = table["days"].cast(_COUNT) if which == "old" else pa.repeat(zero, count)
        columns["old_days"] = days
        for name in _NUMBERS:
            of = pa.decimal128(38, 12) if name == "quantity" else _MONEY
            own = table[name] if which == "new" else pa.nulls(count, of)
            columns[f"new_{name}"] = pc.fill_null(own.cast(of), pa.scalar(Decimal(0), of))
        return pa.table(columns)

    sums = exact_sums(pa.concat_tables([side(rows, "old"), side(new, "new")]), KEY, SUMMED)
    same = pc.and_(
        pc.equal(sums["old_amount"], sums["new_amount"]),
        pc.equal(pc.greater(sums["old_count"], zero), pc.greater(sums["new_count"], zero)),
    )
    if old.has_quantities:
        metered = pc.not_equal(sums["old_quantity"], sums["new_quantity"])
        # A flat fee is billed by no quantity, or by 1.
        same = pc.and_(
            same,
            pc.invert(
                pc.and_(
                    metered, pc.not_equal(sums["new_quantity"], pa.scalar(Decimal(0), pa.decimal128(38, 12)))
                )
            ),
        )
    differing = sums.filter(pc.invert(same)).sort_by([(name, "ascending") for name in KEY])
    places = (
        {
            tuple(row[name] for name in KEY): (row["plan_id"], row["price_id"])
            for row in new.select([*KEY, "plan_id", "price_id"]).to_pylist()
        }
        if len(differing)
        else {}
    )
    found = []
    for row in differing.to_pylist():
        plan_id, price_id = places.get(tuple(row[name] for name in KEY), ("", ""))
        fields: dict[str, Any] = row | {
            name: int(row[name]) for name in ("old_count", "new_count", "old_days")
        }
        if not old.has_quantities or not fields["old_count"]:
            fields["old_quantity"] = None
        found.append(ComparedLine(**fields, plan_id=plan_id, price_id=price_id))
    return found, len(sums)
