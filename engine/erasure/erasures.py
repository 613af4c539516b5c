"""One customer's personal data is erased, and every amount stays what it was.

Steps; the row of the erasure says which is done, and whoever erases the customer again goes on behind it:
1. Begun: a pseudonym is drawn, and the watermark fixed up to which usage is erased. Ids used twice are settled by then.
2. Mapped: what gets what in its place is noted in tables of its own, which go at the end.
3. Copied: everything that stays is there under the pseudonym, beside what there was, and was compared with it.
4. The catalog is changed, in one transaction: from then on the amounts are the pseudonym's. Every gateway reads its
   catalog anew (engine.catalog.store, rule 4).
5. After a pause, longer than an answer takes that was begun with the catalog before, what names the customer is deleted.
6. Done: the files have nothing of it any more, and nothing says whose pseudonym it is.

Before step 4 nothing has changed for anybody; after it the amounts are whole under the pseudonym. Usage that comes in for
the erased id after step 1 is of a customer whom nobody knows, and is erased by another erasure.
Whoever calls has the turn of rollups: no backup, expiry or other erasure is at work meanwhile.
"""

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import structlog

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.catalog.store import CatalogStore
from engine.cluster.locks import Hold, check_turn
from engine.erasure.catalog_erasure import CHANGED_TABLES, HeldInCatalog, change_catalog, held_in_catalog
from engine.erasure.extent import ErasureFindings
from engine.erasure.facts_and_invoices import erased_invoice_ids
from engine.erasure.jobs import ErasureJob, ErasureJobs, ErasureStep, advance_in
from engine.erasure.naming import PSEUDONYM_PREFIX, is_pseudonym
from engine.erasure.treatment import Treatment, treatments
from engine.erasure.usage_erasure import ErasedUsage, UsageErasure
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError, StoreUnavailableError
from engine.sql.database import Database
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.query.expiries import WAIT_S
from ingest import IngestOrder

_RETRY_AFTER_MS = 1_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErasureSurroundings:
    """What comes from outside: `turn` keeps others away; `pause_s` lets time pass, or raises an error of the tree; `draw`
    gives so many random bytes in hex.
    """

    turn: Callable[[], contextlib.AbstractContextManager[Hold]]
    now_us: Callable[[], int]
    pause_s: Callable[[int], None]
    draw: Callable[[int], str]


class Erasures:
    """Erases, for one caller at a time."""

    def __init__(
        self,
        database: Database,
        catalog: CatalogStore,
        usage: UsageErasure,
        reconciler: Reconciler,
        order: IngestOrder,
        surroundings: ErasureSurroundings,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._usage = usage
        self._reconciler = reconciler
        self._order = order
        self._around = surroundings
        self.jobs = ErasureJobs(database, surroundings.now_us)

    def examine(self, tenant: str, customer_id: str, keep: Collection[str]) -> ErasureFindings:
        """What `erase` would find now; of an erasure that broke off, what it found.

        Raises:
            InvalidRequestError: the id is a pseudonym.
            NotFoundError: nothing is held about the customer.
            StoreUnavailableError: a store does not answer.
        """
        self._check(tenant, customer_id)
        if job := self.jobs.under_way(tenant, customer_id):
            return job.extent
        extent = self._extent(tenant, customer_id, keep)
        if extent.is_nothing:
            raise NotFoundError(f"nothing is held about customer {customer_id!r}: there is nothing to erase")
        return extent

    def erase(
        self,
        tenant: str,
        customer_id: str,
        keep: Collection[str],
        begun_by: str,
        told: Callable[[str], None] = lambda _pseudonym: None,
    ) -> ErasureJob:
        """Erases, or goes on where it broke off: then with the properties to keep that it began with. `told` is given the
        pseudonym, before anything is changed.

        Raises:
            InvalidRequestError, NotFoundError: as `examine`.
            StoreUnavailableError: a store does not answer, or somebody else has the turn: erase again, it goes on.
            MeterlineError: usage would not be the same: nothing was deleted.
        """
        self._check(tenant, customer_id)
        with self._around.turn() as hold:
            job = self.jobs.under_way(tenant, customer_id)
            if job is None:
                extent = self.examine(tenant, customer_id, keep)
                job = self._begun(tenant, customer_id, keep, begun_by, extent)
            told(job.pseudonym)
            return self._go_on(job, customer_id, hold)

    def _begun(
        self, tenant: str, customer_id: str, keep: Collection[str], begun_by: str, extent: ErasureFindings
    ) -> ErasureJob:
        now_us = self._around.now_us()
        settled_us = self._order.watermark(now_us)
        self._reconciler.settle_until(settled_us)
        job = ErasureJob(
            tenant=tenant,
            pseudonym=PSEUDONYM_PREFIX + self._around.draw(8),
            step=ErasureStep.BEGUN,
            salt=self._around.draw(16),
            as_of_us=settled_us,
            keep_properties=frozenset(keep),
            begun_at_us=now_us,
            ended_at_us=None,
            begun_by=begun_by,
            extent=extent,
        )
        self.jobs.begin(job, customer_id)
        return job

    def _go_on(self, job: ErasureJob, customer_id: str, hold: Hold) -> ErasureJob:
        held = self._held(job.tenant, customer_id)
        usage = self._erased_usage(job, held)
        if not job.is_past(ErasureStep.MAPPED):
            self._usage.note(usage, held.naming)
            job = self._advanced(job, ErasureStep.MAPPED, hold)
        if not job.is_past(ErasureStep.COPIED):
            self._usage.copy(usage)
            self._usage.check(usage, self._order.watermark(self._around.now_us()))
            job = self._advanced(job, ErasureStep.COPIED, hold)
        if not job.is_past(ErasureStep.CATALOG_CHANGED):
            check_turn(hold)
            with self._database.writing() as connection:
                held = held_in_catalog(connection, job.tenant, customer_id)
                if self._usage.noted_ids(usage) != set(held.ids):
                    raise StoreUnavailableError(
                        "the customer's aliases have changed meanwhile: change them back, then erase again",
                        retry_after_ms=_RETRY_AFTER_MS,
                    )
                change_catalog(connection, job.tenant, held, job.pseudonym, self._around.now_us())
                advance_in(connection, job, ErasureStep.CATALOG_CHANGED, self._around.now_us())
            job = replace(job, step=ErasureStep.CATALOG_CHANGED)
        if not job.is_past(ErasureStep.DELETED):
            self._around.pause_s(WAIT_S)
            self._usage.delete(usage)
            with self._database.reading() as connection:
                invoices = erased_invoice_ids(connection, job.tenant, job.pseudonym)
            self._usage.bare_booked_lines(job.tenant, invoices)
            job = self._advanced(job, ErasureStep.DELETED, hold)
        self._usage.purge(usage)
        self._database.purge(CHANGED_TABLES)
        job = self._advanced(job, ErasureStep.DONE, hold)
        _log.info("a customer was erased", tenant=job.tenant, pseudonym=job.pseudonym)
        return job

    def _advanced(self, job: ErasureJob, step: ErasureStep, hold: Hold) -> ErasureJob:
        check_turn(hold)
        self.jobs.advance(job, step)
        return replace(job, step=step)

    def _held(self, tenant: str, customer_id: str) -> HeldInCatalog:
        with self._database.reading() as connection:
            return held_in_catalog(connection, tenant, customer_id)

    def _erased_usage(self, job: ErasureJob, held: HeldInCatalog) -> ErasedUsage:
        by_type, meters = self._treatments(job.tenant, job.keep_properties | held.price_dimensions)
        return ErasedUsage(
            tenant=job.tenant,
            pseudonyms=held.pseudonyms(job.pseudonym),
            pseudonym=job.pseudonym,
            salt=job.salt,
            as_of_us=job.as_of_us,
            treatments=by_type,
            meters=[measure_of(job.tenant, each) for each in meters],
        )

    def _treatments(self, tenant: str, keep: Collection[str]) -> tuple[dict[str, Treatment], list[Meter]]:
        """By every version of every meter and plan that there ever was."""
        resources = [each.resource for versions in self._catalog.history(tenant) for each in versions.objects]
        meters = [each for each in resources if isinstance(each, Meter)]
        return dict(treatments(resources, keep)), meters

    def _check(self, tenant: str, customer_id: str) -> None:
        if not customer_id:
            raise InvalidRequestError(FieldMistake("customer_id", "is empty: name the customer"))
        if is_pseudonym(customer_id):
            raise InvalidRequestError(
                FieldMistake("customer_id", f"{customer_id!r} is the pseudonym of an erased customer already")
            )
        owner = self._catalog.snapshot(tenant).customers.links.owners_of([customer_id]).get(customer_id)
        if owner is not None:
            raise InvalidRequestError(
                FieldMistake(
                    "customer_id", f"{customer_id!r} is an alias of the customer {owner!r}: erase that one"
                )
            )

    def _extent(self, tenant: str, customer_id: str, keep: Collection[str]) -> ErasureFindings:
        held = self._held(tenant, customer_id)
        by_type, _ = self._treatments(tenant, {*keep, *held.price_dimensions})
        kept: list[str] = []
        replaced: list[str] = []
        dropped: list[str] = []
        for event_type, name in self._usage.names_in_use(tenant, held.ids):
            treatment = by_type.get(event_type, Treatment())
            into = replaced if name in treatment.replaced else kept if name in treatment.names else dropped
            into.append(f"{event_type}.{name}")
        return ErasureFindings(
            **self._usage.counts(tenant, held.ids),
            versions=held.versions,
            api_keys=len(held.keys),
            audit_records=len(held.audit_records),
            kept=tuple(kept),
            replaced=tuple(replaced),
            dropped=tuple(dropped),
        )
