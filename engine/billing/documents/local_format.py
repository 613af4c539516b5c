"""Numbers, amounts and dates as a language and a country write them. Pure.

Rules:
1. No digit is lost: a number is shown with all the digits that it has, an amount of money with at least those of its currency, which
   are ISO 4217's.
2. A date is that of the wall clock of a zone. A period that ends at midnight is shown with its last day.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import MAX_PREC, Decimal, localcontext
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_interval
from babel.numbers import NumberPattern, parse_pattern

from engine.billing.documents.document_parts import Span, plain
from engine.errors import FieldMistake, InvalidRequestError
from engine.time_zones import time_zone
from engine.times import us_datetime

_LETTER_COUNTRIES: Final = frozenset({"US", "CA", "MX", "CL", "CO", "PH"})
_NAME_CHARACTERS_MAX: Final = 32
_ONE_DAY: Final = timedelta(days=1)


class LocalFormat:
    """Of one locale and currency."""

    def __init__(self, locale: Locale, digits: int) -> None:
        """`digits`: of the currency's minor unit."""
        self._locale = locale
        self._digits = digits

    @property
    def paper(self) -> str:
        """What typst calls it."""
        return "us-letter" if self._locale.territory in _LETTER_COUNTRIES else "a4"

    @property
    def language_tag(self) -> str:
        """As HTML and PDF name it: "de"."""
        return str(self._locale.language)

    def number(self, value: Decimal) -> str:
        """All its digits, without needless zeros."""
        return self._decimal(value, _fraction_digits(value))

    def money(self, value: Decimal) -> str:
        """Without its currency; all its digits, at least the currency's."""
        return self._decimal(value, max(self._digits, _fraction_digits(value)))

    def priced(self, value: Decimal, currency: str) -> str:
        """As `money`, with its currency's sign or code."""
        pattern = self._locale.currency_formats["standard"]
        return self._applied(pattern, value, max(self._digits, _fraction_digits(value)), currency)

    def day(self, instant_us: int, zone: str = "UTC") -> str:
        """As "31 January 2026"."""
        return self._date(us_datetime(instant_us).astimezone(time_zone(zone)).date())

    def short_day(self, instant_us: int, zone: str = "UTC") -> str:
        """As "31 Jan 2026"."""
        return format_date(us_datetime(instant_us).astimezone(time_zone(zone)).date(), locale=self._locale)

    def instant(self, instant_us: int, zone: str = "UTC") -> str:
        """A day with its time, to the second."""
        return self._time(us_datetime(instant_us).astimezone(time_zone(zone)))

    def period(self, span: Span, zone: str) -> str:
        """From its first day to its last, or with times where it doesn't begin and end at midnight."""
        clock = time_zone(zone)
        start, end = (us_datetime(each).astimezone(clock) for each in (span.start_us, span.end_us))
        if _is_midnight(start) and _is_midnight(end):
            first, last = start.date(), end.date() - _ONE_DAY
            return self._date(first) if first >= last else self._days(first, last)
        return f"{self._time(start)} – {self._time(end)}"

    def country(self, code: str) -> str:
        """Its name, or the code itself."""
        return str(self._locale.territories.get(code, code))

    def _days(self, first: date, last: date) -> str:
        """As "1.–31. Jan. 2026"."""
        return str(format_interval(first, last, "yMMMd", locale=self._locale))

    def _date(self, day: date) -> str:
        return format_date(day, "long", locale=self._locale)

    def _time(self, at: datetime) -> str:
        return format_datetime(at.astimezone(UTC), "medium", tzinfo=at.tzinfo, locale=self._locale)

    def _decimal(self, value: Decimal, digits: int) -> str:
        return self._applied(self._locale.decimal_formats[None], value, digits, None)

    def _applied(self, pattern: NumberPattern, value: Decimal, digits: int, currency: str | None) -> str:
        own = parse_pattern(pattern.pattern)
        own.frac_prec = (digits, digits)
        # Whatever the size, nothing is rounded.
        with localcontext(prec=MAX_PREC):
            return str(own.apply(value, self._locale, currency=currency, currency_digits=False))


def asked_locale(name: str) -> Locale:
    """The locale that a request names: "de", "de-AT", "pt_BR".

    Raises:
        InvalidRequestError: there is no such locale.
    """
    try:
        return Locale.parse(name.replace("-", "_")[:_NAME_CHARACTERS_MAX])
    except (ValueError, TypeError, UnknownLocaleError):
        shown = name[:_NAME_CHARACTERS_MAX]
        raise InvalidRequestError(
            FieldMistake("locale", f"{shown!r} is no locale such as en, de or de-AT")
        ) from None


def _fraction_digits(value: Decimal) -> int:
    return len(plain(value).partition(".")[2])


def _is_midnight(at: datetime) -> bool:
    return (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0)
