"""Whose spend changed most since a month ago, and how much came and went.

Rules:
1. Two answers of ListSpend at one watermark and catalog revision: of the billing periods that contain a day, and of those that contain
   the same day of the month before. Differences and their sums are exact.
2. Each answer has at most _CUSTOMERS_MAX customers of a currency. Where one is full, whoever is in the other alone is left out, and what came
   and went is not added up.
3. Both rate all customers, which takes seconds where there are many: it is a page of its own.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import MAX_PREC, Decimal, localcontext
from typing import Final

from engine.api.pages.operator.look import Look, Row, customer_address
from engine.api.pages.operator.sections import TableCell, section
from engine.api.pages.operator.top_spend import at_of
from engine.times import datetime_us, to_timestamp, us_datetime
from meterline.v1.spend_pb2 import ListSpendRequest, ListSpendResponse, Spend

_CUSTOMERS_MAX: Final = 1_000
_SHOWN_MAX: Final = 10
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class SpendMove:
    """What a customer spends in a currency, before and now."""

    customer_id: str
    currency: str
    before: Decimal
    now: Decimal

    @property
    def difference(self) -> Decimal:
        with localcontext(prec=MAX_PREC):
            return self.now - self.before


@dataclass(frozen=True, slots=True)
class Moves:
    """Of one currency. is_whole: whether all its customers are in it."""

    currency: str
    moves: tuple[SpendMove, ...]
    is_whole: bool

    def sums(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Of who is new, spends more, spends less, and is gone: the differences."""
        new, more, less, gone = _ZERO, _ZERO, _ZERO, _ZERO
        with localcontext(prec=MAX_PREC):
            for each in self.moves:
                if not each.before:
                    new += each.difference
                elif not each.now:
                    gone += each.difference
                elif each.difference > 0:
                    more += each.difference
                else:
                    less += each.difference
        return new, more, less, gone


async def read_movers(look: Look) -> Row:
    """What the template shows. Raises Refusal, and InvalidRequestError for a date that is none."""
    day = at_of(look) or to_timestamp(look.now_us)
    earlier = month_before(us_datetime(day.ToMicroseconds()))
    now = await look.ask(
        "SpendService.ListSpend", ListSpendRequest(at=day, limit=_CUSTOMERS_MAX), ListSpendResponse
    )
    asked = ListSpendRequest(
        at=to_timestamp(datetime_us(earlier)),
        limit=_CUSTOMERS_MAX,
        as_of=now.as_of,
        catalog_revision=now.catalog_revision,
    )
    before = await look.ask("SpendService.ListSpend", asked, ListSpendResponse)
    found = list(moves_of(before.spends, now.spends, _CUSTOMERS_MAX))
    return {
        "at": look.given("at"),
        "as_of": look.instant(now.as_of),
        "earlier": look.words.plain.day(datetime_us(earlier)),
        "sums": _sums(found, look),
        "up": _movers(found, "up", "Who spends more", look),
        "down": _movers(found, "down", "Who spends less", look),
    }


def month_before(day: datetime) -> datetime:
    """The same day of the month before, or its last one."""
    year, month = (day.year, day.month - 1) if day.month > 1 else (day.year - 1, 12)
    return day.replace(year=year, month=month, day=min(day.day, monthrange(year, month)[1]))


def moves_of(before: Iterable[Spend], now: Iterable[Spend], customers_max: int) -> Iterator[Moves]:
    """By currency, in alphabetical order."""
    earlier, later = _by_currency(before), _by_currency(now)
    for currency in sorted(earlier | later):
        old, new = earlier.get(currency, {}), later.get(currency, {})
        is_old_full, is_new_full = len(old) >= customers_max, len(new) >= customers_max
        # Who is not in a list that is not full spends nothing.
        known = [
            each
            for each in old | new
            if (each in old or not is_old_full) and (each in new or not is_new_full)
        ]
        yield Moves(
            currency,
            tuple(SpendMove(each, currency, old.get(each, _ZERO), new.get(each, _ZERO)) for each in known),
            not is_old_full and not is_new_full,
        )


def _by_currency(spends: Iterable[Spend]) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for each in spends:
        found.setdefault(each.currency, {})[each.customer_id] = Decimal(each.amount)
    return found


def _sums(found: list[Moves], look: Look) -> Row:
    lines = [
        (each.currency, *(_money(one, each.currency, look) for one in each.sums()))
        for each in found
        if each.is_whole
    ]
    left_out = ", ".join(each.currency for each in found if not each.is_whole)
    note = f"Not added up, of {_CUSTOMERS_MAX:,} customers or more: {left_out}." if left_out else ""
    columns = ("Currency", "#New", "#More", "#Less", "#Gone")
    empty = note or "Nothing is billed in these periods."
    return section("came-and-went", "What came and went", columns, lines, empty=empty, note=note)


def _movers(found: list[Moves], name: str, title: str, look: Look) -> Row:
    """The first ones of each currency, the largest difference in front."""
    sign = 1 if name == "up" else -1
    lines = []
    for each in found:
        some = [one for one in each.moves if one.difference * sign > 0]
        some.sort(key=lambda one: (-abs(one.difference), one.customer_id))
        lines += [
            (
                TableCell(one.customer_id, customer_address(one.customer_id)),
                _money(one.before, one.currency, look),
                _money(one.now, one.currency, look),
                _money(one.difference, one.currency, look),
            )
            for one in some[:_SHOWN_MAX]
        ]
    columns = ("Customer", "#Before", "#Now", "#Difference")
    return section(name, title, columns, lines, empty="Nobody does.")


def _money(amount: Decimal, currency: str, look: Look) -> str:
    return look.words.money(format(amount, "f"), currency)
