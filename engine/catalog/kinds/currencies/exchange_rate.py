"""Exchange rates: in what another currency sums are reported. They change nothing that anybody owes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.coupon import INSTANT
from engine.catalog.kinds.resource import Resource
from fields import DecimalNumber, Problem, rule
from rating import CurrencyCode


@dataclass(frozen=True, kw_only=True)
class ExchangeRate(
    Resource,
    section="exchange_rates",
    count_max=limits.EXCHANGE_RATES_MAX,
    called="exchange_rate",
    id_of=("from_currency", "to_currency", "effective_from"),
):
    """One unit of `from_currency` is `rate` of `to_currency`, from `effective_from` on until the next one of the pair."""

    from_currency: Annotated[str, CurrencyCode()]
    to_currency: Annotated[str, CurrencyCode()]
    rate: Annotated[Decimal, DecimalNumber(positive=True)]
    effective_from: Annotated[datetime, INSTANT]

    @rule("from_currency", "to_currency")
    def _is_between_two_currencies(self) -> Iterator[Problem]:
        if self.from_currency == self.to_currency:
            yield Problem(("to_currency",), "must be another currency than from_currency")
