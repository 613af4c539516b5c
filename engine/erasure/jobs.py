"""Erasures in the catalog database: one row each, for ever, by pseudonym.

Rules:
1. The row says which step is done; whoever erases the same customer again goes on behind it.
2. Until the last step the customer is known again by a hash of the id under a salt of the row's own. Both go with the last
   step: from then on nothing says whose pseudonym it was.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from engine.erasure.extent import ErasureFindings
from engine.sql.database import Database
from engine.sql.schema import ERASURES


class ErasureStep(StrEnum):
    """What is done, in order."""

    BEGUN = "begun"
    MAPPED = "mapped"
    COPIED = "copied"
    CATALOG_CHANGED = "catalog_changed"
    DELETED = "deleted"
    DONE = "done"


_ORDER = list(ErasureStep)


@dataclass(frozen=True, slots=True)
class ErasureJob:
    """One erasure. `salt` is empty once it is done."""

    tenant: str
    pseudonym: str
    step: ErasureStep
    salt: str
    as_of_us: int
    keep_properties: frozenset[str]
    begun_at_us: int
    ended_at_us: int | None
    begun_by: str
    extent: ErasureFindings

    def is_past(self, step: ErasureStep) -> bool:
        """Whether this step is done."""
        return _ORDER.index(self.step) >= _ORDER.index(step)


class ErasureJobs:
    """Thread-safe."""

    def __init__(self, database: Database, now_us: Callable[[], int]) -> None:
        self._database = database
        self._now_us = now_us

    def begin(
        self,
        job: ErasureJob,
        customer_id: str,
    ) -> None:
        """Raises StoreUnavailableError."""
        with self._database.writing() as connection:
            connection.execute(
                insert(ERASURES).values(
                    tenant=job.tenant,
                    pseudonym=job.pseudonym,
                    step=job.step.value,
                    catalog_is_changed=0,
                    salt=job.salt,
                    customer_hash=_hash(job.salt, customer_id),
                    as_of_us=job.as_of_us,
                    keep_properties=json.dumps(sorted(job.keep_properties)),
                    begun_at_us=job.begun_at_us,
                    ended_at_us=None,
                    begun_by=job.begun_by,
                    extent=job.extent.text(),
                )
            )

    def under_way(self, tenant: str, customer_id: str) -> ErasureJob | None:
        """The erasure of this customer that is not done. Raises StoreUnavailableError."""
        columns = ERASURES.c
        wanted = select(ERASURES).where(columns.tenant == tenant, columns.step != ErasureStep.DONE.value)
        with self._database.reading() as connection:
            for row in connection.execute(wanted.order_by(columns.begun_at_us)):
                if row.customer_hash == _hash(row.salt, customer_id):
                    return _job(row)
        return None

    def of_tenant(self, tenant: str, skip: int, count: int) -> Sequence[ErasureJob]:
        """The newest first. Raises StoreUnavailableError."""
        columns = ERASURES.c
        wanted = select(ERASURES).where(columns.tenant == tenant)
        wanted = wanted.order_by(columns.begun_at_us.desc(), columns.pseudonym).offset(skip).limit(count)
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(wanted)]

    def advance(self, job: ErasureJob, step: ErasureStep) -> None:
        """A step is done. Raises StoreUnavailableError."""
        with self._database.writing() as connection:
            advance_in(connection, job, step, self._now_us())


def advance_in(connection: Connection, job: ErasureJob, step: ErasureStep, now_us: int) -> None:
    """In the transaction of the step itself."""
    values: dict[str, Any] = {"step": step.value}
    if step is ErasureStep.CATALOG_CHANGED:
        values["catalog_is_changed"] = 1
    if step is ErasureStep.DONE:
        values |= {"salt": "", "customer_hash": "", "ended_at_us": now_us}
    connection.execute(
        update(ERASURES)
        .where(ERASURES.c.tenant == job.tenant, ERASURES.c.pseudonym == job.pseudonym)
        .values(**values)
    )


def _hash(salt: str, customer_id: str) -> str:
    return hashlib.sha256(f"{salt}:{customer_id}".encode()).hexdigest()


def _job(row: Row[Any]) -> ErasureJob:
    return ErasureJob(
        tenant=row.tenant,
        pseudonym=row.pseudonym,
        step=ErasureStep(row.step),
        salt=row.salt,
        as_of_us=row.as_of_us,
        keep_properties=frozenset(json.loads(row.keep_properties)),
        begun_at_us=row.begun_at_us,
        ended_at_us=row.ended_at_us,
        begun_by=row.begun_by,
        extent=ErasureFindings.read(row.extent),
    )
