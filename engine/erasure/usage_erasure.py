"""What an erasure does in the usage store: notes, copies, compares, deletes. Each of these can be done again.

The order is the caller's (engine.erasure.erasures).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.erasure.expired_rows import (
    copy_expired_customer_statement,
    copy_rows_statements,
    expired_types_query,
    mark_gone_statement,
)
from engine.erasure.facts_and_invoices import bare_lines_statements
from engine.erasure.held_queries import (
    event_types_query,
    held_count_queries,
    names_in_use_query,
    stamp_column_query,
    stretch_query,
)
from engine.erasure.naming import Naming
from engine.erasure.rewriting import (
    copy_events_statement,
    copy_facts_statement,
    corrections_query,
    delete_statements,
    note_corrections_statement,
    note_customer_statement,
    note_ids_statement,
    note_texts_statement,
    note_versions_statement,
    noted_customers_query,
)
from engine.erasure.treatment import Treatment
from engine.erasure.verification import check_same_usage
from engine.usage.facts.usage_request import Measure
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.query import Parameters, Query, number
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from engine.usage.store.tables.erasure_schema import ErasureTables
from engine.usage.store.tables.problem_schema import PROBLEMS_TABLE
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.rollup_schema import ROLLUP_CUSTOMERS_TABLE, ROLLUPS_TABLE
from engine.usage.store.tables.schema import DRAFTS_TABLE, EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.usage_store import UsageStore

# Each with a customer's id and, if wanted, one in its place: well below the 128 KiB that ClickHouse takes of a parameter.
_AT_ONCE = 200
_OTHERS = (ROLLUPS_TABLE, ROLLUP_CUSTOMERS_TABLE, EXPIRED_CUSTOMERS_TABLE)
_REWRITTEN = (EVENTS_TABLE, VOIDS_TABLE, *_OTHERS, PROBLEMS_TABLE, DRAFTS_TABLE, BOOKED_LINES_TABLE)
_NOTHING = Treatment()


@dataclass(frozen=True, slots=True)
class ErasedUsage:
    """Whose usage is erased, and how: `pseudonyms` of the customer's id and aliases, of which `pseudonym` is the id's; `salt` as in engine.erasure.jobs, `treatments` by event type, `meters` all that the
    catalog ever had.
    """

    tenant: str
    pseudonyms: Mapping[str, str]
    pseudonym: str
    salt: str
    as_of_us: int
    treatments: Mapping[str, Treatment]
    meters: Sequence[Measure]

    @property
    def tables(self) -> ErasureTables:
        return ErasureTables(self.pseudonym.replace("-", "_"))

    @property
    def parameters(self) -> Parameters:
        """What statements are bound to; never the customer's id."""
        return {
            "tenant": self.tenant,
            "pseudonym": self.pseudonym,
            "salt": self.salt,
            "as_of_us": self.as_of_us,
        }


class UsageErasure:
    """Works on one usage store."""

    def __init__(self, store: UsageStore, rollups: Rollups, reader: UsageReader) -> None:
        self._store = store
        self._reader = reader
        self._rollups = rollups

    def counts(self, tenant: str, customer_ids: Sequence[str]) -> dict[str, int]:
        """How many rows are held of the customer, by the names of engine.erasure.extent.ErasureFindings."""
        return {
            name: number(self._store.look_through(query)[0][0])
            for name, query in held_count_queries(tenant, customer_ids).items()
        }

    def names_in_use(self, tenant: str, customer_ids: Sequence[str]) -> list[tuple[str, str]]:
        """The event types and names of properties that the customer's usage has."""
        rows = self._store.look_through(names_in_use_query(tenant, customer_ids))
        return [(str(event_type), str(name)) for event_type, name in rows]

    def note(self, usage: ErasedUsage, naming: Naming) -> None:
        """Notes what gets what in its place, anew."""
        tables, parameters = usage.tables, usage.parameters
        for statement in (*tables.create(), *tables.empty()):
            self._define(statement)
        pairs = sorted(usage.pseudonyms.items())
        for first in range(0, len(pairs), _AT_ONCE):
            some = dict(pairs[first : first + _AT_ONCE])
            self._store.execute(note_customer_statement(tables, some))
        self._store.transform(note_ids_statement(tables, parameters))
        for event_type in self._event_types(usage):
            treatment = usage.treatments.get(event_type, _NOTHING)
            for name in sorted(treatment.replaced):
                groups = list(_rollup_groups(usage.meters, event_type, name))
                self._store.transform(note_texts_statement(tables, parameters, event_type, name, groups))
        self._note_corrections(usage, naming)

    def _note_corrections(self, usage: ErasedUsage, naming: Naming) -> None:
        found: list[tuple[str, str, int]] = []
        rows = self._store.look_through(corrections_query(usage.tables, usage.parameters, naming.texts))
        for place, (correction_id, reason, is_alone) in enumerate(rows, start=1):
            old_id = str(correction_id)
            new_id = f"{usage.pseudonym}-correction-{place}" if naming.is_in(old_id) else old_id
            hides = bool(is_alone) or naming.is_in(str(reason))
            if hides or new_id != old_id:
                found.append((old_id, new_id, int(hides)))
        for first in range(0, len(found), _AT_ONCE):
            self._store.execute(note_corrections_statement(usage.tables, found[first : first + _AT_ONCE]))

    def copy(self, usage: ErasedUsage) -> None:
        """Everything that stays, under the pseudonym, beside what there is."""
        tables, parameters = usage.tables, usage.parameters
        ((stamp_column,),) = self._store.query(stamp_column_query())
        for event_type in self._event_types(usage):
            treatment = usage.treatments.get(event_type, _NOTHING)
            self._store.rewrite(
                copy_events_statement(tables, parameters, event_type, treatment, str(stamp_column))
            )
        self._copy_facts(usage)
        expired = {
            str(event_type): number(before_us)
            for event_type, before_us in self._store.query(expired_types_query(tables, parameters))
        }
        if expired:
            self._store.transform(copy_expired_customer_statement(tables, parameters))
        for meter in _distinct(usage.meters):
            if meter.event_type in expired:
                treatment = usage.treatments.get(meter.event_type, _NOTHING)
                before_us = expired[meter.event_type]
                for statement in copy_rows_statements(tables, parameters, meter, treatment, before_us):
                    self._store.transform(statement)
                # What has expired is answered from rows, and then so is all that came after it.
                self._rollups.cover_by_hours(meter, sorted(usage.pseudonyms.values()))

    def check(self, usage: ErasedUsage, as_of_us: int) -> None:
        """Raises MeterlineError where the usage is not the same under the pseudonym as of this watermark."""
        ((first_us, last_us),) = self._store.query(stretch_query(usage.tables, usage.parameters))
        if first_us is not None:
            stretch_us = number(first_us), number(last_us) + 1
            for pair in sorted(usage.pseudonyms.items()):
                check_same_usage(self._reader, usage.meters, pair, stretch_us, as_of_us)

    def noted_ids(self, usage: ErasedUsage) -> frozenset[str]:
        """Whose usage was noted."""
        rows = self._store.query(noted_customers_query(usage.tables))
        return frozenset(str(customer_id) for (customer_id,) in rows)

    def delete(self, usage: ErasedUsage) -> None:
        """Everything that names the customer; what came in after the erasure's watermark stays."""
        tables, parameters = usage.tables, usage.parameters
        # What was decided on the customer's events since they were copied.
        self._copy_facts(usage)
        self._store.transform(mark_gone_statement(tables, parameters))
        for statement in delete_statements(tables, parameters, _OTHERS):
            self._store.delete(statement)

    def bare_booked_lines(self, tenant: str, invoice_ids: Sequence[str]) -> None:
        """The lines of these invoices say no more what could name somebody."""
        for statement in bare_lines_statements(tenant, invoice_ids):
            self._store.delete(statement)

    def _copy_facts(self, usage: ErasedUsage) -> None:
        for event_type in self._event_types(usage):
            treatment = usage.treatments.get(event_type, _NOTHING)
            self._store.transform(
                note_versions_statement(usage.tables, usage.parameters, event_type, treatment)
            )
        self._store.rewrite(copy_facts_statement(usage.tables, usage.parameters))

    def purge(self, usage: ErasedUsage) -> None:
        """No file has any of it any more."""
        for statement in usage.tables.drop():
            self._define(statement)
        self._store.drop_old_parts(_REWRITTEN)

    def _event_types(self, usage: ErasedUsage) -> list[str]:
        rows = self._store.query(event_types_query(usage.tables, usage.parameters))
        return [str(event_type) for (event_type,) in rows]

    def _define(self, statement: str) -> None:
        self._store.execute(Query(statement, {}))


def _distinct(meters: Sequence[Measure]) -> list[Measure]:
    """Of those that share a rollup key one."""
    return list({meter.rollup_key: meter for meter in meters}.values())


def _rollup_groups(meters: Sequence[Measure], event_type: str, name: str) -> Iterator[tuple[str, int]]:
    """Where rows of rollups have the values of a property: their keys, and at which place of a group."""
    for meter in _distinct(meters):
        if meter.event_type == event_type and name in meter.rollup_group_by:
            place = list(meter.rollup_group_by).index(name) + 1
            for key in (meter.rollup_key, meter.first_form_key):
                if key is not None:
                    yield key, place
