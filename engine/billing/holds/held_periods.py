"""Billing periods that people hold back: no run issues an invoice of them until they are released.

Rules:
1. A period is held in all currencies at once: what was billed of it by threshold is measured against all invoices that close it.
2. Whoever holds or releases changes the version of the tenant's invoices: a run that is computing them computes them again.
3. What is held is held once: holding it again gives it another reason.
4. A hold is of all that began then: a period whose subscription is ended in hindsight ends earlier, and is held all the same.
5. Held usage stays billable: nothing of it is booked, and a run after its release bills it.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, select

from engine.sql.invoice_tables import DRAFT_HOLDS

HOLDS_MAX: Final = 10_000
"""Of a tenant: every step of a run reads all. Who holds more closes by hand."""


class PeriodStart(NamedTuple):
    """What is held of a customer: the billing periods that begin then, in whatever currencies, wherever they end (rule 4)."""

    customer_id: str
    start_us: int


class CustomerPeriod(NamedTuple):
    """A customer's billing period, in whatever currencies."""

    customer_id: str
    start_us: int
    end_us: int

    @property
    def begin(self) -> PeriodStart:
        return PeriodStart(self.customer_id, self.start_us)


@dataclass(frozen=True, slots=True)
class PeriodHold:
    """Why a period is held, since when, and by whose credential."""

    reason: str
    held_at_us: int
    held_by: str


def held_periods(connection: Connection, tenant: str) -> dict[CustomerPeriod, PeriodHold]:
    """All of a tenant, each with the end that it had when it was held."""
    wanted = select(DRAFT_HOLDS).where(DRAFT_HOLDS.c.tenant == tenant)
    return {
        CustomerPeriod(row.customer_id, row.period_start_us, row.period_end_us): PeriodHold(
            row.reason, row.held_at_us, row.held_by
        )
        for row in connection.execute(wanted)
    }


def held_starts(connection: Connection, tenant: str) -> frozenset[PeriodStart]:
    """What no run may bill."""
    columns = DRAFT_HOLDS.c
    wanted = select(columns.customer_id, columns.period_start_us).where(columns.tenant == tenant)
    return frozenset(PeriodStart(*row) for row in connection.execute(wanted))


def held_count(connection: Connection, tenant: str) -> int:
    return (
        connection.scalar(select(func.count()).select_from(DRAFT_HOLDS).where(DRAFT_HOLDS.c.tenant == tenant))
        or 0
    )


def write_hold(connection: Connection, tenant: str, period: CustomerPeriod, hold: PeriodHold) -> None:
    """Rule 3."""
    remove_hold(connection, tenant, period.begin)
    connection.execute(
        insert(DRAFT_HOLDS).values(
            tenant=tenant,
            customer_id=period.customer_id,
            period_start_us=period.start_us,
            period_end_us=period.end_us,
            reason=hold.reason,
            held_at_us=hold.held_at_us,
            held_by=hold.held_by,
        )
    )


def remove_hold(connection: Connection, tenant: str, period: PeriodStart) -> int | None:
    """The end that the period had when it was held; None where it is not held."""
    columns = DRAFT_HOLDS.c
    own = and_(
        columns.tenant == tenant,
        columns.customer_id == period.customer_id,
        columns.period_start_us == period.start_us,
    )
    end_us = connection.scalar(select(columns.period_end_us).where(own))
    connection.execute(delete(DRAFT_HOLDS).where(own))
    return end_us
