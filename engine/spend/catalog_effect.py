"""What another catalog would change of what customers owe, for a dry run: rated by the one rating path, at one watermark.

Compared is what is due for the billing periods that contain an instant, by customer and currency.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from engine.billing.rater import Rater, Snapshot
from engine.billing.terms.history import History
from engine.catalog.snapshots.snapshot import Catalog
from engine.spend.spend import spend_of
from rating import EXACT

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class OwedChange:
    """What a customer (None: all) owes in a currency without the change and with it."""

    customer_id: str | None
    currency: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.after, self.before)


@dataclass(frozen=True, slots=True)
class CatalogEffect:
    """`changes`: the largest first, at most as many as were asked for of `change_count`. `totals`: of all customers that were
    compared, by currency. incomplete: some line has no amount, without or with the change.
    """

    changes: Sequence[OwedChange]
    change_count: int
    totals: Sequence[OwedChange]
    incomplete: bool


def catalog_effect(
    rater: Rater, snapshot: Snapshot, after: Catalog, customers: Collection[str] | None, shown_max: int
) -> CatalogEffect:
    """The effect of `after` in place of the snapshot's catalog. `customers`: only these; None for all."""
    first, first_incomplete = _owed(rater, snapshot, customers)
    second, second_incomplete = _owed(rater, replace(snapshot, catalog=after), customers)
    changes: list[OwedChange] = []
    totals: dict[str, tuple[Decimal, Decimal]] = {}
    for customer, currency in sorted({*first, *second}):
        before, now = first.get((customer, currency)), second.get((customer, currency))
        # Who owes nothing owes it with as many digits.
        before = _NOTHING.quantize(now or _NOTHING) if before is None else before
        now = _NOTHING.quantize(before) if now is None else now
        if before != now:
            changes.append(OwedChange(customer, currency, before, now))
        sums = totals.get(currency, (_NOTHING, _NOTHING))
        totals[currency] = (EXACT.add(sums[0], before), EXACT.add(sums[1], now))
    changes.sort(key=lambda each: -abs(each.difference))
    return CatalogEffect(
        changes[:shown_max],
        len(changes),
        [OwedChange(None, currency, *sums) for currency, sums in sorted(totals.items())],
        first_incomplete or second_incomplete,
    )


def _owed(
    rater: Rater, snapshot: Snapshot, customers: Collection[str] | None
) -> tuple[Mapping[tuple[str, str], Decimal], bool]:
    """(customer, currency) -> what is due; and whether anything has no amount."""
    found: dict[tuple[str, str], Decimal] = {}
    incomplete = False
    all_rated = (
        rater.rate_all(snapshot, digests=False)
        if customers is None
        else rater.rate_customers(snapshot, sorted(customers), digests=False)
    )
    for rated in all_rated:
        spends = spend_of(rated, History.of(rater, snapshot))
        for each in spends.by_amount(len(spends.row)):
            found[str(each.customer_id), each.currency] = each.settled.due
            incomplete |= each.incomplete
    return found, incomplete
