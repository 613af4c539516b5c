"""The digest of a set of events: what tells whether two answers are made from the same ones.

Rules:
1. An event's hash is of all that makes it the event that it is: customer, type, id, time and properties, as texts, each
   with its length before it, so that no two events have the same bytes. It is the first half of their SHA-256, a
   published function of bytes that are made here and not by a text format of ClickHouse: whoever has the events can
   compute it, with any version of anything.
2. The digest of a set is the sum of the hashes of its events modulo 2^128. Sums of disjoint sets add up to the sum of
   their union, in any order and however they are cut, which is all that partials need. So would the exclusive or, but
   there two equal hashes are none, and any 129 hashes have some among them that cancel: what is in a set twice, or
   wrongly in two, must not vanish.
3. It tells apart sets that differ by whatever goes wrong. It is not proof against somebody who makes events up until
   the sum fits.
4. Rows of the first form (engine.billing.meter_usage) have the exclusive or of hashes that left customer and type out,
   and where their events have expired that is all there is. The two are never mixed: an answer with such rows has the
   digest of those and, apart from it, that of all other events, "xor:" and "+" before them (`digest_text`).
5. An event whose personal data was erased (engine.erasure) has the hash that it had before: a property of it says which.
   So every digest that was ever told stays the digest of the same events. An amendment takes the property away
   (engine.usage.corrections.correction_queries): what it makes has a hash of its own.
"""

from dataclasses import dataclass

from engine.usage.store.tables.schema import spelled_sql

_BITS = 128
_TIME = "toString(toUnixTimestamp64Micro(event_time))"
_TEXTS = (
    f"arrayConcat([customer_id, toString(event_type), event_id, {_TIME}], "
    "mapKeys(properties), mapValues(properties))"
)
# Of an erased event: its hash before, the bytes in hexadecimal digits.
ERASED_EVENT_PROPERTY = "meterline:erased_event"
_ERASED = f"'{ERASED_EVENT_PROPERTY}'"
# Of an event in the log or in the place of one: UInt128. The bytes are read from the least significant on.
EVENT_HASH_SQL = (
    f"if(mapContains(properties, {_ERASED}), reinterpretAsUInt128(unhex(properties[{_ERASED}])), "
    f"reinterpretAsUInt128(substring(SHA256({spelled_sql(_TEXTS)}), 1, {_BITS // 8})))"
)


def summed_sql(hashes: str) -> str:
    """Their sum modulo 2^128. Of all sums of ClickHouse this one is said to stay of the type that it adds up."""
    return f"sumWithOverflow({hashes})"


@dataclass(frozen=True, slots=True)
class EventDigest:
    """`total` of events of today's form; of the `first_form_count` events of rows of the first form `first_form`."""

    total: int = 0
    first_form: int = 0
    first_form_count: int = 0

    def __add__(self, other: "EventDigest") -> "EventDigest":
        """Of both sets together."""
        return EventDigest(
            (self.total + other.total) % 2**_BITS,
            self.first_form ^ other.first_form,
            self.first_form_count + other.first_form_count,
        )

    def text(self, event_count: int) -> str:
        """Of so many events: 32 hexadecimal digits; where rows of the first form are among them "xor:" and theirs, and
        behind "+" those of the others, if there are any.
        """
        if not self.first_form_count:
            return f"{self.total:032x}"
        others = f"+{self.total:032x}" if event_count > self.first_form_count else ""
        return f"xor:{self.first_form:032x}{others}"
