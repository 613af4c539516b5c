"""Headers and booked lines read for reconciling, by plain statements; and what is wrong between the two."""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Connection, Row, and_, func, select

from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.figures import in_pieces
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.invoice import InvoiceKey, close_id_of
from engine.billing.reconciliation.booked_line import AMOUNTS, BookedLine, minor_text
from engine.billing.reconciliation.expected_lines import BillingPeriodKey
from engine.billing.reconciliation.findings import BookedDifference, Check, DifferenceKind, Findings
from engine.sql.database import Database
from engine.sql.invoice_tables import CLOSES, INVOICE_SERIES, INVOICES
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from engine.usage.store.usage_store import UsageStore

_WANTED: Final = "reconciled_invoices"
_SUMS: Final = ("amount", "discounts", "commitments", "credits", "included_tax", "tax", "due")
_OF_INVOICES: Final = (
    f"FROM {BOOKED_LINES_TABLE} FINAL WHERE tenant = {{tenant:String}} "
    f"AND invoice_id IN (SELECT invoice_id FROM {_WANTED})"
)
_PLAIN: Final = (
    *("invoice_id", "line_number", "kind", "corrects_invoice_id", "line_item_id", "subscription_id"),
    *("plan_id", "plan_version", "price_id", "currency", "quantity", "event_count"),
)
_ROWS: Final = (
    f"SELECT {', '.join(_PLAIN)}, mapKeys(dimensions) AS names, mapValues(dimensions) AS texts, "
    "toUnixTimestamp64Micro(period_start) AS period_start_us, toUnixTimestamp64Micro(period_end) AS period_end_us, "
    f"{', '.join(f'toString({name}_minor) AS {name}' for name in AMOUNTS)} {_OF_INVOICES} ORDER BY invoice_id, line_number"
)
_LINE_SUMS: Final = (
    "SELECT invoice_id, toInt64(count()) AS line_count, toInt64(count() - uniqExact(line_item_id)) AS twice, "
    "{} {} GROUP BY invoice_id".format(
        ", ".join(
            f"toString(sum({sql})) AS {name}"
            for name, sql in {
                "amount": "if(kind = 'charge', toDecimal256(amount_minor, 0), toDecimal256(0, 0))",
                "commitments": "if(kind = 'charge', toDecimal256(0, 0), toDecimal256(amount_minor, 0))",
                "discounts": "toDecimal256(discount_minor, 0)",
                "credits": "toDecimal256(credit_minor, 0)",
                "included_tax": "toDecimal256(included_tax_minor, 0)",
                "tax": "toDecimal256(tax_minor, 0)",
                "due": "toDecimal256(due_minor, 0)",
            }.items()
        ),
        _OF_INVOICES,
    )
)
# Lines whose invoice is in no list: with what they say of the period that they bill themselves.
_WITHOUT_INVOICE: Final = (
    f"SELECT invoice_id, any(subscription_id) AS subscription_id, any(currency) AS currency, "
    "any(toUnixTimestamp64Micro(period_start)) AS start_us, any(toUnixTimestamp64Micro(period_end)) AS end_us, "
    f"toInt64(count()) AS line_count FROM {BOOKED_LINES_TABLE} WHERE tenant = {{tenant:String}} AND corrects_invoice_id = '' "
    f"AND invoice_id NOT IN (SELECT invoice_id FROM {_WANTED}) GROUP BY invoice_id ORDER BY invoice_id LIMIT {{at_most:UInt64}}"
)
_LISTED_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Header:
    """An invoice as the catalog store has it. `from_us`: of the span of the run that issued it. `part`: 0 of one that bills its period,
    or the rest; from 1 on, of usage that was billed while it ran.
    """

    invoice_id: str
    number: int
    key: BillingPeriodKey
    is_void: bool
    is_erased: bool
    as_of_us: int
    catalog_revision: int
    issued_at_us: int
    voided_at_us: int
    line_count: int
    sums: Mapping[str, str]
    from_us: int
    part: int = 0

    @property
    def has_period(self) -> bool:
        """Not of corrections alone."""
        return self.key.start_us < self.key.end_us


class BookedDocuments:
    """Reads both stores. Every method raises StoreUnavailableError when one does not answer."""

    def __init__(self, database: Database, store: UsageStore) -> None:
        self._database = database
        self._store = store

    def customers(self, tenant: str, after: str, from_us: int, before_us: int, count: int) -> list[str]:
        """Customers with an invoice of a period that ends in (from, before], behind one in the order of their ids."""
        columns = INVOICES.c
        wanted = (
            select(columns.customer_id)
            .distinct()
            .where(
                columns.tenant == tenant,
                columns.customer_id > after,
                columns.period_end_us > from_us,
                columns.period_end_us <= before_us,
            )
            .order_by(columns.customer_id)
            .limit(count)
        )
        with self._database.reading() as connection:
            return [row.customer_id for row in connection.execute(wanted)]

    def headers(self, tenant: str, customers: Sequence[str]) -> list[Header]:
        """All of theirs, by number."""
        found: list[Header] = []
        columns = INVOICES.c
        of_run = and_(columns.tenant == CLOSES.c.tenant, columns.close_id == CLOSES.c.close_id)
        with self._database.reading() as connection:
            for some in in_pieces(customers):
                rows = connection.execute(
                    select(INVOICES, CLOSES.c.from_us)
                    .join(CLOSES, of_run, isouter=True)
                    .where(columns.tenant == tenant, columns.customer_id.in_(some))
                )
                found += map(_header, rows)
        return sorted(found, key=lambda each: each.number)

    def lines(self, tenant: str, headers: Sequence[Header]) -> dict[str, list[BookedLine]]:
        """Of each invoice its lines, by number."""
        found: dict[str, list[BookedLine]] = {each.invoice_id: [] for each in headers}
        if headers:
            rows = self._store.query_columns(
                Query(_ROWS, {"tenant": tenant}, {_WANTED: _ids(each.invoice_id for each in headers)})
            )
            for row in rows.to_pylist():
                found[row["invoice_id"]].append(BookedLine.of(row))
        return found

    def judge_headers(self, tenant: str, headers: Sequence[Header], findings: Findings) -> None:
        """Each beside the sums of its lines."""
        if not headers:
            return
        rows = self._store.query_columns(
            Query(_LINE_SUMS, {"tenant": tenant}, {_WANTED: _ids(each.invoice_id for each in headers)})
        )
        sums = {row["invoice_id"]: row for row in rows.to_pylist()}
        for header in headers:
            findings.judged[Check.INVOICES] += 1
            for difference in _header_differences(header, sums.get(header.invoice_id)):
                findings.differs(difference)

    def judge_tenant(self, tenant: str, customer_of: Mapping[str, str], findings: Findings) -> None:
        """Numbers, periods that are billed twice, and lines without an invoice: of all invoices. `customer_of`: of subscriptions."""
        columns = INVOICES.c
        with self._database.reading() as connection:
            for number in _gaps(connection, tenant):
                named = invoice_number(number)
                findings.differs(BookedDifference(DifferenceKind.NUMBER_GAP, what=named, found="no invoice"))
            for row in _billed_twice(connection, tenant):
                found = f"{row.invoices} invoices of {row.currency}"
                findings.differs(
                    BookedDifference(
                        DifferenceKind.PERIOD_TWICE,
                        row.customer_id,
                        invoice_number=row.number,
                        what="billing period",
                        expected="1 invoice",
                        found=found,
                    )
                )
            of_tenant = select(columns.invoice_id).where(columns.tenant == tenant)
            ids = [row.invoice_id for row in connection.execute(of_tenant)]
            parameters: Parameters = {"tenant": tenant, "at_most": _LISTED_MAX}
            rows = self._store.query_columns(Query(_WITHOUT_INVOICE, parameters, {_WANTED: _ids(ids)}))
            for row in rows.to_pylist():
                customer_id = customer_of.get(row["subscription_id"])
                if customer_id is None:
                    findings.leave(
                        Check.INVOICES, "lines of a subscription that the catalog doesn't have, never issued"
                    )
                    continue
                key = InvoiceKey(customer_id, row["currency"], row["start_us"], row["end_us"])
                if _is_never_issued(connection, tenant, key, row["invoice_id"]):
                    findings.leave(Check.INVOICES, "lines of a run that is under way, or was overtaken")
                    continue
                found = f"{row['line_count']} lines"
                findings.differs(
                    BookedDifference(
                        DifferenceKind.NO_INVOICE,
                        customer_id,
                        row["invoice_id"],
                        what=row["subscription_id"],
                        expected="an invoice",
                        found=found,
                    )
                )


def _header(row: Row[Any]) -> Header:
    return Header(
        invoice_id=row.invoice_id,
        number=row.number,
        key=BillingPeriodKey(row.customer_id, row.currency, row.period_start_us, row.period_end_us),
        is_void=row.state == InvoiceState.VOID.value,
        is_erased=row.erased_at_us is not None,
        as_of_us=row.as_of_us,
        catalog_revision=row.catalog_revision,
        issued_at_us=row.issued_at_us,
        voided_at_us=row.voided_at_us or 0,
        line_count=row.line_count,
        sums={name: getattr(row, name) for name in _SUMS},
        from_us=row.from_us or 0,
        part=row.part,
    )


def _ids(invoice_ids: Iterable[str]) -> pa.Table:
    return pa.table({"invoice_id": pa.array(list(invoice_ids), pa.string())})


def _header_differences(of: Header, sums: Mapping[str, Any] | None) -> Iterator[BookedDifference]:
    def differs(kind: DifferenceKind, what: str, expected: str, found: str) -> BookedDifference:
        """`expected`: what the lines say."""
        key = of.key
        return BookedDifference(kind, key.customer_id, of.invoice_id, of.number, 0, what, expected, found)

    if sums is None:
        if of.line_count:
            lines = f"{of.line_count} lines"
            yield differs(DifferenceKind.NO_LINES, "lines", lines, "no line")
        return
    if sums["line_count"] != of.line_count:
        yield differs(DifferenceKind.LINE_COUNT, "lines", str(of.line_count), str(sums["line_count"]))
    # After an erasure lines don't say what they are of: their ids are empty.
    if sums["twice"] and not of.is_erased:
        yield differs(DifferenceKind.LINE_TWICE, "lines", "each once", f"{sums['twice']} more")
    for name in _SUMS:
        text = minor_text(sums[name], of.key.currency)
        if Fraction(text) != Fraction(of.sums[name]):
            yield differs(DifferenceKind.HEADER_SUM, name, text, of.sums[name])


def _gaps(connection: Connection, tenant: str) -> list[int]:
    """Numbers that were given and have no invoice: of each gap the first."""
    here, series = INVOICES.c, INVOICE_SERIES.c
    behind = connection.scalar(select(series.next_number).where(series.tenant == tenant)) or 1
    numbers = sorted(connection.scalars(select(here.number).where(here.tenant == tenant)))
    found, last = [], 0
    for number in [*numbers, behind]:
        if number > last + 1:
            found.append(last + 1)
        last = number
    return found


def _billed_twice(connection: Connection, tenant: str) -> Sequence[Row[Any]]:
    columns = INVOICES.c
    key = (
        *(columns.customer_id, columns.currency, columns.period_start_us, columns.period_end_us),
        columns.part,
    )
    wanted = (
        select(*key, func.count().label("invoices"), func.max(columns.number).label("number"))
        .where(columns.tenant == tenant, columns.state != InvoiceState.VOID.value)
        .group_by(*key)
        .having(func.count() > 1)
        .limit(_LISTED_MAX)
    )
    return connection.execute(wanted).all()


def _is_never_issued(connection: Connection, tenant: str, key: InvoiceKey, invoice_id: str) -> bool:
    """Whether lines are of a run that is under way, or of one that another one overtook: it left them behind."""
    columns = INVOICES.c
    is_billed = connection.scalar(
        select(func.count()).where(
            columns.tenant == tenant,
            columns.customer_id == key.customer_id,
            columns.currency == key.currency,
            columns.period_start_us == key.start_us,
            columns.period_end_us == key.end_us,
        )
    )
    run = connection.execute(
        select(CLOSES.c.ended_at_us).where(
            CLOSES.c.tenant == tenant, CLOSES.c.close_id == close_id_of(invoice_id)
        )
    ).first()
    return run is not None and (bool(is_billed) or run.ended_at_us is None)
