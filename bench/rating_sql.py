"""The other yardstick: the same calculation as ClickHouse SQL with Decimal256, in process, on one thread."""

from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import clickhouse_connect
import pyarrow as pa

from bench.rating_cases import Case

SCALE = 6
"""Fractional digits of unit amounts in the SQL: enough for every case."""


def time_sql(case: Case, runs: int) -> tuple[float, Decimal]:
    """(median seconds, sum of the amounts) of rating a case of one price in SQL; inserting the charges isn't timed."""
    with TemporaryDirectory(prefix="meterline-bench-") as folder:
        client = clickhouse_connect.get_client(interface="chdb", path=folder)
        try:
            client.command("CREATE DATABASE bench")
            table = _columns(case)
            kinds = {"int64": "Int64", "list<item: int64>": "Array(Int64)"}
            columns = ", ".join(f"`{field.name}` {kinds[str(field.type)]}" for field in table.schema)
            client.command(f"CREATE TABLE bench.charges ({columns}) ENGINE = Memory")
            client.insert_arrow("bench.charges", table, database="bench")
            query = f"SELECT {_amount(case.fields[0])} AS amount FROM bench.charges"
            seconds = []
            for _ in range(runs):
                start = process_time()
                client.command(f"{query} SETTINGS max_threads = 1 FORMAT Null")
                seconds.append(process_time() - start)
            total = client.query(f"SELECT sum(amount) FROM ({query}) SETTINGS max_threads = 1").result_rows[
                0
            ][0]
        finally:
            client.close()
    return median(seconds), Decimal(total)


def _columns(case: Case) -> pa.Table:
    columns = dict(case.columns)
    if "events" in columns:
        columns["events"] = pa.ListArray.from_arrays(
            pa.array(columns.pop("offsets"), pa.int32()), columns["events"]
        )
    return pa.table(columns)


def _constant(value: str | int | None, scale: int = SCALE) -> str:
    return f"toDecimal256('{value or 0}', {scale})"


def _amount(fields: dict[str, Any]) -> str:
    """The rounded amount of a charge as an SQL expression."""
    quantity = "toDecimal256(quantity, 0)"
    if "conversion" in fields:
        quantity = f"toDecimal256(ceil({quantity} * {_constant(fields['conversion']['factor'], 3)}), 0)"
    if "free_units" in fields:
        quantity = f"greatest({quantity} - {_constant(fields['free_units'], 0)}, {_constant(0, 0)})"
    amount = _priced(fields, quantity)
    if "percent_off" in fields:
        kept = (100 - Decimal(fields["percent_off"])).scaleb(-2)
        amount = f"({amount}) * {_constant(str(kept), 2)}"
    if "amount_off" in fields:
        amount = f"greatest({amount} - {_constant(fields['amount_off'])}, {_constant(0)})"
    if "maximum_amount" in fields:
        amount = f"least({amount}, {_constant(fields['maximum_amount'])})"
    if "minimum_amount" in fields:
        amount = f"greatest({amount}, {_constant(fields['minimum_amount'])})"
    return f"round({amount}, 2)"


def _priced(fields: dict[str, Any], quantity: str) -> str:
    model = fields["model"]
    tiers = fields.get("tiers", ())
    if model in ("graduated", "graduated_percentage"):
        return _graduated(fields, quantity)
    if model in ("volume", "stairstep"):
        chosen = [f"{quantity} * {_unit(tier)} + {_constant(tier.get('flat_amount'))}" for tier in tiers]
        return _first([f"{quantity} <= {_constant(tier['up_to'], 0)}" for tier in tiers[:-1]], chosen)
    if model == "capacity":
        fits = [
            " AND ".join(f"{unit} <= {most}" for unit, most in tier["up_to"].items()) for tier in tiers[:-1]
        ]
        return _first(fits, [_constant(tier["flat_amount"]) for tier in tiers])
    if model == "matrix":
        return _in_cell(fields, quantity)
    if model == "percentage" and "free_events" in fields:
        return _event_fees(fields)
    packages = (
        f"toDecimal256(intDiv(quantity + {fields.get('package_size')} - 1, {fields.get('package_size')}), 0)"
    )
    simple = {
        "flat": lambda: _constant(fields["flat_amount"]),
        "per_unit": lambda: f"{quantity} * {_constant(fields['unit_amount'])}",
        "package": lambda: f"{packages} * {_constant(fields['package_amount'])}",
        "dynamic": lambda: f"{quantity} * {_constant(fields['multiplier'])}",
        "overage": lambda: (
            f"{_beyond(quantity, fields['included_units'])} * {_constant(fields['unit_amount'])}"
        ),
        "percentage": lambda: f"{_beyond(quantity, fields['free_amount'])} * {_percent(fields['percent'])}",
    }
    return simple[model]()


def _event_fees(fields: dict[str, Any]) -> str:
    """The sum of the fees of the events after the free ones."""
    fee = f"toDecimal256(event, 0) * {_percent(fields['percent'])} + {_constant(fields['fixed_amount_per_event'])}"
    least, most = _constant(fields["minimum_per_event"]), _constant(fields["maximum_per_event"])
    paying = f"arraySlice(events, {int(fields['free_events']) + 1})"
    return f"arraySum(arrayMap(event -> greatest(least({fee}, {most}), {least}), {paying}))"


def _graduated(fields: dict[str, Any], quantity: str) -> str:
    """The sum over the tiers of what lies inside each, and the flat amounts of those entered."""
    terms = []
    low = "0"
    for place, tier in enumerate(fields["tiers"]):
        inside = quantity if tier["up_to"] is None else f"least({quantity}, {_constant(tier['up_to'], 0)})"
        usage = f"{_beyond(inside, low)} * {_unit(tier)}"
        if fields.get("rounding", {}).get("scope") == "tier":
            usage = f"round({usage}, 2)"
        terms.append(usage)
        flat = tier.get("flat_amount")
        if flat:
            terms.append(
                f"if({place} = 0 OR {quantity} > {_constant(low, 0)}, {_constant(flat)}, {_constant(0)})"
            )
        low = tier["up_to"]
    return " + ".join(terms)


def _beyond(quantity: str, free: str) -> str:
    return f"greatest({quantity} - {_constant(free, 0)}, {_constant(0, 0)})"


def _unit(tier: dict[str, Any]) -> str:
    return _percent(tier["percent"]) if "percent" in tier else _constant(tier.get("unit_amount"))


def _percent(percent: str) -> str:
    return _constant(str(Decimal(percent).scaleb(-2)))


def _first(conditions: Sequence[str], values: Sequence[str]) -> str:
    """The value of the first condition that holds; the last value if none does."""
    pairs = ", ".join(
        f"{condition}, {value}" for condition, value in zip(conditions, values[:-1], strict=True)
    )
    return f"multiIf({pairs}, {values[-1]})"


def _in_cell(fields: dict[str, Any], quantity: str) -> str:
    """What a matrix charges, by the codes of both dimensions."""
    cells = fields["cells"]
    sizes = len({cell["match"]["size"] for cell in cells})
    if not any("tiers" in cell for cell in cells):
        amounts = ", ".join(_constant(cell["unit_amount"]) for cell in cells)
        return f"{quantity} * [{amounts}][region * {sizes} + size + 1]"
    is_cell = [f"region * {sizes} + size = {place}" for place in range(len(cells) - 1)]
    return _first(is_cell, [_priced({"model": "per_unit", **cell}, quantity) for cell in cells])
