"""Invoice items given to a running engine: in which period they are billed, when they go again, and who may do it."""

import csv
import http.client
import json
import secrets
from functools import partial
from itertools import pairwise

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import invoice_items_pb2 as pb
from meterline.v1.access_pb2 import CreateApiKeyRequest, ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.invoice_items_pb2_grpc import InvoiceItemServiceStub
from meterline.v1.invoices_pb2 import ListInvoiceLinesRequest
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine.api_world import refusal
from tests.support.engine.tenant_world import TenantWorld

CATALOG = """
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 10}]}
  - {id: week, name: Week, currency: USD, billing_period: week, prices: [{id: fee, model: flat, flat_amount: 3}]}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
  - {id: tokyo, name: Tokyo, time_zone: Asia/Tokyo}
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-15}
  - {customer: bolt, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: week, start: 2025-10-01}
"""


def made(engine, channel):
    """A tenant of its own."""
    found = TenantWorld.of(engine, channel, f"test_items_{secrets.token_hex(8)}", CATALOG)
    found.items = InvoiceItemServiceStub(found.channel)
    return found


TAXES = """
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 20}]}]
customers: [{id: acme, name: Acme, tax_region: home}]
"""


def written(path, text):
    path.write_text(text)
    return path


def lines_of(world, number, plan):
    """The lines of an invoice whose plans begin so."""
    request = ListInvoiceLinesRequest(number=number)
    found = InvoiceServiceStub(world.channel).ListInvoiceLines(request, timeout=60).lines
    return [each for each in found if each.plan_id.startswith(plan)]


@pytest.fixture
def world(either_engine, either_channel):
    found = made(either_engine, either_channel)
    yield found
    found.channel.close()


def give(world, customer="acme", amount="100.00", at="2025-11-20T00:00:00Z", currency="USD", **fields):
    request = pb.CreateInvoiceItemRequest(
        customer_id=customer, description="Setup", currency=currency, amount=amount, **fields
    )
    request.service_start.FromJsonString(at)
    return world.items.CreateInvoiceItem(request, timeout=60).invoice_item


def period(item):
    return tuple(each.ToJsonString()[:16] for each in (item.period_start, item.period_end))


def shown(world, item):
    request = pb.GetInvoiceItemRequest(invoice_item_id=item)
    return world.items.GetInvoiceItem(request, timeout=60).invoice_item


def lines(world, number):
    return [(each.price_id, each.amount) for each in lines_of(world, number, "item/")]


def delete(world, item, **fields):
    return world.items.DeleteInvoiceItem(
        pb.DeleteInvoiceItemRequest(invoice_item_id=item, **fields), timeout=60
    )


def test_an_item_is_billed_in_the_period_that_has_its_date_and_ends_first(world):
    """Acme's months begin on the 15th; of bolt's month and week the week ends first; Tokyo has no subscription: its own month."""
    assert period(give(world)) == ("2025-11-15T00:00", "2025-12-15T00:00")
    assert period(give(world, "bolt")) == ("2025-11-19T00:00", "2025-11-26T00:00")
    assert period(give(world, "tokyo", "1")) == ("2025-10-31T15:00", "2025-11-30T15:00")
    # Acme buys nothing in euros.
    assert period(give(world, currency="EUR")) == ("2025-11-01T00:00", "2025-12-01T00:00")


def test_what_is_given_for_a_closed_period_is_billed_in_the_next_one(world):
    """Also where the customer had no invoice in it, as in euros."""
    world.run("close", "--from", "2025-10-01", "--to", "2025-12-15")
    assert period(give(world, at="2025-11-20T00:00:00Z")) == ("2025-12-15T00:00", "2026-01-15T00:00")
    assert period(give(world, currency="EUR")) == ("2025-12-01T00:00", "2026-01-01T00:00")


def test_an_item_is_on_one_invoice_and_says_which(world):
    item = give(world, amount="-3.50", product="goodwill", untaxed=True)
    assert (item.amount, item.product, item.untaxed, item.invoice) == ("-3.50", "goodwill", True, "")
    spend = SpendServiceStub(world.channel)
    request = GetSpendRequest(customer_id="acme")
    request.at.FromJsonString("2025-12-01T00:00:00Z")
    assert [each.amount for each in spend.GetSpend(request, timeout=60).spends] == ["6.50"]
    world.run("close", "--from", "2025-12-01", "--to", "2026-01-01")
    number = shown(world, item.invoice_item_id).invoice
    assert lines(world, number) == [(item.invoice_item_id, "-3.50")]
    world.run("invoices", "void", number, "--reason", "wrong")
    assert shown(world, item.invoice_item_id).invoice == ""
    world.run("close", "--from", "2025-12-01", "--to", "2026-01-01")
    again = shown(world, item.invoice_item_id).invoice
    assert again not in ("", number)
    assert lines(world, again) == [(item.invoice_item_id, "-3.50")]


def test_an_item_goes_while_no_invoice_has_it(world):
    item = give(world, invoice_item_id="setup").invoice_item_id
    world.run("close", "--from", "2025-12-01", "--to", "2026-01-01")
    number = shown(world, item).invoice
    refused = refusal(partial(delete, world, item))
    assert refused[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert f"{number} has it" in refused[1]
    world.run("invoices", "void", number, "--reason", "wrong")
    delete(world, item)
    assert refusal(partial(shown, world, item))[0] is grpc.StatusCode.NOT_FOUND
    assert refusal(partial(delete, world, item))[0] is grpc.StatusCode.NOT_FOUND
    world.run("close", "--from", "2025-12-01", "--to", "2026-01-01")
    (last, *_) = world.said("invoices", "list", "--customer", "acme", "--limit", "1")[1:]
    assert lines(world, last[0]) == []


def test_the_same_request_with_the_same_key_is_the_same_item(world):
    """Another one with the key is refused, and so is another with the id."""
    first = give(world, idempotency_key="ticket-7")
    assert give(world, idempotency_key="ticket-7") == first
    refused = refusal(partial(give, world, amount="7", idempotency_key="ticket-7"))
    assert refused[0] is grpc.StatusCode.ALREADY_EXISTS
    refused = refusal(partial(give, world, invoice_item_id=first.invoice_item_id, idempotency_key="ticket-8"))
    assert refused[0] is grpc.StatusCode.ALREADY_EXISTS
    assert len(world.items.ListInvoiceItems(pb.ListInvoiceItemsRequest(), timeout=60).invoice_items) == 1


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"amount": "1e13"}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"product": "no blank"}, "product"),
        ({"invoice_item_id": "a/b"}, "invoice_item_id"),
    ],
)
def test_what_is_wrong_is_named_as_the_request_calls_it(world, fields, named):
    refused = refusal(partial(give, world, **fields))
    assert refused[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert refused[1].startswith(f"{named}:")


def test_a_customer_that_is_not_there_has_no_items(world):
    assert refusal(partial(give, world, "nobody"))[0] is grpc.StatusCode.NOT_FOUND


def test_items_are_listed_the_newest_first_page_by_page(world):
    for number in range(3):
        give(world, invoice_item_id=f"i{number}")
    give(world, "bolt", invoice_item_id="other")
    found, token = [], ""
    while True:
        request = pb.ListInvoiceItemsRequest(customer_id="acme", page_size=2, page_token=token)
        page = world.items.ListInvoiceItems(request, timeout=60)
        found.append([each.invoice_item_id for each in page.invoice_items])
        token = page.next_page_token
        if not token:
            break
    assert found == [["i2", "i1"], ["i0"]]


def test_the_scope_bill_gives_items_and_no_narrower_one(world):
    """A key that is bound to a customer sees its own, and gives none; who gave one is in the audit log."""
    admin = AccessServiceStub(world.channel)

    def stub(**fields):
        key = admin.CreateApiKey(CreateApiKeyRequest(name="k", **fields), timeout=120).key_text
        channels.append(open_channel(world._target, api_key=key))
        return InvoiceItemServiceStub(channels[-1])

    channels = []
    give(world, invoice_item_id="setup")
    create = pb.CreateInvoiceItemRequest(
        customer_id="acme", description="D", currency="USD", amount="1", invoice_item_id="second"
    )
    reader, biller = stub(scopes=["SCOPE_READ"]), stub(scopes=["SCOPE_BILL"])
    assert (
        refusal(lambda: reader.CreateInvoiceItem(create, timeout=120))[0] is grpc.StatusCode.PERMISSION_DENIED
    )
    assert biller.CreateInvoiceItem(create, timeout=120).invoice_item.invoice_item_id == "second"
    records = admin.ListAuditRecords(ListAuditRecordsRequest(), timeout=120).audit_records
    told = [(each.operation.partition(".")[2], each.subject, each.code) for each in records]
    given = [subject for name, subject, code in told if (name, code) == ("CreateInvoiceItem", "OK")]
    assert given == ["second", "setup"]
    for each in channels:
        each.close()


def test_the_command_gives_lists_and_deletes(world):
    made = world.run(
        *("items", "create", "--customer", "acme", "--amount", "1200.5", "--currency", "USD"),
        *("--description", "Setup on site", "--date", "2025-11-20", "--id", "setup"),
    )
    assert made.stdout == "setup: 1,200.50 USD of acme, on the invoice of 2025-11-15 to 2025-12-15\n"
    listed = world.run("items", "list", "--customer", "acme").stdout.splitlines()
    assert listed == [
        "item   customer        amount  period                    invoice  description",
        "setup  acme      1,200.50 USD  2025-11-15 to 2025-12-15  -        Setup on site",
    ]
    assert world.run("items", "show", "setup").stdout.splitlines() == listed
    assert world.run("items", "delete", "setup").stdout == "setup is deleted: it will be on no invoice\n"
    assert world.run("items", "list").stdout == "no item\n"


def test_items_are_given_over_http_too(tmp_path):
    """By the same table of operations."""
    with EngineProcess(tmp_path / "data", "--http-listen", "127.0.0.1:0") as engine:
        _give_over_http(engine)


def _give_over_http(engine):
    with open_channel(engine.target, api_key=engine.api_key) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
    body = {
        "customer_id": "acme",
        "description": "D",
        "currency": "USD",
        "amount": "2.5",
        "invoice_item_id": "h",
    }
    connection = http.client.HTTPConnection("127.0.0.1", engine.http_port, timeout=120)
    headers = {"Authorization": f"Bearer {engine.api_key}", "Content-Type": "application/json"}
    path = "/meterline.v1.InvoiceItemService/CreateInvoiceItem"
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    assert (answer.status, found["invoice_item"]["amount"]) == (200, "2.50")
    connection.close()


def test_every_paper_and_export_knows_an_item(world, tmp_path):
    """100.00 and 20 % of it for a setup, 3.50 given back that isn't taxed, and a fee of 10.00 with its 2.00."""
    world.run("apply", "-f", str(written(tmp_path / "taxes.yaml", TAXES)))
    give(world, invoice_item_id="setup")
    give(world, amount="-3.50", untaxed=True, invoice_item_id="sorry", product="goodwill")
    world.run("close", "--from", "2025-12-01", "--to", "2026-01-01")
    number = shown(world, "setup").invoice
    assert "128.50 USD" in world.run("invoices", "show", number).stdout
    paper, page = tmp_path / "i.json", tmp_path / "i.html"
    for path in (paper, page):
        world.run("invoices", "document", number, "-o", str(path))
    document = json.loads(paper.read_text())
    named = sorted((each["plan_name"], each["amount"]) for each in document["sections"])
    assert named == [("Pro", "10.00"), ("Setup", "-3.50"), ("Setup", "100.00")]
    assert "Setup" in page.read_text()
    # Lines are by subscription, and item/ comes behind acme.
    assert "Setup is given back once: 3.50 USD." in world.run("explain", f"{number}/3").stdout
    said = world.run("explain", f"{number}/2", "--replay").stdout
    assert "Setup is charged once: 100.00 USD.\n20 % vat on top: 20.00 USD.\n" in said
    assert said.endswith("replayed from stored events: the same events, quantity and amounts, to the cent\n")
    journal = world.run("journal", "--format", "ledger").stdout
    for posting in ("Income:One-Off-Items  -100.00 USD", "Income:Revenue:Goodwill  3.50 USD"):
        assert posting in journal
    focus = tmp_path / "focus.csv"
    world.run("invoices", "export", "--period", "2025-12", "--issuer", "Shop", "-o", str(focus))
    with focus.open(newline="") as file:
        rows = [each for each in csv.DictReader(file) if each["x_PriceId"] in ("setup", "sorry")]
    found = [(each["ChargeCategory"], each["ServiceName"], each["BilledCost"]) for each in rows]
    assert sorted(found) == [
        ("Purchase", "One-off items", "100.00"),
        ("Purchase", "goodwill", "-3.50"),
        ("Tax", "One-off items", "20.00"),
    ]
    assert {each["ChargeFrequency"] for each in rows} == {"One-Time"}
    judged = world.run("reconcile-billing", "--from", "2025-12-01", "--to", "2026-01-01").stdout
    # Bolt's month and five weeks besides.
    assert "2 customers: everything that was judged is right" in judged
    assert ["lines", "9", "0"] in [line.split()[:3] for line in judged.splitlines()]
    statement = world.run("statement", "acme", "--currency", "USD").stdout
    assert "128.50" in statement


def test_an_erased_customers_items_name_the_pseudonym(world):
    """Descriptions and ids: also on the lines of the invoice that has one."""
    give(world, invoice_item_id="setup-of-acme")
    world.run("close", "--from", "2025-12-01", "--to", "2026-01-01")
    give(world, invoice_item_id="more-for-acme", at="2026-01-20T00:00:00Z")
    exported = world.run("customers", "export", "acme").stdout
    assert exported.count("setup-of-acme") >= 2
    world.run("customers", "erase", "acme", "--yes")
    found = world.items.ListInvoiceItems(pb.ListInvoiceItemsRequest(), timeout=60).invoice_items
    assert len(found) == 2
    for each in found:
        assert each.customer_id.startswith("erased-")
        assert each.description == each.customer_id
        assert "acme" not in each.invoice_item_id
    (bare,) = lines_of(world, "INV-000001", "item/")
    assert (bare.price_id, bare.amount) == ("item", "100.00")


def test_two_tenants_have_items_of_one_id(either_engine, either_channel):
    """Neither sees, nor deletes, the other's."""
    worlds = [made(either_engine, either_channel) for _ in range(2)]
    for one, other in pairwise([*worlds, worlds[0]]):
        assert refusal(partial(shown, other, f"of-{id(one)}"))[0] is grpc.StatusCode.NOT_FOUND
    give(worlds[0], amount="1", invoice_item_id="same")
    give(worlds[1], amount="2", invoice_item_id="same")
    delete(worlds[0], "same")
    assert shown(worlds[1], "same").amount == "2.00"
    for world in worlds:
        world.channel.close()
