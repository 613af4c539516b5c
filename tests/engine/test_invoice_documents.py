"""Invoices and credit notes as documents of a running engine: over gRPC, HTTP and the command line."""

import csv
import http.client
import io
import json
import re
from decimal import Decimal

import grpc
import pytest
from click.testing import CliRunner

from engine.cli import cli
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1 import invoices_pb2 as pb
from meterline.v1.access_pb2 import CreateApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.credit_notes_pb2 import CreateCreditNoteRequest, CreditedLine, GetCreditNoteDocumentRequest
from meterline.v1.credit_notes_pb2_grpc import CreditNoteServiceStub
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.usage_pb2 import PropertyValue, UsageEvent
from tests.support.billing_documents import pages_of
from tests.support.engine.api_world import record, refusal

# January: 1,500 calls are 1,000 x 0.10 + 500 x 0.05 = 125.00, and 10 for the month; 19 % on top is 25.65. A box is begun: 3 x 4.00.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value, unit: calls}
  - {id: files, event_type: file, aggregation: sum, value: value}
plans:
  - id: pro
    name: Pro plan
    currency: EUR
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: graduated, tiers: [{up_to: 1000, unit_amount: 0.10}, {unit_amount: 0.05}]}
      - {id: files, meter: files, model: package, package_size: 100, package_amount: 4}
sellers:
  - {id: us, name: Seller AG, address: {lines: [Hauptstr. 1], postal_code: "10115", city: Berlin, country: DE},
     tax_ids: [{type: eu_vat, value: DE136695976}]}
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 19}]}]
customers:
  - {id: acme, name: Acme, billing_name: "Acme <GmbH>", tax_region: home, time_zone: Europe/Berlin}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: "2026-01-01T00:00:00+01:00"}
  - {customer: bolt, plan: pro, start: 2026-01-01}
"""


class World:
    def __init__(self, running):
        self.running = running
        self.channel = open_channel(running.target, api_key=running.api_key)
        self.invoices = InvoiceServiceStub(self.channel)
        self.notes = CreditNoteServiceStub(self.channel)

    def use(self, event_id, event_type, value, day):
        event = UsageEvent(event_id=event_id, event_type=event_type, customer_id="acme")
        event.event_time.FromJsonString(f"{day}T12:00:00Z")
        event.properties["value"].CopyFrom(PropertyValue(string_value=value))
        record(self.channel, event)

    def close(self, after, until):
        request = pb.ClosePeriodsRequest()
        request.period_end_after.FromJsonString(f"{after}T12:00:00Z")
        request.period_end_until.FromJsonString(f"{until}T12:00:00Z")
        self.invoices.ClosePeriods(request, timeout=120)

    def number(self, customer, of=0):
        """Of the newest invoice of a customer, or of an earlier one."""
        request = pb.ListInvoicesRequest(customer_id=customer)
        return self.invoices.ListInvoices(request, timeout=60).invoices[of].number

    def document(self, number, form="PDF", **fields):
        request = pb.GetInvoiceDocumentRequest(number=number, format=f"DOCUMENT_FORMAT_{form}", **fields)
        return self.invoices.GetInvoiceDocument(request, timeout=60)

    def lines(self, number):
        """By price."""
        listed = self.invoices.ListInvoiceLines(pb.ListInvoiceLinesRequest(number=number), timeout=60).lines
        return {each.price_id: each for each in listed}

    def credit(self, number, **amounts):
        """Gives back so much of each line; the name of the note."""
        lines = self.lines(number)
        request = CreateCreditNoteRequest(
            number=number,
            lines=[
                CreditedLine(line_number=lines[name].line_number, amount=of) for name, of in amounts.items()
            ],
            reason="slow <for> a day",
            idempotency_key=number,
        )
        return self.notes.CreateCreditNote(request, timeout=60).credit_note.number

    def note_document(self, number, form="PDF", **fields):
        request = GetCreditNoteDocumentRequest(number=number, format=f"DOCUMENT_FORMAT_{form}", **fields)
        return self.notes.GetCreditNoteDocument(request, timeout=60)

    def key(self, *scopes, **fields):
        request = CreateApiKeyRequest(name="test", scopes=[f"SCOPE_{each}" for each in scopes], **fields)
        return AccessServiceStub(self.channel).CreateApiKey(request, timeout=60).key_text

    def get(self, path, key=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.running.http_port, timeout=60)
        try:
            headers = {"authorization": f"Bearer {key or self.running.api_key}"}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """January is billed, then February with what came late for January. Of January's calls 30.00 are given back, and the fee: with 19 %
    35.70 and 11.90. So is February, as it is.
    """
    data = tmp_path_factory.mktemp("documents") / "data"
    with EngineProcess(data, "--event-age-max-days", "36525", "--http-listen", "127.0.0.1:0") as running:
        made = World(running)
        CatalogServiceStub(made.channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=60)
        made.use("e1", "call", "1500", "2026-01-10")
        made.use("e2", "file", "250", "2026-01-10")
        made.close("2026-01-01", "2026-02-01")
        made.use("e3", "call", "100", "2026-01-31")
        made.close("2026-02-01", "2026-03-01")
        made.note = made.credit(made.number("acme", 1), calls="30.00", fee="")
        made.correcting_note = made.credit(made.number("acme"), calls="")
        yield made
        made.channel.close()


def test_an_invoice_says_what_its_lines_are_made_of(world):
    """Tiers and boxes that add up; the wall clock of the customer; who sells and who buys, as they were."""
    january = world.document(world.number("acme", 1))
    assert january.content_type == "application/pdf"
    (text,) = pages_of(january.content)
    for said in (
        *("Seller AG", "VAT ID DE136695976", "Acme <GmbH>", "Pro plan"),
        "1,500 calls 125.00",
        *("0 to 1,000: 1,000 × 0.10 = 100.00", "above 1,000: 500 × 0.05 = 25.00"),
        "3 × 4.00 = 12.00",
        *("fee 10.00", "Subtotal 147.00", "Tax 27.93", "Total €174.93"),
    ):
        assert said in text, text
    assert re.search("Jan 1 . 31, 2026", text)


def test_what_corrects_an_earlier_invoice_names_it(world):
    """100 calls late: 5.00 more, apart from February's own lines."""
    number, corrected = world.number("acme"), world.number("acme", 1)
    (text,) = pages_of(world.document(number, locale="de").content)
    assert f"Korrektur von {corrected}, 1.\u201331. Jan. 2026" in text
    assert "calls 100 calls 5,00" in text
    assert "Rechnung an Acme <GmbH>" in text


def test_json_has_the_lines_as_they_are_booked(world):
    """Line by line, the amounts of ListInvoiceLines."""
    number = world.number("acme")
    listed = world.invoices.ListInvoiceLines(pb.ListInvoiceLinesRequest(number=number), timeout=60).lines
    found = json.loads(world.document(number, "JSON").content)
    lines = {line["line_number"]: line for section in found["sections"] for line in section["lines"]}
    assert sorted(lines) == [each.line_number for each in listed]
    for each in listed:
        mine = lines[each.line_number]
        for name in ("amount", "discount", "credit", "included_tax", "tax", "due", "price_id"):
            assert mine[name] == getattr(each, name)
    invoice = world.invoices.GetInvoice(pb.GetInvoiceRequest(number=number), timeout=60).invoice
    totals = {each["name"]: each["amount"] for each in found["totals"]}
    assert totals["due"] == invoice.amounts.due
    assert Decimal(totals["subtotal"]) == sum(Decimal(each.amount) for each in listed)


def test_the_same_bytes_come_again(world):
    """An invoice of which nothing became anything."""
    number = world.number("bolt")
    assert world.document(number).content == world.document(number).content


def test_a_file_is_downloaded_over_http_under_its_name(world):
    """In its own content type; HTML may do nothing."""
    number = world.number("acme")
    status, headers, body = world.get(f"/invoices/{number}.html?locale=de")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-disposition"] == f'attachment; filename="{number}.html"'
    assert "sandbox" in headers["content-security-policy"]
    assert "Gesamtbetrag" in body.decode()
    status, headers, body = world.get(f"/invoices/{number}.pdf")
    assert (status, headers["content-type"], body[:5]) == (200, "application/pdf", b"%PDF-")
    assert world.get("/invoices/INV-999999.pdf")[0] == 404
    assert world.get(f"/invoices/{number}.xls")[0] == 400
    assert world.get(f"/invoices/{number}.pdf?locale=xx-yy-zz")[0] == 400
    january = world.number("acme", 1)
    assert b"In all 1,500 calls." in world.get(f"/invoices/{january}.html?with_usage=true")[2]
    assert b"In all" not in world.get(f"/invoices/{january}.html?with_usage=false")[2]
    assert world.get(f"/invoices/{january}.html?with_usage=yes")[0] == 400


def test_a_key_of_a_customer_has_its_own_documents_alone(world):
    """Over both faces, by the customer that it names."""
    key = world.key("BILL", customer_id="acme")
    acme, bolt = world.number("acme"), world.number("bolt")
    assert world.get(f"/invoices/{acme}.csv?customer_id=acme", key)[0] == 200
    assert world.get(f"/invoices/{acme}.csv", key)[0] == 403
    assert world.get(f"/invoices/{bolt}.csv?customer_id=acme", key)[0] == 404
    assert world.get(f"/invoices/{bolt}.csv?customer_id=bolt", key)[0] == 403
    with open_channel(world.running.target, api_key=key) as channel:
        request = pb.GetInvoiceDocumentRequest(number=bolt, customer_id="acme")
        asked = InvoiceServiceStub(channel)
        code, _, _ = refusal(lambda: asked.GetInvoiceDocument(request, timeout=60))
        assert code is grpc.StatusCode.NOT_FOUND


def test_the_command_writes_a_file(world, tmp_path, monkeypatch):
    """By the name of the file, by --format, or as PDF; - is standard output."""
    monkeypatch.chdir(tmp_path)
    number = world.number("acme")

    def run(*words, code=0):
        words = ["invoices", "document", number, *words, "--target", world.running.target]
        done = CliRunner().invoke(cli, words, env={"METERLINE_API_KEY": world.running.api_key})
        assert done.exit_code == code, done.output
        return done

    assert run().stdout == f"wrote {number}.pdf\n"
    assert (tmp_path / f"{number}.pdf").read_bytes() == world.document(number).content
    run("--locale", "de", "-o", "rechnung.html")
    assert "Gesamtbetrag" in (tmp_path / "rechnung.html").read_text()
    assert run("--format", "csv", "-o", "-").stdout_bytes == world.document(number, "CSV").content
    assert "--format pdf|html|json|csv" in run("-o", "rechnung", code=2).output
    assert "is no locale" in run("--locale", "nowhere-at-all", code=2).output


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        (
            "en",
            (
                *(
                    "Credit note {note}",
                    "Invoice number {invoice}",
                    "Credit to Acme <GmbH>",
                    "VAT ID DE136695976",
                ),
                "calls Line {calls} of the invoice: 125.00 billed Tax 5.70 30.00",
                "fee Line {fee} of the invoice: 10.00 billed Tax 1.90 10.00",
                *("Subtotal 40.00", "Tax 7.60", "Total credited €47.60", "Reason: slow <for> a day"),
            ),
        ),
        (
            "de",
            (
                *("Rechnungskorrektur {note}", "Rechnungsnummer {invoice}", "Korrektur an Acme <GmbH>"),
                "calls Position {calls} der Rechnung: 125,00 berechnet Steuer 5,70 30,00",
                *("Steuer 7,60", "Gutgeschriebener Betrag 47,60 €", "Grund: slow <for> a day"),
            ),
        ),
    ],
)
def test_a_credit_note_names_what_it_gives_back_and_of_what(world, locale, said):
    """The invoice, its lines, the tax of each, who sells and who buys; a quantity it has not."""
    invoice = world.number("acme", 1)
    lines = world.lines(invoice)
    document = world.note_document(world.note, locale=locale)
    assert (document.content_type, document.file_name) == ("application/pdf", f"{world.note}.pdf")
    (text,) = pages_of(document.content)
    for each in said:
        numbers = {name: lines[name].line_number for name in ("calls", "fee")}
        assert each.format(note=world.note, invoice=invoice, **numbers) in text, text
    assert "1,500" not in text
    assert world.note_document(world.note, locale=locale).content == document.content


def test_a_credit_note_of_a_correction_names_the_invoice_that_was_corrected(world):
    """February's invoice has 5.00 for January's late calls: its own invoice, and behind that January's."""
    february, january = world.number("acme"), world.number("acme", 1)
    found = json.loads(world.note_document(world.correcting_note, "JSON").content)
    assert (found["document"], found["invoice"]) == ("credit_note", february)
    (section,) = found["sections"]
    assert (section["is_correction"], section["corrects"], section["amount"]) == (True, january, "5.00")
    assert {each["name"]: each["amount"] for each in found["totals"]} == {
        "subtotal": "5.00",
        "tax": "0.95",
        "due": "5.95",
    }


def test_json_and_csv_have_the_lines_of_a_credit_note(world):
    """As GetCreditNote has them, with what was billed."""
    invoice = world.number("acme", 1)
    found = json.loads(world.note_document(world.note, "JSON").content)
    of_json = {each["price_id"]: each for section in found["sections"] for each in section["lines"]}
    assert (found["invoice"], found["reason"]) == (invoice, "slow <for> a day")
    assert of_json["calls"]["billed_amount"] == "125.00"
    rows = list(csv.DictReader(io.StringIO(world.note_document(world.note, "CSV").content.decode())))
    assert {(row["number"], row["invoice"]) for row in rows} == {(world.note, invoice)}
    of_csv = {row["price_id"]: row for row in rows}
    for price, amount, tax, due in (("calls", "30.00", "5.70", "35.70"), ("fee", "10.00", "1.90", "11.90")):
        for each in (of_json[price], of_csv[price]):
            assert (each["amount"], each["tax"], each["due"]) == (amount, tax, due)
    page = world.note_document(world.note, "HTML").content.decode()
    assert "slow &lt;for&gt; a day" in page


def test_a_credit_note_is_downloaded_by_whom_it_is_of(world):
    """Over HTTP and the command line; by a key of another customer it is not there."""
    status, headers, body = world.get(f"/credit-notes/{world.note}.html?locale=de")
    assert (status, "Gutgeschriebener Betrag" in body.decode()) == (200, True)
    assert headers["content-disposition"] == f'attachment; filename="{world.note}.html"'
    assert world.get("/credit-notes/CN-999999.pdf")[0] == 404
    assert world.get(f"/credit-notes/{world.note}.xls")[0] == 400
    assert world.get(f"/credit-notes/{world.number('acme')}.pdf")[0] == 400
    acme, bolt = (world.key("BILL", customer_id=each) for each in ("acme", "bolt"))
    assert world.get(f"/credit-notes/{world.note}.csv?customer_id=acme", acme)[0] == 200
    assert world.get(f"/credit-notes/{world.note}.csv", acme)[0] == 403
    assert world.get(f"/credit-notes/{world.note}.csv?customer_id=bolt", bolt)[0] == 404


def test_the_command_writes_a_credit_note(world, tmp_path, monkeypatch):
    """As `invoices document` does."""
    monkeypatch.chdir(tmp_path)
    words = ["credit-notes", "document", world.note, "--target", world.running.target]
    done = CliRunner().invoke(cli, words, env={"METERLINE_API_KEY": world.running.api_key})
    assert (done.exit_code, done.stdout) == (0, f"wrote {world.note}.pdf\n"), done.output
    assert (tmp_path / f"{world.note}.pdf").read_bytes() == world.note_document(world.note).content
