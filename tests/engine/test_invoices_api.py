"""Billing periods closed through a running engine, on both catalog stores: invoices, late usage, voids, and two who close at once."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import invoices_pb2 as pb
from meterline.v1.access_pb2 import CreateApiKeyRequest, CreateTenantRequest, ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub, TenantServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.engine.api_world import refusal

# 10 for the month, and 0.50 a call; 8 % are on top for acme alone.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
tax_regions:
  - {id: home, name: Home, rates: [{id: vat, percent: 8}]}
customers:
  - {id: acme, name: Acme, tax_region: home}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: pro, start: 2025-10-01}
"""
NOVEMBER = ("2025-11-01", "2025-12-01")
DECEMBER = ("2025-12-01", "2026-01-01")
_TENANTS = itertools.count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request, tmp_path_factory):
    """An engine of their own, on either catalog store."""
    options = ["--event-age-max-days", "36525"]
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_url().replace("+psycopg", "")
        options += ["--catalog-store", url]
    with EngineProcess(tmp_path_factory.mktemp("invoices") / "data", *options) as running:
        yield running


class World:
    """A tenant of its own."""

    def __init__(self, target, key):
        self.channel = open_channel(target, api_key=key)
        self.invoices = InvoiceServiceStub(self.channel)
        self._ids = itertools.count(1)

    def apply(self, text):
        CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=text), timeout=60)

    def use(self, customer, day, value):
        event = UsageEvent(event_id=f"e{next(self._ids)}", event_type="call", customer_id=customer)
        event.event_time.FromJsonString(f"{day}T12:00:00Z")
        event.properties["value"].CopyFrom(PropertyValue(string_value=value))
        UsageServiceStub(self.channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=60)

    def close(self, span, **fields):
        """The answers to all calls of a run."""
        after, until = span
        request = pb.ClosePeriodsRequest(**fields)
        request.period_end_after.FromJsonString(f"{after}T00:00:00Z")
        request.period_end_until.FromJsonString(f"{until}T00:00:00Z")
        answers = [self.invoices.ClosePeriods(request, timeout=120)]
        while token := answers[-1].next_page_token:
            later = pb.ClosePeriodsRequest(close_id=answers[-1].close_id, page_token=token)
            later.page_size = request.page_size
            answers.append(self.invoices.ClosePeriods(later, timeout=120))
        return answers

    def listed(self, **fields):
        """Invoices, a page for each."""
        request, found = pb.ListInvoicesRequest(page_size=1, **fields), []
        while True:
            page = self.invoices.ListInvoices(request, timeout=60)
            found += page.invoices
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    def lines(self, number):
        """Lines of an invoice, a page for each."""
        request, found = pb.ListInvoiceLinesRequest(number=number, page_size=1), []
        while True:
            page = self.invoices.ListInvoiceLines(request, timeout=60)
            found += page.lines
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    def key(self, *scopes, **fields):
        """The text of a new key."""
        request = CreateApiKeyRequest(name="test", scopes=[f"SCOPE_{each}" for each in scopes], **fields)
        return AccessServiceStub(self.channel).CreateApiKey(request, timeout=60).key_text


@pytest.fixture
def world(served):
    with open_channel(served.target, api_key=served.api_key) as operator:
        request = CreateTenantRequest(tenant=f"t{next(_TENANTS)}")
        tenant = TenantServiceStub(operator).CreateTenant(request, timeout=60)
    made = World(served.target, tenant.key_text)
    made.apply(CATALOG)
    yield made
    made.channel.close()


def due(invoices):
    return [(each.number, each.customer_id, each.amounts.due) for each in invoices]


def test_a_month_becomes_invoices_with_lines_and_sums(world):
    """Acme: 10 + 4 x 0.50 = 12.00, and 8 % are 0.96. Bolt: 10.00."""
    world.use("acme", "2025-11-05", "4")
    (answer,) = world.close(NOVEMBER)
    assert due(answer.issued) == [("INV-000001", "acme", "12.96"), ("INV-000002", "bolt", "10.00")]
    assert (answer.issued_invoice_count, answer.closed_subscription_count, answer.subscription_count) == (
        2,
        2,
        2,
    )
    (total,) = answer.issued_totals
    assert (total.currency, total.invoice_count, total.amounts.amount, total.amounts.due) == (
        "USD",
        2,
        "22.00",
        "22.96",
    )
    first = world.invoices.GetInvoice(pb.GetInvoiceRequest(number="INV-000001"), timeout=60).invoice
    assert first == answer.issued[0]
    amounts = first.amounts
    sums = Decimal(amounts.amount) - Decimal(amounts.discounts) + Decimal(amounts.commitments)
    assert sums - Decimal(amounts.credits) - Decimal(amounts.included_tax) + Decimal(amounts.tax) == Decimal(
        amounts.due
    )
    lines = world.lines("INV-000001")
    assert [(each.line_number, each.price_id, each.quantity, each.amount, each.tax, each.due) for each in lines] == [
        (1, "fee", "0", "10.00", "0.80", "10.80"),
        (2, "calls", "4", "2.00", "0.16", "2.16"),
    ]  # fmt: skip
    assert {(each.is_adjustment, each.corrects_number) for each in lines} == {(False, "")}
    assert due(world.listed()) == [("INV-000002", "bolt", "10.00"), ("INV-000001", "acme", "12.96")]


def test_closing_again_issues_nothing(world):
    """The same span is a run of its own when the first has ended: all stands."""
    first, (again,) = world.close(NOVEMBER), world.close(NOVEMBER)
    assert (again.issued_invoice_count, again.standing_invoice_count) == (0, 2)
    assert again.close_id != first[0].close_id


def test_late_usage_is_on_the_next_invoice_and_names_the_one_that_it_corrects(world):
    """Three calls of November, recorded after its close: 1.50 and 0.12 more, beside December's 10.80."""
    world.close(NOVEMBER)
    world.use("acme", "2025-11-30", "3")
    (answer,) = world.close(DECEMBER)
    assert answer.adjustment_line_count == 1
    assert due(answer.issued) == [("INV-000003", "acme", "12.42"), ("INV-000004", "bolt", "10.00")]
    *own, late = world.lines("INV-000003")
    assert {each.is_adjustment for each in own} == {False}
    assert (late.is_adjustment, late.corrects_number, late.period_start.ToJsonString()) == (
        True,
        "INV-000001",
        "2025-11-01T00:00:00Z",
    )
    assert (late.quantity, late.event_count, late.amount, late.tax, late.due) == (
        "3",
        1,
        "1.50",
        "0.12",
        "1.62",
    )


def test_a_void_invoice_is_billed_anew_under_another_number(world):
    """Both stay: the void one with its reason, and who did it in the audit log."""
    world.close(NOVEMBER)
    request = pb.VoidInvoiceRequest(number="INV-000001", reason="wrong address")
    voided = world.invoices.VoidInvoice(request, timeout=60).invoice
    assert (voided.state, voided.void_reason, voided.HasField("voided_at")) == (
        pb.INVOICE_STATE_VOID,
        "wrong address",
        True,
    )
    code, line, details = refusal(lambda: world.invoices.VoidInvoice(request, timeout=60))
    assert (code, details["ErrorInfo"].reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INVOICE_STATE")
    assert "INV-000001 is void" in line
    (answer,) = world.close(NOVEMBER)
    assert due(answer.issued) == [("INV-000003", "acme", "10.80")]
    assert [each.number for each in world.listed(state="INVOICE_STATE_VOID")] == ["INV-000001"]
    assert [each.number for each in world.listed(state="INVOICE_STATE_ISSUED", customer_id="acme")] == [
        "INV-000003"
    ]
    records = AccessServiceStub(world.channel).ListAuditRecords(ListAuditRecordsRequest(), timeout=60)
    told = [(each.operation, each.subject, each.code) for each in records.audit_records]
    span = "2025-11-01T00:00:00Z to 2025-12-01T00:00:00Z"
    assert told[:3] == [
        ("InvoiceService.ClosePeriods", span, "OK"),
        ("InvoiceService.VoidInvoice", "INV-000001", "FAILED_PRECONDITION"),
        ("InvoiceService.VoidInvoice", "INV-000001", "OK"),
    ]


def test_usage_of_a_running_period_is_billed_by_threshold_and_by_hand(world):
    """16 x 0.50 are 8.00, above a threshold of 7.00, and 8 % on top; then 2 x 0.50 by hand, below it."""
    now = datetime.now(UTC)
    start = f"start: {now - timedelta(days=40):%Y-%m-%d}, invoicing_threshold: 7"
    world.apply(CATALOG.replace("start: 2025-10-01", start))
    today = f"{now - timedelta(days=1):%Y-%m-%d}"
    world.use("acme", today, "16")
    world.use("bolt", today, "13")
    request = pb.IssueThresholdInvoicesRequest(page_size=1)
    pages = [world.invoices.IssueThresholdInvoices(request, timeout=120)]
    while token := pages[-1].next_page_token:
        request.page_token = token
        pages.append(world.invoices.IssueThresholdInvoices(request, timeout=120))
    issued = [each for page in pages for each in page.issued]
    assert [(each.customer_id, each.part, each.amounts.due) for each in issued] == [("acme", 1, "8.64")]
    assert [(each.price_id, each.is_adjustment) for each in world.lines("INV-000001")] == [("calls", False)]
    world.use("acme", today, "2")
    by_hand = pb.IssueThresholdInvoicesRequest(customer_id="acme", regardless=True)
    answer = world.invoices.IssueThresholdInvoices(by_hand, timeout=120)
    assert [(each.part, each.amounts.due) for each in answer.issued] == [(2, "1.08")]
    everyone = pb.IssueThresholdInvoicesRequest(regardless=True)
    code, _, details = refusal(lambda: world.invoices.IssueThresholdInvoices(everyone, timeout=60))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == ["regardless"]


def test_a_customer_with_usage_that_a_price_cannot_rate_is_left_open(world):
    """A matrix without a cell for mars: acme is named with the reason; bolt is billed."""
    world.apply(
        "meters: [{id: trips, event_type: call, aggregation: sum, value: value, group_by: [region]}]\n"
        "plans: [{id: far, name: Far, currency: USD, prices: [{id: trips, meter: trips, model: matrix, "
        "dimensions: [region], cells: [{match: {region: moon}, unit_amount: 1}]}]}]\n"
        "subscriptions: [{customer: acme, plan: far, start: 2025-10-01}]"
    )
    world.use("acme", "2025-11-05", "4")
    (answer,) = world.close(NOVEMBER)
    assert due(answer.issued) == [("INV-000001", "bolt", "10.00")]
    assert answer.open_customer_count == 1
    (customer,) = answer.unrateable_customers
    assert (customer.customer_id, "price trips" in customer.message) == ("acme", True)


def test_two_who_close_the_same_month_at_once_make_one_set_of_invoices(world):
    """Customer by customer, both at once: each period has one invoice, and no number is missing."""
    names = [f"c{number}" for number in range(8)]
    world.apply(
        f"customers: [{', '.join(f'{{id: {name}, name: C}}' for name in names)}]\n"
        f"subscriptions: [{', '.join(f'{{customer: {name}, plan: pro, start: 2025-10-01}}' for name in names)}]"
    )
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda _: world.close(NOVEMBER, page_size=1), range(2)))
    found = world.listed()
    assert sorted(each.customer_id for each in found) == sorted(["acme", "bolt", *names])
    assert sorted(each.number for each in found) == [f"INV-{number:06}" for number in range(1, 11)]
    assert sum(each.issued_invoice_count for run in answers for each in run) == 10
    assert {run[-1].closed_subscription_count for run in answers} == {10}


def test_the_key_of_a_customer_reads_its_own_invoices_alone(served, world):
    """Of another's it does not learn whether they exist; and it neither closes nor voids."""
    world.close(NOVEMBER)
    portal = World(served.target, world.key("READ", "BILL", customer_id="bolt"))
    assert [each.number for each in portal.listed(customer_id="bolt")] == ["INV-000002"]
    own = {"number": "INV-000002", "customer_id": "bolt"}
    assert portal.invoices.GetInvoice(pb.GetInvoiceRequest(**own), timeout=60).invoice.amounts.due == "10.00"
    lines = portal.invoices.ListInvoiceLines(pb.ListInvoiceLinesRequest(**own), timeout=60).lines
    assert [each.amount for each in lines] == ["10.00", "0.00"]
    get, read = portal.invoices.GetInvoice, portal.invoices.ListInvoiceLines
    for number in ("INV-000001", "INV-000099"):
        for method, request in ((get, pb.GetInvoiceRequest), (read, pb.ListInvoiceLinesRequest)):
            asked = request(number=number, customer_id="bolt")
            code, line, _ = refusal(lambda asked=asked, method=method: method(asked, timeout=60))
            assert (code, line) == (grpc.StatusCode.NOT_FOUND, f"there is no invoice {number}")
    for call in (
        lambda: portal.listed(customer_id="acme"),
        portal.listed,
        lambda: get(pb.GetInvoiceRequest(number="INV-000001"), timeout=60),
        lambda: portal.close(DECEMBER),
        lambda: portal.invoices.VoidInvoice(pb.VoidInvoiceRequest(number="INV-000002", reason="x")),
    ):
        assert refusal(call)[0] is grpc.StatusCode.PERMISSION_DENIED
    portal.channel.close()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"close_id": "0123"}, "close_id"),
        ({"close_id": "0123456789abcdef", "grace_s": 1}, "grace_s"),
        ({"close_id": "0123456789abcdef", "page_token": "x"}, "page_token"),
        ({"page_token": "x"}, "close_id"),
        ({}, "period_end_until"),
        ({"page_size": 10_001}, "page_size"),
    ],
)
def test_a_request_to_close_that_says_nothing_clear_is_refused(world, fields, field):
    """By the name of the field."""
    asked = pb.ClosePeriodsRequest(**fields)
    code, _, details = refusal(lambda: world.invoices.ClosePeriods(asked, timeout=60))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == [field]


@pytest.mark.parametrize(
    ("method", "request_of", "field"),
    [
        ("GetInvoice", pb.GetInvoiceRequest(), "number"),
        ("GetInvoice", pb.GetInvoiceRequest(number="42"), "number"),
        ("GetInvoice", pb.GetInvoiceRequest(invoice_id="42"), "invoice_id"),
        ("VoidInvoice", pb.VoidInvoiceRequest(number="INV-000001"), "reason"),
        ("VoidInvoice", pb.VoidInvoiceRequest(number="INV-000001", reason="a\0b"), "reason"),
        ("ListInvoices", pb.ListInvoicesRequest(customer_id="a\0b"), "customer_id"),
        ("ListInvoices", pb.ListInvoicesRequest(page_token="x"), "page_token"),
    ],
)
def test_what_names_no_invoice_is_refused(world, method, request_of, field):
    """By the name of the field, on either store."""
    code, _, details = refusal(lambda: getattr(world.invoices, method)(request_of, timeout=60))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [each.field for each in details["BadRequest"].field_violations] == [field]
