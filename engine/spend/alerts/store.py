"""Crossings, where they are kept, and up to which watermark all of them are known.

Rules:
1. What a pass found is written in one transaction with the facts of the outbox that tell it: it is known if and only if it is told.
2. A pass begins at the cursor that the one before left, and writes only if the cursor still is that one. Of two passes at once one
   writes; and what was found at an earlier watermark never replaces what was found at a later one.
3. A pass over many customers is written in pieces, and moves the cursor with the last. One that broke off is made again at a later
   watermark: what it told is known by then, and is told no second time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from engine.billing.accounts.figures import in_pieces
from engine.catalog.kinds.alert import Alert, AlertMeasure
from engine.errors import RetryLaterError
from engine.metrics import METRICS
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.spend.alerts.crossings import (
    STANDING,
    Crossing,
    CrossingChange,
    CrossingKey,
    CrossingState,
    Measured,
    changes,
)
from engine.sql.alert_tables import ALERT_CROSSINGS, ALERT_CURSORS
from engine.sql.database import Database
from engine.times import rfc3339_us
from fields import Json, decimal_text

# Customers of one transaction, for which other writers wait: some ten milliseconds.
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is known is as of this watermark and revision of the catalog. swept_at_us: when all customers were measured last."""

    as_of_us: int
    catalog_revision: int
    swept_at_us: int


@dataclass(frozen=True, slots=True)
class ToldCrossing:
    """A crossing that was told, for who lists them. subject: the currency or the meter; empty for a commitment."""

    number: int
    crossing: Crossing
    measure: AlertMeasure
    subject: str
    budget: str
    as_of_us: int
    reached_at_us: int
    recovered_at_us: int | None


class CrossingStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cursor(self, tenant: str) -> Cursor | None:
        with self._database.reading() as connection:
            return _cursor(connection, tenant)

    def forget(self, tenant: str) -> None:
        """Of a tenant that has no alert any more: with the next one all is measured anew."""
        with self._database.writing() as connection:
            connection.execute(delete(ALERT_CURSORS).where(ALERT_CURSORS.c.tenant == tenant))

    def standing_customers(self, tenant: str, after_us: int) -> set[str]:
        """Those with a threshold that is reached in an epoch which ends after an instant."""
        columns = ALERT_CROSSINGS.c
        wanted = (
            select(columns.customer_id)
            .distinct()
            .where(
                columns.tenant == tenant,
                columns.period_end_us > after_us,
                columns.state.in_([each.value for each in STANDING]),
            )
        )
        with self._database.reading() as connection:
            return set(connection.scalars(wanted))

    def standing(self, tenant: str, customer_id: str, at_us: int) -> dict[tuple[str, str], int | None]:
        """The thresholds of a customer that are reached in the epoch of an instant, by alert and threshold: when that was told, None
        where it was in an earlier epoch.
        """
        columns = ALERT_CROSSINGS.c
        wanted = select(columns.alert_id, columns.threshold, columns.state, columns.reached_at_us).where(
            columns.tenant == tenant,
            columns.customer_id == customer_id,
            columns.period_start_us <= at_us,
            columns.period_end_us > at_us,
            columns.state.in_([each.value for each in STANDING]),
        )
        with self._database.reading() as connection:
            return {
                (row.alert_id, row.threshold): row.reached_at_us
                if row.state == CrossingState.REACHED.value
                else None
                for row in connection.execute(wanted)
            }

    def record(
        self,
        tenant: str,
        alerts_of: Callable[[str], Sequence[Alert]],
        measured: Iterable[Measured],
        before: Cursor | None,
        after: Cursor,
        now_us: int,
    ) -> int:
        """Writes what changed, and tells it; how many were told. `alerts_of`: those that a customer has.

        Raises:
            RetryLaterError: another pass has written meanwhile: what it left is the beginning of the next.
        """
        told = 0
        for some in in_pieces(measured, _AT_ONCE):
            with self._database.writing() as connection:
                _check_cursor(connection, tenant, before)
                facts = _record(connection, tenant, alerts_of, some, after, now_us)
            for fact in facts:
                METRICS.alert_facts.labels(fact.type.value).inc()
            told += len(facts)
        with self._database.writing() as connection:
            _check_cursor(connection, tenant, before)
            _move_cursor(connection, tenant, after)
        return told

    def told(
        self, tenant: str, *, customer_id: str, alert_id: str, reached_only: bool, before: int, count: int
    ) -> Sequence[ToldCrossing]:
        """The newest first, those before the number `before`; 0: all. Empty texts: of every customer, of every alert."""
        columns = ALERT_CROSSINGS.c
        wanted = [columns.tenant == tenant, columns.reached_at_us.is_not(None)]
        if customer_id:
            wanted.append(columns.customer_id == customer_id)
        if alert_id:
            wanted.append(columns.alert_id == alert_id)
        if reached_only:
            wanted.append(columns.state == CrossingState.REACHED.value)
        if before:
            wanted.append(columns.number < before)
        query = select(ALERT_CROSSINGS).where(*wanted).order_by(columns.number.desc()).limit(count)
        with self._database.reading() as connection:
            return [_told(row) for row in connection.execute(query)]


def _cursor(connection: Connection, tenant: str) -> Cursor | None:
    row = connection.execute(select(ALERT_CURSORS).where(ALERT_CURSORS.c.tenant == tenant)).first()
    return None if row is None else Cursor(row.as_of_us, row.catalog_revision, row.swept_at_us)


def _check_cursor(connection: Connection, tenant: str, before: Cursor | None) -> None:
    """Rule 2."""
    if _cursor(connection, tenant) != before:
        raise RetryLaterError("another engine has looked at the alerts meanwhile", retry_after_ms=1_000)


def _move_cursor(connection: Connection, tenant: str, after: Cursor) -> None:
    values = {name: getattr(after, name) for name in Cursor.__slots__}
    connection.execute(delete(ALERT_CURSORS).where(ALERT_CURSORS.c.tenant == tenant))
    connection.execute(insert(ALERT_CURSORS), {"tenant": tenant, **values})


def _record(
    connection: Connection,
    tenant: str,
    alerts_of: Callable[[str], Sequence[Alert]],
    measured: Sequence[Measured],
    after: Cursor,
    now_us: int,
) -> Sequence[Fact]:
    known = _known(connection, tenant, {each.customer_id for each in measured}, alerts_of)
    facts: list[Fact] = []
    for each in measured:
        own = known.setdefault(each.customer_id, {})
        for change in changes(alerts_of(each.customer_id), each, own):
            _write(connection, tenant, change, own.get(change.crossing.key), after, now_us)
            own[change.crossing.key] = change.crossing
            if change.is_told:
                facts.append(_fact(change, after))
    record_facts(connection, tenant, facts, now_us)
    return facts


def _known(
    connection: Connection,
    tenant: str,
    customers: Iterable[str],
    alerts_of: Callable[[str], Sequence[Alert]],
) -> dict[str, dict[CrossingKey, Crossing]]:
    columns = ALERT_CROSSINGS.c
    found: dict[str, dict[CrossingKey, Crossing]] = {}
    for some in in_pieces(sorted(each for each in customers if alerts_of(each))):
        wanted = select(ALERT_CROSSINGS).where(columns.tenant == tenant, columns.customer_id.in_(some))
        for row in connection.execute(wanted):
            crossing = _crossing(row)
            found.setdefault(row.customer_id, {})[crossing.key] = crossing
    return found


def _write(
    connection: Connection,
    tenant: str,
    change: CrossingChange,
    own: Crossing | None,
    after: Cursor,
    now_us: int,
) -> None:
    crossing, alert = change.crossing, change.alert
    values: dict[str, Any] = {
        "period_end_us": crossing.epoch_end_us,
        "state": crossing.state.value,
        "measure": alert.measure.value,
        "subject": alert.subject,
        "budget": "" if alert.budget is None else decimal_text(alert.budget),
        "value": decimal_text(crossing.value),
        "as_of_us": after.as_of_us,
    }
    if change.is_told:
        is_reached = crossing.state is CrossingState.REACHED
        values |= (
            {"reached_at_us": now_us, "recovered_at_us": None} if is_reached else {"recovered_at_us": now_us}
        )
    key = crossing.key
    named = {
        "tenant": tenant,
        "customer_id": key.customer_id,
        "alert_id": key.alert_id,
        "threshold": key.threshold,
        "period_start_us": key.epoch_start_us,
    }
    if own is None:
        connection.execute(insert(ALERT_CROSSINGS), named | values)
        return
    columns = ALERT_CROSSINGS.c
    connection.execute(
        update(ALERT_CROSSINGS)
        .where(*(columns[name] == value for name, value in named.items()))
        .values(**values)
    )


def _fact(change: CrossingChange, after: Cursor) -> Fact:
    crossing, alert = change.crossing, change.alert
    payload: dict[str, Json] = {
        "alert_id": alert.id,
        "customer_id": crossing.key.customer_id,
        "measure": alert.measure.value,
        "threshold": crossing.key.threshold,
        "value": decimal_text(crossing.value),
        "period_start": rfc3339_us(crossing.key.epoch_start_us),
        "period_end": rfc3339_us(crossing.epoch_end_us),
        "as_of": rfc3339_us(after.as_of_us),
    }
    given = {"currency": alert.currency, "meter": alert.meter}
    payload |= {name: value for name, value in given.items() if value is not None}
    if alert.budget is not None:
        payload["budget"] = decimal_text(alert.budget)
    is_reached = crossing.state is CrossingState.REACHED
    kind = FactType.ALERT_CROSSED if is_reached else FactType.ALERT_RECOVERED
    return Fact(kind, "customer", crossing.key.customer_id, payload)


def _crossing(row: Row[Any]) -> Crossing:
    key = CrossingKey(row.alert_id, row.customer_id, row.threshold, row.period_start_us)
    return Crossing(key, row.period_end_us, CrossingState(row.state), Decimal(row.value))


def _told(row: Row[Any]) -> ToldCrossing:
    return ToldCrossing(
        number=row.number,
        crossing=_crossing(row),
        measure=AlertMeasure(row.measure),
        subject=row.subject,
        budget=row.budget,
        as_of_us=row.as_of_us,
        reached_at_us=row.reached_at_us,
        recovered_at_us=row.recovered_at_us,
    )
