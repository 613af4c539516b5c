"""The limits that were set for single tenants, in the catalog database."""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select

from engine.access.tenant_limits import Limit
from engine.errors import NotFoundError
from engine.sql.database import Database
from engine.sql.schema import TENANT_LIMITS, TENANTS


class TenantLimitStore:
    """Thread-safe. Every method raises StoreUnavailableError if the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def own_limits(self, tenant: str) -> dict[Limit, int | None]:
        """What is set for this tenant; a limit that a later version knows is left out."""
        names = {each.value: each for each in Limit}
        wanted = select(TENANT_LIMITS.c.name, TENANT_LIMITS.c.number).where(TENANT_LIMITS.c.tenant == tenant)
        with self._database.reading() as connection:
            found = connection.execute(wanted).all()
        return {names[each.name]: each.number for each in found if each.name in names}

    def change(self, tenant: str, changes: Mapping[Limit, int | None], dropped: frozenset[Limit]) -> None:
        """Sets some, and drops others, to which what is set for all tenants applies again.

        Raises:
            NotFoundError: there is no such tenant.
        """
        gone = {each.value for each in (*changes, *dropped)}
        rows = [
            {"tenant": tenant, "name": limit.value, "number": number} for limit, number in changes.items()
        ]
        with self._database.writing() as connection:
            if connection.execute(select(TENANTS).where(TENANTS.c.tenant == tenant)).first() is None:
                raise no_such_tenant(tenant)
            mine = TENANT_LIMITS.c.tenant == tenant
            connection.execute(delete(TENANT_LIMITS).where(mine, TENANT_LIMITS.c.name.in_(gone)))
            if rows:
                connection.execute(insert(TENANT_LIMITS), rows)


def no_such_tenant(tenant: str) -> NotFoundError:
    return NotFoundError(f"there is no tenant {tenant[:63]!r}: see meterline tenants list")
