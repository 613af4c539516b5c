"""How far back a reader must look out for usage that has expired: remembered for some seconds.

Rules:
1. Where nothing has expired an answer costs no query beyond the one that is remembered.
2. An answer stands if it was complete within ANSWER_NS of the moment that its knowledge was read; a later one stands if
   the knowledge, read anew, is still the same. Events are deleted WAIT_S after their expiry was recorded at the
   earliest, and WAIT_S is more than twice ANSWER_NS: no answer that stands was read from a log that had lost events
   unknown to it.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.recent_answers import RecentAnswers
from engine.usage.facts.usage_request import Measure
from engine.usage.store.query import Query, number
from engine.usage.store.tables.retention_schema import EXPIRED_KEYS_TABLE
from engine.usage.store.usage_store import UsageStore

_AGE_MAX_NS = 2_000_000_000
ANSWER_NS = 4_000_000_000
WAIT_S = 10
_TENANTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ExpiredKey:
    """Of what a key aggregates everything in [rows_from_us, before_us) is in rollups by hours."""

    event_type: str
    rows_from_us: int
    before_us: int
    recorded_at_us: int


@dataclass(frozen=True, slots=True)
class Expiry:
    """What has expired of a tenant: by event type before which instant at most, and the keys that keep it.
    `read_ns` is before it was read.
    """

    read_ns: int
    before_us: Mapping[str, int]
    keys: Mapping[str, ExpiredKey]

    def key_of(self, measure: Measure) -> ExpiredKey | None:
        """What is kept of a meter: under its key of today, which takes over from the one of the first form."""
        today, first_form = (self.keys.get(key or "") for key in (measure.rollup_key, measure.first_form_key))
        return today or first_form


def expired_keys_query(tenant: str) -> Query:
    """Rows of (event_type, rollup_key, rows_from_us, before_us, recorded_at_us)."""
    return Query(
        "SELECT event_type, rollup_key, toUnixTimestamp64Micro(rows_from), toUnixTimestamp64Micro(expired_before), "
        "toUnixTimestamp64Micro(recorded_at) "
        f"FROM {EXPIRED_KEYS_TABLE} FINAL WHERE tenant = {{tenant:String}}",
        {"tenant": tenant},
    )


class Expiries:
    """Of the tenants that were asked for last. Thread-safe."""

    def __init__(
        self, store: UsageStore, monotonic_ns: Callable[[], int], age_max_ns: int = _AGE_MAX_NS
    ) -> None:
        self._store = store
        self._monotonic_ns = monotonic_ns
        self._known = RecentAnswers[str, Expiry](monotonic_ns, age_max_ns, _TENANTS_MAX)

    def of(self, tenant: str) -> Expiry:
        """Raises StoreUnavailableError if the store does not answer."""
        return self._known.of(tenant, lambda _known: self._read(tenant))

    def read_anew(self, tenant: str) -> Expiry:
        """Raises StoreUnavailableError if the store does not answer."""
        return self._known.anew(tenant, lambda _known: self._read(tenant))

    def _read(self, tenant: str) -> Expiry:
        read_ns = self._monotonic_ns()
        keys: dict[str, ExpiredKey] = {}
        before_us: dict[str, int] = {}
        for event_type, rollup_key, *instants in self._store.query(expired_keys_query(tenant)):
            key = ExpiredKey(str(event_type), *(number(instant) for instant in instants))
            keys[str(rollup_key)] = key
            before_us[key.event_type] = max(before_us.get(key.event_type, 0), key.before_us)
        return Expiry(read_ns, before_us, keys)

    def stands(self, tenant: str, known: Expiry) -> bool:
        """Whether an answer that is complete by now, made with this knowledge, stands: rule 2.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        if self._monotonic_ns() - known.read_ns < ANSWER_NS:
            return True
        fresh = self.read_anew(tenant)
        return (fresh.before_us, fresh.keys) == (known.before_us, known.keys)
