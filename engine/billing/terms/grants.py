"""Which credit grants customers have, and since when they may have been drawn on. Pure.

Rules:
1. A grant that recurs is one grant each time: the n-th begins n times so many months after effective_at, on the same day or the
   month's last, and lasts for `lasts_months`, or until the next.
2. What is left of a grant follows from all that drew on it. So a customer's invoices are settled from the start of its oldest
   grant on that is still valid, or of one that was valid at the same time as such a one, and so on.
"""

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.periods import Instants
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.price_names import PriceNames
from engine.catalog.kinds.credit_grant import CustomerCredit
from engine.catalog.snapshots.snapshot import Catalog
from engine.times import datetime_us, us_datetime
from rating import CreditGrants, DecimalColumn, GrantCategory, minor_unit_digits

NEVER_US = 2**63 - 1


@dataclass(frozen=True, eq=False, slots=True)
class Granted:
    """m grants of some customers; `customer`: int64[m], their numbers, rising."""

    customer: Index
    grants: Sequence[CustomerCredit]

    def __len__(self) -> int:
        return len(self.grants)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A grant, or one time of a grant that recurs, over [effective_us, expires_us)."""

    customer: int
    grant: CustomerCredit
    effective_us: int
    expires_us: int


def granted(catalog: Catalog, customers: CustomerNumbers) -> Granted:
    """The grants of these customers."""
    known = catalog.credit_grants_of
    ids = catalog.subscription_columns.customer_id.take(pa.array(customers.first_row))
    who = list(known)
    number = pc.fill_null(pc.index_in(pa.array(who, pa.string()), value_set=ids), -1).to_numpy()
    found = sorted((int(number[place]), who[place]) for place in np.flatnonzero(number >= 0).tolist())
    counts = [len(known[each]) for _, each in found]
    return Granted(
        np.repeat(np.array([each for each, _ in found], dtype=np.int64), counts),
        [grant for _, each in found for grant in known[each]],
    )


def occurrences(found: Granted, first_us: Instants, last_us: Instants) -> tuple[list[Occurrence], Instants]:
    """What the customers' grants are between the instants of their invoices, by customer number; and from which instant on each
    customer's earlier invoices drew on them (rule 2), NEVER_US for one without grants.
    """
    since_us = np.full(len(first_us), NEVER_US, dtype=np.int64)
    all_of_them: list[Occurrence] = []
    if not len(found):
        return all_of_them, since_us
    starts = np.flatnonzero(np.r_[True, found.customer[1:] != found.customer[:-1]][: len(found)])
    for begin, end in zip(starts.tolist(), [*starts.tolist()[1:], len(found)], strict=True):
        customer = int(found.customer[begin])
        own = found.grants[begin:end]
        since = _since(own, int(first_us[customer]))
        since_us[customer] = since
        for grant in own:
            for effective_us, expires_us in _times(grant, since):
                if effective_us > last_us[customer]:
                    break
                all_of_them.append(Occurrence(customer, grant, effective_us, expires_us))
    return all_of_them, since_us


def credit_columns(found: Sequence[Occurrence], names: PriceNames) -> CreditGrants:
    """As rating takes them."""
    currencies: dict[str, int] = {}
    scopes: dict[tuple[str, ...], int] = {}
    amounts, currency, scope = [], [], []
    for each in found:
        grant = each.grant
        currency.append(currencies.setdefault(grant.currency, len(currencies)))
        amounts.append(int(grant.amount.scaleb(minor_unit_digits(grant.currency))))
        has_scope = bool(grant.plans or grant.prices)
        own = names.of(grant.plans, grant.prices) if has_scope else ()
        scope.append(scopes.setdefault(own, len(scopes)) if has_scope else -1)
    effective_us = _integers([each.effective_us for each in found])
    return CreditGrants(
        customer=_integers([each.customer for each in found]),
        currencies=tuple(currencies),
        currency=_integers(currency),
        priority=_integers([each.grant.priority for each in found]),
        promotional=np.array(
            [each.grant.category is GrantCategory.PROMOTIONAL for each in found], dtype=np.bool_
        ),
        effective_us=effective_us,
        expires_us=_integers([each.expires_us for each in found]),
        created_us=effective_us,
        balance_minor=DecimalColumn.of_ints(amounts),
        scopes=tuple(scopes),
        scope=_integers(scope),
    )


def _integers(values: Sequence[int]) -> Index:
    return np.array(values, dtype=np.int64)


def _since(grants: Sequence[CustomerCredit], at_us: int) -> int:
    since, before = at_us, at_us + 1
    while since < before:
        before = since
        for grant in grants:
            effective_us, _ = next(_times(grant, since), (since, 0))
            since = min(since, effective_us)
    return since


def _times(grant: CustomerCredit, since_us: int) -> Iterator[tuple[int, int]]:
    """When it begins and expires, each time that it hasn't expired by this instant, in order (rule 1)."""
    if grant.recurs_months is None:
        expires_us = NEVER_US if grant.expires_at is None else datetime_us(grant.expires_at)
        if expires_us > since_us:
            yield datetime_us(grant.effective_at), expires_us
        return
    every, lasts = grant.recurs_months, grant.lasts_months or grant.recurs_months
    since = us_datetime(since_us)
    months = (since.year - grant.effective_at.year) * 12 + since.month - grant.effective_at.month
    number = max(0, (months - lasts) // every - 1)
    while True:
        effective, expires = (months_later(grant.effective_at, number * every + more) for more in (0, lasts))
        if effective is None or (grant.expires_at is not None and effective >= grant.expires_at):
            return
        expires_us = NEVER_US if expires is None else datetime_us(expires)
        if expires_us > since_us:
            yield datetime_us(effective), expires_us
        number += 1


def months_later(at: datetime, months: int) -> datetime | None:
    """So many months later, on the month's last day where it has no such day; None behind the calendar."""
    year, month0 = divmod(at.year * 12 + at.month - 1 + months, 12)
    if year > 9999:
        return None
    return at.replace(year=year, month=month0 + 1, day=min(at.day, calendar.monthrange(year, month0 + 1)[1]))
