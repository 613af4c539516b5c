"""Partial aggregates: what a set of events is reduced to so that two sets can still be put together.

    events --reduced--> partials --merged--> partials --finished (engine.usage.facts.aggregations)--> quantity

Rules:
1. Partials of disjoint sets of events merge to the partials of their union, exactly, in any order: sums, minima,
   maxima, unions, and digests (engine.usage.store.tables.event_digest). So it makes no difference which part of an
   answer comes from rollups and which from events (engine.usage.rollups.read).
2. A value is the mantissa of a decimal with 12 fractional digits, |mantissa| < 10^38 (ingest.QUANTITY_PATTERN).
   An event without the value, or with one that is none, takes no part in the quantity, and is counted.
3. Nothing wraps but digests, which are sums modulo 2^128. There are < 2 * 10^19 events (UInt64), an instant is
   < 10^16 us: |total| < 2 * 10^57 and |moment| < 2 * 10^73 < 2^255, the bound of Int256.
4. Values that differ as text are told apart by a hash of 128 bits of it, as ClickHouse's uniqExact does.
5. Of the newest events the one with the greatest event_id is the newest, in byte order; of one id used twice at
   one time the one that was ingested first, then the one with the greater content hash.
6. Rows of the first form have another digest, which stays apart, with the number of their events. Only the read of an
   answer with such rows has these two partials.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.usage.store.tables.event_digest import summed_sql

# The columns that an event is read as, for `reduced` (engine.usage.facts.event_source).
VALUE, VALUE_GIVEN, VALUE_TEXT, EVENT_HASH = "value", "value_given", "value_text", "event_hash"
VALUE_DIGITS = 12
# What stands before the name of a partial that is to be merged: ClickHouse would take a result's name for its own
# argument. Partials in a table of this name, and others as their statement names them.
PART = "part"
_OF_PART = f"{PART}."
MANTISSA = f"ifNull(reinterpret({VALUE}, 'Int256'), 0)"
NEWEST_TYPE = "Tuple(DateTime64(6, 'UTC'), String, Int64, UInt32)"
_NEWNESS = "(event_time, event_id, -toUnixTimestamp64Micro(ingested_at), content_hash)"
_READABLE = f"isNotNull({VALUE})"


@dataclass(frozen=True, slots=True)
class Partial:
    """One column: its type, how events reduce to it, how two of it merge ({0} stands before the names of partials)."""

    name: str
    type: str
    reduced: str
    merged: str


def _summed(name: str, kind: str, reduced: str) -> Partial:
    return Partial(name, kind, reduced, f"sum({{0}}{name})")


EVENT_COUNT = _summed("event_count", "UInt64", "count()")
EVENT_DIGEST = Partial("event_digest", "UInt128", summed_sql(EVENT_HASH), summed_sql("{0}event_digest"))
UNREADABLE_COUNT = _summed("unreadable_count", "UInt64", f"countIf({VALUE_GIVEN} AND NOT {_READABLE})")
MISSING_COUNT = _summed("missing_count", "UInt64", f"countIf(NOT {VALUE_GIVEN})")
VALUE_COUNT = _summed("value_count", "UInt64", f"countIf({_READABLE})")
TOTAL = _summed("total", "Int256", f"sum({MANTISSA})")
MOMENT = _summed("moment", "Int256", f"sum({MANTISSA} * toInt256(toUnixTimestamp64Micro(event_time)))")
LOWEST = Partial("lowest", "Nullable(Decimal(76, 12))", f"min({VALUE})", "min({0}lowest)")
HIGHEST = Partial("highest", "Nullable(Decimal(76, 12))", f"max({VALUE})", "max({0}highest)")
NEWEST = Partial("newest", NEWEST_TYPE, f"maxIf({_NEWNESS}, {_READABLE})", "max({0}newest)")
NEWEST_VALUE = Partial(
    "newest_value",
    "Nullable(Decimal(76, 12))",
    f"argMax({VALUE}, {_NEWNESS})",
    # An event that has no value is passed over, here and there.
    "argMax({0}newest_value, {0}newest)",
)
DISTINCT = Partial(
    "distinct_hashes",
    "Array(UInt128)",
    f"groupUniqArrayIf(reinterpretAsUInt128(sipHash128({VALUE_TEXT})), {VALUE_GIVEN})",
    "groupUniqArrayArray({0}distinct_hashes)",
)
# 16 bytes a value, which hold its 38 digits.
VALUES = Partial(
    "value_list",
    "Array(Decimal(38, 12))",
    f"groupArrayIf(toDecimal128(assumeNotNull({VALUE}), 12), {_READABLE})",
    "groupArrayArray({0}value_list)",
)

# What an answer has besides that rows of the first form belong to: rule 6.
_NO_DIGEST = "toUInt128(0)"
FIRST_FORM_COUNT = _summed("first_form_count", "UInt64", "toUInt64(0)")
FIRST_FORM_DIGEST = Partial("first_form_digest", "UInt128", _NO_DIGEST, "groupBitXor({0}first_form_digest)")
_OF_FIRST_FORM = (FIRST_FORM_COUNT, FIRST_FORM_DIGEST)
# What every aggregation keeps, then what each needs besides.
_ALWAYS = (EVENT_COUNT, EVENT_DIGEST)
_OF: Mapping[str, tuple[Partial, ...]] = {
    "count": (),
    "sum": (UNREADABLE_COUNT, MISSING_COUNT, TOTAL),
    "min": (UNREADABLE_COUNT, MISSING_COUNT, LOWEST),
    "max": (UNREADABLE_COUNT, MISSING_COUNT, HIGHEST),
    "avg": (UNREADABLE_COUNT, MISSING_COUNT, TOTAL, VALUE_COUNT),
    "latest": (UNREADABLE_COUNT, MISSING_COUNT, NEWEST, NEWEST_VALUE),
    "unique_count": (MISSING_COUNT, DISTINCT),
    "time_weighted": (UNREADABLE_COUNT, MISSING_COUNT, TOTAL, MOMENT),
    "percentile": (UNREADABLE_COUNT, MISSING_COUNT, VALUES),
}
SUPPORTED_AGGREGATIONS = frozenset(_OF)
# Each once: the columns of a table that keeps the partials of any aggregation.
ALL_PARTIALS = tuple(dict.fromkeys((*_ALWAYS, *(each for of_one in _OF.values() for each in of_one))))


def partials_of(aggregation: str) -> tuple[Partial, ...]:
    """The columns that this aggregation is kept in."""
    return (*_ALWAYS, *_OF[aggregation])


def reduced_sql(aggregation: str) -> dict[str, str]:
    """From events to partials: name -> expression."""
    return {each.name: each.reduced for each in partials_of(aggregation)}


def merged_sql(aggregation: str, before_name: str = _OF_PART, *, first_form: bool = False) -> dict[str, str]:
    """From partials to partials: name -> expression. The names of those that are merged begin with `before_name`.

    first_form: also those of an answer with rows of the first form (rule 6).
    """
    partials = (*partials_of(aggregation), *(_OF_FIRST_FORM if first_form else ()))
    return {each.name: each.merged.format(before_name) for each in partials}


def without_first_form(partials: Mapping[str, str]) -> dict[str, str]:
    """Partials of today's form, beside rows of the first form."""
    return {**partials, **{each.name: each.reduced for each in _OF_FIRST_FORM}}


def first_form_sql(aggregation: str, before_name: str) -> dict[str, str]:
    """From partials of the first form to partials beside today's: what is another digest there is a column here."""
    digest = {
        EVENT_DIGEST.name: _NO_DIGEST,
        FIRST_FORM_COUNT.name: EVENT_COUNT.merged.format(before_name),
        FIRST_FORM_DIGEST.name: f"groupBitXor({before_name}{EVENT_DIGEST.name})",
    }
    return merged_sql(aggregation, before_name) | digest


@dataclass(frozen=True, slots=True)
class Reduction:
    """A statement whose rows have a group's keys, the start of a window and partials, each group and window once.

    In its pieces, so that what is made of its rows needs no statement around it: ClickHouse takes a millisecond and
    more to plan each one.

    windows: the names of the keys and of the window's start, by which it groups; `columns`: the expressions that
        have these names.
    partials: name -> expression.
    source: what stands behind FROM.
    """

    windows: Sequence[str]
    columns: Sequence[str]
    partials: Mapping[str, str]
    source: str

    def sql(self) -> str:
        """The statement."""
        return self._selecting((*self.columns, *named(self.partials)))

    def finishing_sql(self, columns: Sequence[str]) -> str:
        """The statement with these columns behind the keys: names of partials, or expressions of them."""
        shown = [f"{self.partials[each]} AS {each}" if each in self.partials else each for each in columns]
        made = [each for each in columns if each not in self.partials]
        needed = {
            name: sql
            for name, sql in self.partials.items()
            if name not in columns and any(name in each for each in made)
        }
        before = f"WITH {', '.join(named(needed))} " if needed else ""
        return before + self._selecting((*self.columns, *shown))

    def _selecting(self, columns: Sequence[str]) -> str:
        return f"SELECT {', '.join(columns)} FROM {self.source} GROUP BY {', '.join(self.windows)}"  # noqa: S608 - own names


def named(expressions: Mapping[str, str]) -> Iterable[str]:
    """Select expressions with their names."""
    return (f"{sql} AS {name}" for name, sql in expressions.items())
