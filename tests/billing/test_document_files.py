"""Documents as files: what is read back from a PDF is what the document says; templates of a company, and what they may not."""

import csv
import io
import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from pypdf import PdfReader

from engine.billing.rendering.pdf import TemplateError
from engine.billing.rendering.renderer import DocumentFormat, Renderer
from engine.billing.rendering.sample import CREDIT_NOTE_SAMPLE, SAMPLE
from engine.billing.rendering.templates import read_templates
from engine.errors import ConfigurationError
from tests.support.billing_documents import document_of, pages_of

BROUGHT = Renderer(read_templates(None))
PDF, HTML = DocumentFormat.PDF, DocumentFormat.HTML


def made(document, form, locale="en", renderer=BROUGHT):
    return renderer.rendered(document, form, locale).content


@pytest.mark.parametrize(
    ("locale", "columns", "row", "page"),
    [
        ("en", "Description Quantity Unit price Amount (EUR)", "price_200 200 1.25 250.00", "Page {} of {}"),
        ("de", "Beschreibung Menge Einzelpreis Betrag (EUR)", "price_200 200 1,25 250,00", "Seite {} von {}"),
    ],
)
def test_three_hundred_lines_are_on_the_pages_each_once_in_their_order(locale, columns, row, page):
    """The columns' names stand on each page, and its number."""
    pages = pages_of(made(document_of(300), PDF, locale))
    whole = " ".join(pages)
    assert re.findall(r"price_(\d{3}) ", whole) == [f"{number:03}" for number in range(1, 301)]
    assert row in whole
    assert len(pages) > 5
    for number, text in enumerate(pages, 1):
        assert (columns in text) == ("price_" in text)
        assert page.format(number, len(pages)) in text
    # 45,150 = 300 x 301 / 2, at 1.25.
    assert ("56,437.50" if locale == "en" else "56.437,50") in pages[-1]


def test_the_amounts_on_the_pages_are_those_of_the_lines():
    """Read back from the PDF's text, line by line."""
    whole = " ".join(pages_of(made(document_of(60), PDF)))
    found = re.findall(r"price_(\d{3}) (\S+) 1\.25 (\S+)", whole)
    assert [(int(number), int(quantity), Decimal(amount)) for number, quantity, amount in found] == [
        (number, number, Decimal(number) * 5 / 4) for number in range(1, 61)
    ]


def test_a_pdf_says_all_of_a_document_that_has_a_bit_of_everything():
    """Tiers, discounts, a correction, what is paid, who sells and who buys."""
    (text,) = pages_of(made(SAMPLE, PDF))
    for said in (
        *("Sample Seller", "VAT ID DE136695976", "Sample Customer", "PO 1", "Bill to"),
        *("0 to 1,000: 1,000 × 0.10 + 5.00 = 105.00", "above 1,000: 20 × 0.05 = 1.00", "Discount -1.00"),
        *("calls region: eu", "1,020 calls", "Remainder of the commitment", "Correction of INV-000001"),
        *("Subtotal 122.00", "Discounts -4.00", "Tax 22.42", "Total €140.42", "Paid -40.42"),
        "Amount outstanding €100.00",
    ):
        assert said in text


@pytest.mark.parametrize("form", list(DocumentFormat))
@pytest.mark.parametrize("document", [SAMPLE, CREDIT_NOTE_SAMPLE], ids=lambda each: each.kind)
def test_the_same_document_gives_the_same_bytes(document, form):
    """Whenever it is asked for."""
    assert made(document, form) == made(document, form)


@pytest.mark.parametrize(
    ("document", "title", "issued"),
    [
        (SAMPLE, "Rechnung INV-000002", "2026-02-01T00:00:00+00:00"),
        (CREDIT_NOTE_SAMPLE, "Rechnungskorrektur CN-000001", "2026-02-04T00:00:00+00:00"),
    ],
    ids=lambda each: getattr(each, "kind", None),
)
def test_a_pdf_can_be_read_aloud_and_keeps_to_its_own_fonts(document, title, issued):
    """Tagged, with a title and a language; the time in it is that of its issue; every font is in the file."""
    reader = PdfReader(io.BytesIO(made(document, PDF, "de")))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "de"
    assert "/StructTreeRoot" in root
    assert reader.metadata.title == title
    assert reader.metadata.creation_date.isoformat() == issued
    fonts = {font.get_object()["/BaseFont"] for font in reader.pages[0]["/Resources"]["/Font"].values()}
    assert all("LibertinusSerif" in font for font in fonts)


def test_a_page_of_html_needs_nothing_from_elsewhere():
    """No script, no link, no image; what a name holds stays text."""
    seller = {"name": "<script>alert(1)</script> & Co"}
    page = made(replace(SAMPLE, seller=seller), HTML, "de").decode()
    assert '<html lang="de">' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in page
    assert not re.search(r"<script|<link|<img|src=|url\(|https?:", page)
    assert "1.020 calls" in page
    assert "Offener Betrag" in page


def test_csv_has_a_row_a_line_and_adds_up():
    """In the same form in every language."""
    rows = list(csv.DictReader(io.StringIO(made(SAMPLE, DocumentFormat.CSV, "de").decode())))
    assert [row["line_number"] for row in rows] == ["1", "2", "3", "4"]
    assert sum(Decimal(row["amount"]) for row in rows) == 122
    assert [row["corrects_number"] for row in rows] == ["", "", "", "INV-000001"]
    assert rows[1]["dimensions"] == '{"region": "eu"}'


def test_json_has_decimals_as_text():
    """So that no reader makes binary fractions of them."""
    found = json.loads(made(SAMPLE, DocumentFormat.JSON), parse_float=pytest.fail)
    assert found["totals"][0] == {"name": "subtotal", "amount": "122.00"}
    assert found["sections"][0]["lines"][1]["parts"][1] == {
        "quantity": "20",
        "unit_amount": "0.05",
        "flat_amount": "0",
        "amount": "1",
        "from_quantity": "1000",
    }


def test_a_void_invoice_says_so_and_that_it_is_not_owed():
    """In its title, and below."""
    (text,) = pages_of(made(replace(SAMPLE, state="void", voided_us=SAMPLE.issued_us), PDF))
    assert "Void invoice INV-000002" in text
    assert "It is not owed" in text


def test_a_void_credit_note_says_so_and_that_it_gives_nothing_back():
    """In its title, and below."""
    void = replace(CREDIT_NOTE_SAMPLE, state="void", voided_us=CREDIT_NOTE_SAMPLE.issued_us)
    (text,) = pages_of(made(void, PDF))
    assert "Void credit note CN-000001" in text
    assert "It gives nothing back" in text
    assert "is taken off" not in text


@pytest.fixture
def own(tmp_path):
    """A company's directory, written as {name: text}."""

    def written(**files):
        for name, text in files.items():
            path = tmp_path / "own" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "own"

    return written


TINY = """#let shown = json(bytes(sys.inputs.document))
#set document(title: shown.title)
#set text(lang: shown.language)
Our own #shown.number """


def test_a_company_changes_one_template_and_some_texts_without_code(own):
    """What it doesn't change stays; a language that Meterline doesn't bring is added."""
    directory = own(
        invoice_dot_typ=TINY,
        messages__fr_dot_yaml="texts: {title: Facture}\nlabels: {calls: appels, pro: Pro+}",
        messages__en_dot_yaml="texts: {title: Bill}",
    )
    renderer = Renderer(read_templates(directory))
    renderer.check()
    assert pages_of(made(SAMPLE, PDF, renderer=renderer)) == ["Our own INV-000002"]
    french = made(SAMPLE, HTML, "fr-CA", renderer).decode()
    assert "<title>Facture INV-000002</title>" in french
    assert "appels" in french
    assert "<strong>Pro+</strong>" in french
    assert "Amount outstanding" in french
    assert "<title>Bill INV-000002</title>" in made(SAMPLE, HTML, renderer=renderer).decode()


def test_a_credit_note_has_a_template_of_its_own_or_that_of_invoices(own):
    """Of each format apart; its texts are those of a credit note in either."""
    directory = own(invoice_dot_typ=f"{TINY} #shown.title", invoice_dot_html="{{ title }} {{ number }}")
    renderer = Renderer(read_templates(directory))
    renderer.check()
    assert pages_of(made(CREDIT_NOTE_SAMPLE, PDF, renderer=renderer)) == ["Our own CN-000001 Credit note"]
    own(credit_note_dot_typ=f"{TINY} given back")
    renderer = Renderer(read_templates(directory))
    renderer.check()
    assert pages_of(made(CREDIT_NOTE_SAMPLE, PDF, renderer=renderer)) == ["Our own CN-000001 given back"]
    assert pages_of(made(SAMPLE, PDF, renderer=renderer)) == ["Our own INV-000002 Invoice"]
    assert made(CREDIT_NOTE_SAMPLE, HTML, renderer=renderer) == b"Credit note CN-000001"
    own(credit_note_dot_html="<p>\n{{ nothing }}")
    with pytest.raises(ConfigurationError, match=r"own: credit_note\.html: line 2: "):
        Renderer(read_templates(directory)).check()


def test_a_template_may_use_the_files_beside_it(own):
    """A logo in both; another page in HTML."""
    logo = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
    directory = own(
        invoice_dot_typ=f'{TINY} #image("logo.svg", alt: "logo")',
        invoice_dot_html='{% include "foot.html" %}<img src="{{ data_url("logo.svg") }}">',
        foot_dot_html="<p>{{ number }}</p>",
        logo_dot_svg=logo,
    )
    renderer = Renderer(read_templates(directory))
    renderer.check()
    assert made(SAMPLE, HTML, renderer=renderer).startswith(
        b'<p>INV-000002</p><img src="data:image/svg+xml;base64,'
    )


@pytest.mark.parametrize(
    "reach",
    [
        '#read("/etc/passwd")',
        '#read("../../etc/passwd")',
        '#image("../secret.svg")',
        '#import "@preview/cetz:0.3.0": *',
        '#import ("@pre" + "view/cetz:0.3.0"): *',
        "#sys.inputs.other",
    ],
)
def test_a_template_of_a_pdf_reaches_neither_files_outside_nor_the_network(own, reach):
    """The check at the start says in which line."""
    (own(invoice_dot_typ=f"{TINY}\n{reach}").parent / "secret.svg").write_text("<svg/>")
    with pytest.raises(ConfigurationError, match=r"document_templates .*own: invoice\.typ: line \d+: "):
        Renderer(read_templates(own())).check()


@pytest.mark.parametrize(
    "reach",
    [
        '{% include "/etc/passwd" %}',
        '{% include "../secret.html" %}',
        '{{ data_url("../secret.html") }}',
        "{{ ''.__class__.__mro__ }}",
        "{{ nothing_of_the_kind }}",
        "{% for a in range(1000000000) %}{% endfor %}",
        "{% if %}",
    ],
)
def test_a_template_of_a_page_reaches_nothing_but_the_document(own, reach):
    """Neither files outside, nor Python, nor a name that there isn't."""
    (own(invoice_dot_html=f"<p>\n{reach}").parent / "secret.html").write_text("secret")
    with pytest.raises(ConfigurationError, match=r"document_templates .*own: invoice\.html: "):
        Renderer(read_templates(own())).check()


def test_a_template_without_end_is_ended(own):
    """It counts its rounds; the engine goes on."""
    renderer = Renderer(read_templates(own(invoice_dot_typ=f"{TINY}\n#let n = 1\n#while n > 0 {{ n += 1 }}")))
    with pytest.raises(TemplateError, match="infinite"):
        made(SAMPLE, PDF, renderer=renderer)


def test_a_directory_with_a_mistake_is_refused_with_its_file(own, tmp_path):
    """No directory; a link that leads out; a catalog of messages that is none, or of no language."""
    with pytest.raises(ConfigurationError, match="nothing: is no directory"):
        read_templates(tmp_path / "nothing")
    directory = own(messages__de_dot_yaml="texts: {titel: x}")
    with pytest.raises(ConfigurationError, match=r"own: messages/de\.yaml: texts: there is no text 'titel'"):
        read_templates(directory)
    (directory / "messages" / "de.yaml").rename(directory / "messages" / "klingon.yaml")
    (directory / "messages" / "klingon.yaml").write_text("texts: {}")
    with pytest.raises(ConfigurationError, match="called after a language"):
        read_templates(directory)
    (directory / "messages" / "klingon.yaml").unlink()
    (directory / "logo.svg").symlink_to("/etc/passwd")
    with pytest.raises(ConfigurationError, match=r"own: logo\.svg: leads out of the directory"):
        read_templates(directory)
