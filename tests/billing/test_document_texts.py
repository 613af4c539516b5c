"""What documents say in a language: numbers, amounts, dates, and texts that a company changes."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from babel import Locale

from engine.billing.documents.document_parts import Span
from engine.billing.documents.languages import MessagesError, language, read_messages
from engine.billing.documents.local_format import LocalFormat, asked_locale
from engine.billing.documents.shown import shown_document
from engine.billing.rendering.sample import SAMPLE
from engine.billing.rendering.templates import read_templates
from engine.catalog.kinds.billing_details import TaxIdType
from engine.errors import InvalidRequestError
from tests.support.closing_world import instant_us

BROUGHT = read_templates(None).messages


def local(name, digits=2):
    return LocalFormat(Locale.parse(name), digits)


@pytest.mark.parametrize(
    ("locale", "digits", "value", "text"),
    [
        ("en", 2, "1234567.5", "1,234,567.50"),
        ("de", 2, "1234567.5", "1.234.567,50"),
        ("pl", 2, "1234567.5", "1\xa0234\xa0567,50"),
        ("en_IN", 2, "1234567.5", "12,34,567.50"),
        ("en", 0, "300", "300"),
        ("en", 3, "1.5", "1.500"),
        ("en", 2, "-0.004", "-0.004"),
        (
            "en",
            2,
            "98765432109876543210987654321098765.43",
            "98,765,432,109,876,543,210,987,654,321,098,765.43",
        ),
    ],
)
def test_an_amount_has_all_its_digits_and_those_of_its_currency(locale, digits, value, text):
    """Nothing is rounded, however large; the minor unit is ISO 4217's."""
    assert local(locale, digits).money(Decimal(value)) == text


def test_a_quantity_has_no_needless_zeros():
    """12 fractional digits are shown where there are 12."""
    assert local("de").number(Decimal("1200.500")) == "1.200,5"
    assert local("en").number(Decimal("0.000000000001")) == "0.000000000001"
    assert local("en").number(Decimal("1E+3")) == "1,000"


def test_a_total_names_its_currency():
    """As the locale does."""
    assert local("de").priced(Decimal("12.5"), "EUR") == "12,50\xa0€"
    assert local("en").priced(Decimal("-12.5"), "USD") == "-$12.50"
    assert local("en", 0).priced(Decimal(300), "JPY") == "¥300"


def test_a_period_is_shown_with_its_last_day_by_the_wall_clock_of_its_zone():
    """Not the day on which it ends, nor that of UTC."""
    january = Span(instant_us("2026-01-01"), instant_us("2026-02-01"))
    berlin = Span(instant_us("2025-12-31T23:00"), instant_us("2026-01-31T23:00"))
    for span, zone in ((january, "UTC"), (berlin, "Europe/Berlin")):
        assert re.sub(r"\s", " ", local("en").period(span, zone)) == "Jan 1 \u2013 31, 2026"
        assert local("de").period(span, zone) == "1.\u201331. Jan. 2026"
    day = Span(instant_us("2026-01-05"), instant_us("2026-01-06"))
    assert local("de").period(day, "UTC") == "5. Januar 2026"
    part = Span(instant_us("2026-01-05T12:30"), instant_us("2026-01-06"))
    assert local("de").period(part, "UTC") == "05.01.2026, 12:30:00 – 06.01.2026, 00:00:00"


@pytest.mark.parametrize("name", ["xx-nowhere", "", "de_DE_DE_DE", "../etc", "e" * 1000])
def test_a_locale_that_there_is_not_is_a_mistake_of_the_request(name):
    """Named by its field."""
    with pytest.raises(InvalidRequestError, match=r"^locale: "):
        asked_locale(name)


def test_a_text_falls_back_to_the_language_and_then_to_english():
    """A country's own texts first, then its language's; labels alike."""
    own = read_messages("texts: {title: Honorarnote}\nlabels: {calls: Aufrufe}", None)
    said = language("de_AT", {**BROUGHT, "de_AT": [own]})
    assert said.text("title") == "Honorarnote"
    assert said.text("total_due") == "Gesamtbetrag"
    assert said.text("tax_id_us_ein") == "EIN"
    assert said.label("calls") == "Aufrufe"
    assert said.label("plan", "Pro") == "Pro"
    assert language("fr", BROUGHT).text("title") == "Invoice"


def test_english_has_a_text_for_all_that_a_document_can_say():
    """Every kind of tax id; German translates every text but names of registers that have none."""
    (english,), (german,) = BROUGHT["en"], BROUGHT["de"]
    assert {f"tax_id_{each}" for each in TaxIdType} <= set(english.texts)
    assert {name for name in english.texts if name not in german.texts} == {
        *("tax_id_au_abn", "tax_id_ca_bn", "tax_id_in_gst", "tax_id_us_ein")
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("texts: {titel: x}", "there is no text 'titel'"),
        ("texts: {page: '{pagex}'}", "nothing is called {pagex}"),
        ("texts: {page: '{page.__class__}'}", "must be a plain name"),
        ("texts: {page: '{page!r}'}", "must be a plain name"),
        ("texts: {page: '{'}", "page:"),
        ("texts: {title: 5}", "title: must be a text"),
        ("text: {title: x}", "`texts` and `labels`"),
        ("- a", "`texts` and `labels`"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_catalog_of_messages_with_a_mistake_is_refused(text, said):
    """With what is wrong, and where."""
    with pytest.raises(MessagesError, match=re.escape(said)):
        read_messages(text, BROUGHT["en"][0])


def test_an_address_is_written_as_its_country_writes_it():
    """The postal code before the city, but not in America."""
    address = {
        "lines": ["1 Main St"],
        "city": "Austin",
        "region": "TX",
        "postal_code": "78701",
        "country": "US",
    }
    document = replace(SAMPLE, customer={"name": "A", "address": address})
    said = language("en", BROUGHT)
    shown = shown_document(document, said, local("en"))
    assert shown["customer"]["lines"] == ["1 Main St", "Austin, TX 78701", "United States"]
    assert shown["seller"]["lines"] == ["1 Sample Street", "12345 Sampleton", "Germany"]
