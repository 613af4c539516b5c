"""Billing periods that people hold back: no run issues an invoice of them until they are released.

Rules:
1. A period is held in all currencies at once: what was billed of it by threshold is measured against all invoices that close it.
2. Whoever holds or releases changes the version of the tenant's invoices: a run that is computing them computes them again.
3. What is held is held once: holding it again gives it another reason.
4. Held usage stays billable: nothing of it is booked, and a run after its release bills it.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from engine.sql.invoice_tables import DRAFT_HOLDS

HOLDS_MAX: Final = 10_000
"""Of a tenant: every step of a run reads all. Who holds more closes by hand."""


class CustomerPeriod(NamedTuple):
    """A customer's billing period, in whatever currencies."""

    customer_id: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class PeriodHold:
    """Why a period is held, since when, and by whose credential."""

    reason: str
    held_at_us: int
    held_by: str


def held_periods(connection: Connection, tenant: str) -> dict[CustomerPeriod, PeriodHold]:
    """All of a tenant."""
    wanted = select(DRAFT_HOLDS).where(DRAFT_HOLDS.c.tenant == tenant)
    return {
        CustomerPeriod(row.customer_id, row.period_start_us, row.period_end_us): PeriodHold(
            row.reason, row.held_at_us, row.held_by
        )
        for row in connection.execute(wanted)
    }


def held_count(connection: Connection, tenant: str) -> int:
    return (
        connection.scalar(select(func.count()).select_from(DRAFT_HOLDS).where(DRAFT_HOLDS.c.tenant == tenant))
        or 0
    )


def write_hold(connection: Connection, tenant: str, period: CustomerPeriod, hold: PeriodHold) -> None:
    """Rule 3."""
    remove_hold(connection, tenant, period)
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


def remove_hold(connection: Connection, tenant: str, period: CustomerPeriod) -> bool:
    """Whether there was one."""
    columns = DRAFT_HOLDS.c
    gone = connection.execute(
        delete(DRAFT_HOLDS).where(
            columns.tenant == tenant,
            columns.customer_id == period.customer_id,
            columns.period_start_us == period.start_us,
            columns.period_end_us == period.end_us,
        )
    )
    return gone.rowcount > 0
