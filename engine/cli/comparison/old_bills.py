"""Old bills from a CSV: which customer was billed what, in which month.

Columns: customer_id, amount and currency; month, or period_start and period_end; and, if there are any, price (or line, or label) and
quantity. Other columns are left alone. An amount has at most 4 fractional digits, a quantity 12.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.cli.quote.quote_csv_file import CsvTable
from engine.cli.terminal.connection import CommandError
from engine.decimal_texts import decimal128_array, decimals

_LABELS: Final = ("price", "price_id", "line", "label")
KEY: Final = ["customer_id", "label", "month", "currency"]


@dataclass(frozen=True, eq=False, slots=True)
class OldBills:
    """`rows`: KEY, quantity (decimal128(38, 12)), amount (decimal128(38, 4)), and days, how many the line is for. A file without a
    column of labels has one line a customer and month; without quantities these are all null.
    """

    rows: Any
    has_labels: bool
    has_quantities: bool


def old_bills(table: CsvTable, names: dict[str, str]) -> OldBills:
    """`names`: what a label is called in the catalog, where that is something else.

    Raises:
        CommandError: a column is missing, or a month is none.
        InvalidRequestError: an amount is no number, at its line.
    """
    columns = table.columns
    for name in ("customer_id", "amount", "currency"):
        if name not in columns:
            raise CommandError(f"{table.file_name}: has no column {name!r}: it has {', '.join(columns)}")
    label = next((name for name in _LABELS if name in columns), None)
    months, days = _months(table)
    labels = (
        [""] * table.rows if label is None else [names.get(each, each) for each in columns[label].to_pylist()]
    )
    rows = np.arange(table.rows)

    def numbers(name: str, digits: int) -> Any:  # noqa: ANN401 - pyarrow ships no types
        column = decimals(columns[name], rows, lambda row: table.where(row, name))
        try:
            return decimal128_array(column.rescale(digits))
        except ValueError as error:
            raise CommandError(f"{table.file_name}: {name}: {error}") from None

    quantity = (
        numbers("quantity", 12) if "quantity" in columns else pa.nulls(table.rows, pa.decimal128(38, 12))
    )
    found = pa.table(
        {
            "customer_id": columns["customer_id"].cast(pa.string()),
            "label": pa.array(labels, pa.string()),
            "month": pa.array(months, pa.string()),
            "currency": pc.utf8_upper(columns["currency"]),
            "quantity": quantity,
            "amount": numbers("amount", 4),
            "days": pa.array(days, pa.int64()),
        }
    )
    return OldBills(found, label is not None, "quantity" in columns)


def _months(table: CsvTable) -> tuple[list[str], list[int]]:
    """Of each row the month in which its period ends, as "2026-08", and how many days it is for; 0 of a month that is named."""
    if "month" in table.columns:
        texts = table.columns["month"].to_pylist()
        return [_month(table, row, text) for row, text in enumerate(texts)], [0] * table.rows
    for name in ("period_start", "period_end"):
        if name not in table.columns:
            raise CommandError(
                f"{table.file_name}: has no column 'month', nor {name!r}: it says when a line is for"
            )
    months, days = [], []
    both = zip(*(table.columns[name].to_pylist() for name in ("period_start", "period_end")), strict=True)
    for row, (start_text, end_text) in enumerate(both):
        start, end = _date(table, row, "period_start", start_text), _date(table, row, "period_end", end_text)
        if end <= start:
            raise CommandError(
                f"{table.where(row, 'period_end')}: {end_text!r} is not after {start_text!r}: a period ends where the next begins"
            )
        months.append(f"{end - timedelta(days=1):%Y-%m}")
        days.append((end - start).days)
    return months, days


def _month(table: CsvTable, row: int, text: str) -> str:
    try:
        return f"{date.fromisoformat(f'{text}-01'):%Y-%m}"
    except ValueError:
        raise CommandError(f"{table.where(row, 'month')}: {text!r} is not a month: write 2026-08") from None


def _date(table: CsvTable, row: int, name: str, text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise CommandError(f"{table.where(row, name)}: {text!r} is not a date: write 2026-08-01") from None
