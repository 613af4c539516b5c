"""Prices of all plans by one name, and the names that a term's scope comes to."""

from collections.abc import Sequence

from engine.catalog.kinds.items.invoice_item import named_item


def price_name(plan_id: str, price_id: str) -> str:
    """One price among those of all plans; no price's id has a slash."""
    return f"{plan_id}/{price_id}"


def bare_name(name: str) -> str:
    """The price's own id."""
    return name.rsplit("/", 1)[1]


class PriceNames:
    """The prices of lines, by plan and by their own ids."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [(name, *name.rsplit("/", 1)) for name in names]

    def of(self, plans: Sequence[str], prices: Sequence[str]) -> tuple[str, ...]:
        """Those that a scope names; no plans or prices: all of them. No scope has an invoice item in it."""
        return tuple(
            name
            for name, plan, price in self._names
            if named_item(plan) is None and (not plans or plan in plans) and (not prices or price in prices)
        )

    @property
    def have_items(self) -> bool:
        """Whether some are of invoice items."""
        return any(named_item(plan) is not None for _, plan, _ in self._names)
