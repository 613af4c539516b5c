"""Drafts of a running engine: pages of one watermark, lines as they are issued, and who did what in the audit log."""

import secrets

import grpc
import pytest

from meterline.v1 import draft_invoices_pb2 as pb
from meterline.v1.access_pb2 import ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.draft_invoices_pb2_grpc import DraftInvoiceServiceStub
from meterline.v1.invoices_pb2 import ListInvoiceLinesRequest
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from tests.support.engine.tenant_world import TenantWorld

CATALOG = """
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10}, {id: seat, model: flat, flat_amount: 5}]}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
  - {id: cole, name: Cole}
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: pro, start: 2025-10-01}
  - {customer: cole, plan: pro, start: 2025-10-01}
"""


@pytest.fixture
def world(either_engine, either_channel):
    tenant = f"test_drafts_{secrets.token_hex(8)}"
    found = TenantWorld.of(either_engine, either_channel, tenant, CATALOG)
    found.drafts = DraftInvoiceServiceStub(found.channel)
    yield found
    found.channel.close()


def in_october(*customers):
    """The periods that end on 1 November."""
    found = pb.DraftInvoiceFilter(customer_ids=customers)
    found.period_end_after.FromJsonString("2025-10-31T00:00:00Z")
    found.period_end_until.FromJsonString("2025-11-01T00:00:00Z")
    return found


def of_october(kind, customer, **fields):
    found = kind(customer_id=customer, **fields)
    found.period_start.FromJsonString("2025-10-01T00:00:00Z")
    found.period_end.FromJsonString("2025-11-01T00:00:00Z")
    return found


def pages(call, request):
    while True:
        page = call(request, timeout=60)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def listed(world, size=0, *customers):
    request = pb.ListDraftInvoicesRequest(filter=in_october(*customers), page_size=size)
    found = list(pages(world.drafts.ListDraftInvoices, request))
    assert len({page.as_of.ToNanoseconds() for page in found}) == 1
    return [
        (each.customer_id, each.amounts.due, each.hold.reason)
        for page in found
        for each in page.draft_invoices
    ]


def test_drafts_are_listed_held_and_approved_in_pages_and_each_act_is_audited(world):
    """A step has one customer; what is held is counted and left; the lines of a draft are those of its invoice."""
    assert listed(world, 1) == [("acme", "15.00", ""), ("bolt", "15.00", ""), ("cole", "15.00", "")]
    hold = of_october(pb.HoldDraftInvoiceRequest, "bolt", reason="asks back")
    assert world.drafts.HoldDraftInvoice(hold, timeout=60).hold.reason == "asks back"
    assert listed(world, 0, "bolt") == [("bolt", "15.00", "asks back")]
    wanted = of_october(pb.GetDraftInvoiceRequest, "acme", currency="USD", page_size=1)
    lines = [each for page in pages(world.drafts.GetDraftInvoice, wanted) for each in page.lines]
    assert [each.amount for each in lines] == ["10.00", "5.00"]

    request = pb.ApproveDraftInvoicesRequest(filter=in_october(), reason="looked at", page_size=1)
    issued, held = [], 0
    for page in pages(world.drafts.ApproveDraftInvoices, request):
        request.approval_id = page.approval_id
        issued += [(each.number, each.customer_id, each.amounts.due) for each in page.issued]
        held += page.held_invoice_count
    assert (issued, held) == ([("INV-000001", "acme", "15.00"), ("INV-000002", "cole", "15.00")], 1)
    billed = InvoiceServiceStub(world.channel).ListInvoiceLines(
        ListInvoiceLinesRequest(number="INV-000001"), timeout=60
    )
    assert list(billed.lines) == lines
    release = of_october(pb.ReleaseDraftInvoiceRequest, "bolt", reason="settled")
    world.drafts.ReleaseDraftInvoice(release, timeout=60)
    assert listed(world) == [("bolt", "15.00", "")]

    records = (
        AccessServiceStub(world.channel).ListAuditRecords(ListAuditRecordsRequest(), timeout=60).audit_records
    )
    said = [each.subject for each in records if each.operation.startswith("DraftInvoiceService.")]
    period = "bolt 2025-10-01T00:00:00Z to 2025-11-01T00:00:00Z"
    assert f"{period}: asks back" in said
    assert f"{period}: settled" in said
    assert any(each.startswith(request.approval_id) and each.endswith(": looked at") for each in said)


def test_an_approval_goes_on_with_the_filter_that_it_began_with(world):
    """Another filter with its token is refused, as is a token without the approval; nothing more is issued."""
    request = pb.ApproveDraftInvoicesRequest(filter=in_october(), page_size=1)
    first = world.drafts.ApproveDraftInvoices(request, timeout=60)
    assert [each.customer_id for each in first.issued] == ["acme"]
    for other in (
        pb.ApproveDraftInvoicesRequest(approval_id=first.approval_id, page_token=first.next_page_token),
        pb.ApproveDraftInvoicesRequest(filter=in_october(), page_token=first.next_page_token),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            world.drafts.ApproveDraftInvoices(other, timeout=60)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert listed(world) == [("bolt", "15.00", ""), ("cole", "15.00", "")]
