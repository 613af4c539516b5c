"""What a simulation comes to, by customer, plan and price: columns, summed up page by page. Exact."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any, Final, NamedTuple

import pyarrow as pa

from engine.decimal_texts import exact_sums
from rating import EXACT, minor_unit_digits

AMOUNTS: Final = ("amount", "discount", "credit", "included_tax", "tax", "due")
SIDES: Final = ("before", "after")
_COLUMNS: Final = [f"{name}_{side}" for name in AMOUNTS for side in SIDES]
KEYS: Final = {
    "customer": ["customer_id", "currency"],
    "plan": ["plan_id", "currency"],
    "price": ["plan_id", "price_id", "kind", "currency"],
    "total": ["currency"],
}
"""By what sums are asked for, and their keys."""


class Change(NamedTuple):
    """A sum without the change and with it."""

    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.after, self.before)

    @property
    def percent(self) -> Decimal | None:
        """Of before, to a tenth, half away from zero; None where there was nothing."""
        if not self.before:
            return None
        with localcontext(Context(prec=80, rounding=ROUND_HALF_UP)):
            return (self.difference * 100 / abs(self.before)).quantize(Decimal("0.1"))


class Sum(NamedTuple):
    """One row of sums: its keys, of which the last is the currency, and what changes."""

    keys: tuple[str, ...]
    currency: str
    amount: Change
    due: Change


@dataclass(slots=True)
class SimulatedSums:
    """The sums of all pages that were added. Of a customer all rows are in one of them."""

    _customers: list[Any] = field(default_factory=list)
    _prices: list[Any] = field(default_factory=list)

    def add(self, rows: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
        """A page's rows, as of SimulateCatalogResponse.arrow."""
        self._customers.append(exact_sums(rows, KEYS["customer"], _COLUMNS))
        self._prices.append(exact_sums(rows, KEYS["price"], _COLUMNS))

    def table(self, by: str) -> Any:  # noqa: ANN401 - as above
        """The sums by one of KEYS, with the differences of amount and due, by the keys."""
        parts = self._customers if by == "customer" else self._prices
        found = exact_sums(pa.concat_tables(parts), KEYS[by], _COLUMNS)
        return with_differences(found).sort_by([(name, "ascending") for name in KEYS[by]])

    def rows(self, by: str) -> list[Sum]:
        """As `table`, for people."""
        return list(_sums(self.table(by), KEYS[by]))

    def most_changed(self, count: int, *, more: bool) -> tuple[list[Sum], int]:
        """The customers who owe more, or less, the largest differences first, by currency; and how many there are."""
        table = self.table("customer")
        difference = table["due_difference"].to_numpy(zero_copy_only=False)
        changed = table.filter(pa.array([bool(each > 0) if more else bool(each < 0) for each in difference]))
        order = [("currency", "ascending"), ("due_difference", "descending" if more else "ascending")]
        found: list[Sum] = []
        ordered = changed.sort_by([*order, ("customer_id", "ascending")])
        currencies = ordered["currency"].to_pylist()
        for currency in sorted(set(currencies)):
            first = currencies.index(currency)
            own = ordered.slice(first, min(count, currencies.count(currency)))
            found += _sums(own, KEYS["customer"])
        return found, len(changed)

    @property
    def customer_count(self) -> int:
        return len(set(self.table("customer")["customer_id"].to_pylist()))


def with_differences(table: Any) -> Any:  # noqa: ANN401 - as above
    """With amount_difference and due_difference behind the other columns."""
    import pyarrow.compute as pc  # noqa: PLC0415 - it takes long to load

    for name in ("amount", "due"):
        wide = [table[f"{name}_{side}"].cast(pa.decimal256(70, 4)) for side in ("after", "before")]
        table = table.append_column(f"{name}_difference", pc.subtract(*wide).cast(pa.decimal128(38, 4)))
    return table


def _sums(table: Any, keys: Sequence[str]) -> Iterator[Sum]:  # noqa: ANN401 - as above
    for row in table.to_pylist():
        changes = {}
        for name in ("amount", "due"):
            sides = (in_currency(row[f"{name}_{side}"], row["currency"]) for side in SIDES)
            changes[name] = Change(*sides)
        yield Sum(tuple(row[key] for key in keys), row["currency"], changes["amount"], changes["due"])


def in_currency(value: Decimal, currency: str) -> Decimal:
    """With the digits of its currency, which is exact."""
    return value.quantize(Decimal(1).scaleb(-minor_unit_digits(currency)), context=EXACT)
