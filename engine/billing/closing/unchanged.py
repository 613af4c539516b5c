"""Which customers' closed periods can't have changed since a run settled them: they are not rated again.

Rules:
1. Whoever is in doubt has changed. To rate a period again costs time; not to rate one that has changed is wrong money.
2. A customer is measured against the newest watermark at which it was billed, and only if everything that is closed of it was
   settled then: its periods were billed at that watermark, or ended before the span of every run that has it; in each of its
   currencies something was billed at it, with which its corrections went out; nothing of it was made void or erased since; and all
   else of it was issued before: a run that was begun earlier may have gone on behind a later one, which could not correct it.
3. What was billed of periods while they ran settles nothing that is closed, and is left out of rule 2. What of it was made void or
   erased since has changed its period, though, and so has what no invoice of its period stands beside: it may have to be given back.
4. What changes a period is an event or a correction that came in since, of before the end of what is closed; and whatever the
   catalog changed since, but for customers, subscriptions and credit grants of others.
5. Events that came in late may have expired since, and nothing tells: where events expire, every customer has changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, func, select

from engine.billing.accounts.figures import in_pieces
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.invoice import Close
from engine.catalog.kinds import customer_of
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.sql.database import Database
from engine.sql.invoice_tables import CLOSES, INVOICES
from engine.usage.query.facts_since import late_facts
from engine.usage.store.usage_store import UsageStore

_CLOCKS_APART_US: Final = 3_600_000_000
"""The time of a void is one gateway's, a watermark another's: what is less apart is in doubt (rule 1)."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """When all that is closed of a customer was settled: the watermark and the catalog's revision."""

    as_of_us: int
    catalog_revision: int


@dataclass(frozen=True, slots=True)
class _Since:
    """What came in for a run behind a watermark and a revision: of each customer the newest stamp, and the newest revision that
    concerns it; `revisions` is None if one concerns all of them (rule 4).
    """

    close: Close
    after_us: int
    after_revision: int
    stamps_us: Mapping[str, int]
    revisions: Mapping[str, int] | None

    def serves(self, close: Close, after_us: int, after_revision: int) -> bool:
        """Whether it is of this run, and reaches as far back."""
        return self.close == close and self.after_us <= after_us and self.after_revision <= after_revision


class UnchangedCustomers:
    """Thread-safe. What came in is looked up once a run, not for each of its steps."""

    def __init__(self, database: Database, catalog: CatalogStore, store: UsageStore) -> None:
        self._database = database
        self._catalog = catalog
        self._store = store
        # Of the newest run that was asked about.
        self._known: _Since | None = None

    def among(self, close: Close, catalog: Catalog, customers: Sequence[str]) -> frozenset[str]:
        """Those of these customers whose closed periods, which ended before the run's span, need not be rated again.

        `catalog`: of the run's revision. Raises StoreUnavailableError.
        """
        with self._database.reading() as connection:
            settled = {
                customer: found
                for some in in_pieces(customers)
                for customer, found in _settled(connection, close, some).items()
            }
        if not settled or self._catalog.events_refused_before_us(close.tenant):
            return frozenset()
        since = self._since(
            close,
            catalog,
            min(each.as_of_us for each in settled.values()),
            min(each.catalog_revision for each in settled.values()),
        )
        if since.revisions is None:
            return frozenset()
        return frozenset(
            customer
            for customer, of in settled.items()
            if since.stamps_us.get(customer, 0) <= of.as_of_us
            and since.revisions.get(customer, 0) <= of.catalog_revision
        )

    def _since(self, close: Close, catalog: Catalog, after_us: int, after_revision: int) -> _Since:
        known = self._known
        if known is None or not known.serves(close, after_us, after_revision):
            stamps_us = self._stamps_us(close, catalog, after_us)
            known = _Since(close, after_us, after_revision, stamps_us, self._revisions(close, after_revision))
            self._known = known
        return known

    def _stamps_us(self, close: Close, catalog: Catalog, after_us: int) -> Mapping[str, int]:
        late = late_facts(
            self._store,
            close.tenant,
            after_us=after_us,
            as_of_us=close.as_of_us,
            before_us=close.from_us,
        )
        owners = catalog.customers.links.owners_of(late.keys())
        newest: dict[str, int] = {}
        for name, at_us in late.items():
            for who in {name, owners.get(name, name)}:
                newest[who] = max(newest.get(who, 0), at_us)
        return newest

    def _revisions(self, close: Close, after: int) -> Mapping[str, int] | None:
        found: dict[str, int] = {}
        for kind, revision, fields in self._catalog.definitions_between(
            close.tenant, after, close.catalog_revision
        ):
            if (customer := customer_of(kind, fields)) is None:
                return None
            found[customer] = max(found.get(customer, 0), revision)
        return found


def _settled(connection: Connection, close: Close, customers: Sequence[str]) -> Mapping[str, _Settled]:
    """Rule 2: the customers of whom everything was settled at one watermark, and which."""
    found: dict[str, _Settled] = {}
    doubtful = {row.customer_id for row in connection.execute(_parts_alone(close, customers))}
    for row in connection.execute(_settled_query(close, customers)):
        of_newest_only = row.earlier_end_us <= row.span_start_us
        void_is_known = row.voided_at_us + _CLOCKS_APART_US < row.as_of_us
        known = row.billed_at_newest and not row.voided_at_newest and void_is_known
        known = known and row.earlier_number < row.newest_number
        is_earlier = row.as_of_us <= close.as_of_us and row.newest_revision <= close.catalog_revision
        if not (known and of_newest_only and is_earlier and not row.erased_count):
            doubtful.add(row.customer_id)
        found[row.customer_id] = _Settled(row.as_of_us, row.catalog_revision)
    return {customer: of for customer, of in found.items() if customer not in doubtful}


def _parts_alone(close: Close, customers: Sequence[str]) -> Select[tuple[str]]:
    """The customers with parts of periods that would have ended before the span, and that no invoice has closed (rule 3)."""
    parts, closing = INVOICES.alias(), INVOICES.alias()
    is_closed = (
        select(closing.c.invoice_id)
        .where(
            *(
                closing.c[name] == parts.c[name]
                for name in ("tenant", "customer_id", "currency", "period_start_us", "period_end_us")
            ),
            closing.c.part == 0,
            closing.c.state != InvoiceState.VOID.value,
        )
        .exists()
    )
    return select(parts.c.customer_id).where(
        parts.c.tenant == close.tenant,
        parts.c.customer_id.in_(customers),
        parts.c.part > 0,
        parts.c.state != InvoiceState.VOID.value,
        parts.c.period_end_us <= close.from_us,
        ~is_closed,
    )


def _settled_query(close: Close, customers: Sequence[str]) -> Select[Any]:
    """A row of each customer and currency: what was billed at the customer's newest watermark, and before."""
    columns = INVOICES.c
    wanted = and_(columns.tenant == close.tenant, columns.customer_id.in_(customers))
    closes = and_(wanted, columns.part == 0)
    newest = (
        select(columns.customer_id, func.max(columns.as_of_us).label("as_of_us"))
        .where(closes)
        .group_by(columns.customer_id)
        .subquery()
    )
    # Of runs with the same watermark the one that settled least.
    of_runs = (
        select(
            columns.customer_id,
            func.min(CLOSES.c.from_us).label("span_start_us"),
            func.min(columns.catalog_revision).label("catalog_revision"),
            func.max(columns.catalog_revision).label("newest_revision"),
            func.min(columns.number).label("newest_number"),
        )
        .join(newest, newest.c.customer_id == columns.customer_id)
        .join(CLOSES, and_(CLOSES.c.tenant == columns.tenant, CLOSES.c.close_id == columns.close_id))
        .where(closes, columns.as_of_us == newest.c.as_of_us)
        .group_by(columns.customer_id)
        .subquery()
    )
    stands = columns.state != InvoiceState.VOID.value
    at_newest = and_(columns.as_of_us == newest.c.as_of_us, columns.part == 0)
    before = and_(columns.as_of_us != newest.c.as_of_us, columns.part == 0)

    def most(condition: Any, value: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's expressions
        return func.max(case((condition, value), else_=0))

    return (
        select(
            columns.customer_id,
            columns.currency,
            func.min(newest.c.as_of_us).label("as_of_us"),
            func.min(of_runs.c.span_start_us).label("span_start_us"),
            func.min(of_runs.c.catalog_revision).label("catalog_revision"),
            func.max(of_runs.c.newest_revision).label("newest_revision"),
            func.min(of_runs.c.newest_number).label("newest_number"),
            most(and_(at_newest, stands), 1).label("billed_at_newest"),
            most(and_(at_newest, ~stands), 1).label("voided_at_newest"),
            most(and_(before, stands), columns.period_end_us).label("earlier_end_us"),
            most(before, columns.number).label("earlier_number"),
            func.max(func.coalesce(columns.voided_at_us, 0)).label("voided_at_us"),
            func.count(columns.erased_at_us).label("erased_count"),
        )
        .join(newest, newest.c.customer_id == columns.customer_id)
        .join(of_runs, of_runs.c.customer_id == columns.customer_id)
        .where(wanted)
        .group_by(columns.customer_id, columns.currency)
    )
