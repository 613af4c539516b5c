"""Credit grants: money that customers were given or have paid ahead, and what it may pay for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

import numpy as np

from fields import Count, Instant, Problem, Record, Text, rule
from rating.numbers.currency import Code, NotNegative, PriceIds, minor_unit_digits, whole_minor_units
from rating.numbers.decimals import DecimalColumn, scaled_int
from rating.settlement.invoice_lines import NONE, Flags, Ids, check_columns, check_ids, check_minor, codes_of

NEVER_US = 2**63 - 1
"""`expires_us` of a grant that doesn't expire."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GrantCategory(StrEnum):
    """Where the credit comes from."""

    PAID = "paid"
    """Paid ahead by the customer."""
    PROMOTIONAL = "promotional"
    """Given away; used before paid credit of the same priority and expiry."""


@dataclass(frozen=True, kw_only=True)
class CreditGrant(Record):
    """One grant. It is valid from `effective_at` up to, not including, `expires_at`.

    Attributes:
        grant_id: names the grant in the trace of consumptions.
        currency: ISO 4217; the grant pays only for lines in it.
        amount: in units of the currency, in whole minor units.
        effective_at, created_at: instants with an offset.
        expires_at: as those, later than `effective_at`; None (default): never.
        priority: 0..255, the lower is used first; default 50.
        category: default paid.
        price_ids: the prices whose lines it pays for; None (default): every line.

    Raises:
        FieldsError: with every problem of the values.
    """

    grant_id: Annotated[str, Text()]
    currency: Code
    amount: NotNegative
    effective_at: Annotated[datetime, Instant()]
    created_at: Annotated[datetime, Instant()]
    expires_at: Annotated[datetime | None, Instant()] = None
    priority: Annotated[int, Count(255)] = 50
    category: GrantCategory = GrantCategory.PAID
    price_ids: PriceIds | None = None

    @rule("amount", "currency")
    def _is_whole_minor_units(self) -> Iterator[Problem]:
        yield from whole_minor_units("amount", self.amount, self.currency)

    @rule("effective_at", "expires_at")
    def _expires_after_it_begins(self) -> Iterator[Problem]:
        if self.expires_at is not None and self.expires_at <= self.effective_at:
            yield Problem(
                ("expires_at",), f"must be later than effective_at ({self.effective_at.isoformat()})"
            )

    @property
    def amount_minor(self) -> int:
        return scaled_int(self.amount, minor_unit_digits(self.currency))

    @property
    def is_promotional(self) -> bool:
        return self.category is GrantCategory.PROMOTIONAL

    @property
    def effective_us(self) -> int:
        return micros(self.effective_at)

    @property
    def created_us(self) -> int:
        return micros(self.created_at)

    @property
    def expires_us(self) -> int | None:
        return None if self.expires_at is None else micros(self.expires_at)


def micros(instant: datetime) -> int:
    """µs since 1970 UTC, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class CreditGrants:
    """K credit grants as columns.

    Attributes:
        customer: int64[K] ids as in the lines; `currency`: index into `currencies`.
        priority: int64[K], lower first. promotional: bool[K].
        effective_us, expires_us, created_us: int64[K], µs since 1970 UTC; NEVER_US: doesn't expire.
        balance_minor: what is left of each, K amounts of 0 or more at scale 0.
        scopes: the distinct scopes as tuples of price ids; `scope`: index into it, or -1 for all prices.
    """

    customer: Ids
    currencies: tuple[str, ...]
    currency: Ids
    priority: Ids
    promotional: Flags
    effective_us: Ids
    expires_us: Ids
    created_us: Ids
    balance_minor: DecimalColumn
    scopes: tuple[tuple[str, ...], ...]
    scope: Ids

    def __post_init__(self) -> None:
        check_columns(self, len(self))
        check_minor(self.balance_minor, "balance_minor")
        check_ids("customer", self.customer, 0)
        check_ids("currency", self.currency, 0, len(self.currencies) - 1)
        check_ids("scope", self.scope, NONE, len(self.scopes) - 1)
        if len(self) and self.balance_minor.mantissa.min() < 0:
            row = int(np.argmax(self.balance_minor.mantissa < 0))
            raise ValueError(
                f"balance_minor must not be negative, row {row} has {self.balance_minor.mantissa[row]}"
            )

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def of(
        cls,
        grants: Sequence[CreditGrant],
        customer: Sequence[int] | Ids,
        balance_minor: Sequence[int] | None = None,
    ) -> Self:
        """Columns of the given grants and their customers; the balances are their whole amounts unless given."""
        currencies = codes_of(grant.currency for grant in grants)
        scopes = codes_of(grant.price_ids for grant in grants if grant.price_ids is not None)
        balances = [grant.amount_minor for grant in grants] if balance_minor is None else balance_minor

        def ids(values: Iterator[int]) -> Ids:
            return np.fromiter(values, dtype=np.int64, count=len(grants))

        return cls(
            customer=np.asarray(customer, dtype=np.int64),
            currencies=tuple(currencies),
            currency=ids(currencies[grant.currency] for grant in grants),
            priority=ids(grant.priority for grant in grants),
            promotional=np.array([grant.is_promotional for grant in grants], dtype=np.bool_),
            effective_us=ids(grant.effective_us for grant in grants),
            expires_us=ids(NEVER_US if g.expires_us is None else g.expires_us for g in grants),
            created_us=ids(grant.created_us for grant in grants),
            balance_minor=DecimalColumn.of_ints(balances),
            scopes=tuple(scopes),
            scope=ids(NONE if g.price_ids is None else scopes[g.price_ids] for g in grants),
        )
