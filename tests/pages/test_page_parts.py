"""Parts of the page by themselves: cookies and policies, languages, ladders and allowances."""

import importlib.resources

import pytest
import structlog

from engine.api.pages.ladders import allowance, ladder
from engine.api.pages.page_settings import PageSettings
from engine.api.pages.page_words import catalogs, words_for
from engine.app.faces import PageAddress
from engine.billing.documents.catalog_names import CatalogNames
from engine.catalog.snapshots.snapshot import Catalog
from meterline.v1.billing_pb2 import EventFees, LineItem, Proration, TierAmount

EN = words_for("en")
NOBODY = CatalogNames(Catalog.empty("default"), "acme")


def test_a_cookie_is_for_the_page_alone_and_safe_where_the_page_is():
    """Over TLS it never travels without; in frames of other sites browsers keep it apart for each of them."""
    plain, tls = PageSettings("/spend", is_secure=False), PageSettings("/money/spend", is_secure=True)
    framed = PageSettings("/spend", is_secure=True, frame_ancestors="https://app.example.com")
    assert plain.cookies.header("mls_x") == "meterline_spend=mls_x; Path=/spend; HttpOnly; SameSite=Lax"
    assert tls.cookies.header("mls_x").endswith("Path=/money/spend; HttpOnly; Secure; SameSite=Lax")
    assert framed.cookies.header("mls_x").endswith("HttpOnly; Secure; SameSite=None; Partitioned")
    assert plain.policy().endswith("frame-ancestors 'none'")
    assert framed.policy().endswith("frame-ancestors https://app.example.com")
    # A page without a form lets none be sent; one with a form to the engine alone.
    assert "form-action 'none'" in plain.policy()
    assert "form-action 'self'" in plain.policy(has_form=True)
    # Without TLS no browser takes a cookie of a frame: the page stays as it is.
    unsafe = PageSettings("/spend", is_secure=False, frame_ancestors="https://app.example.com")
    assert unsafe.cookies.header("mls_x").endswith("SameSite=Lax")


def test_an_operator_is_told_of_frames_that_no_browser_would_fill():
    """Over plain text; where a proxy brings TLS the address says so."""
    with structlog.testing.capture_logs() as told:
        PageAddress(None, "https://app.example.com").settings(tls=False)
    assert [each["event"] for each in told] == ["the spend page can't be shown in frames"]
    with structlog.testing.capture_logs() as told:
        found = PageAddress("https://billing.example.com/x/spend", "https://app.example.com").settings(
            tls=False
        )
        PageAddress(None, "https://app.example.com").settings(tls=True)
        PageAddress(None, None).settings(tls=False)
    assert (found.path, found.is_secure, told) == ("/x/spend", True, [])


def test_every_language_has_every_text():
    """With no other names in its braces."""
    (english,) = catalogs()["en"]
    assert set(catalogs()) == {"de", "en"}
    for (messages,) in catalogs().values():
        assert set(messages.texts) == set(english.texts)


def test_every_text_is_used():
    """Somewhere in a template or in code."""
    room = importlib.resources.files("engine.api.pages")
    files = [*room.iterdir(), *room.joinpath("templates").iterdir()]
    source = "".join(each.read_text("utf-8") for each in files if each.name.endswith((".py", ".html")))
    (english,) = catalogs()["en"]
    made_up = ("part_", "state_", "credit_", "limit_hard_", "limit_soft_", "measure_")
    assert [name for name in english.texts if name not in source and not name.startswith(made_up)] == []


@pytest.mark.parametrize(
    ("accepted", "wanted", "found"),
    [
        ("", "", "en"),
        ("de", "", "de"),
        ("en-GB;q=0.5, de-CH;q=0.7", "", "de-CH"),
        ("de;q=0", "", "en"),
        ("zh-Hant, fr", "", "en"),
        ("de", "en", "en"),
        ("de", "xx", "de"),
        ("de;q=1.0.0, en;q=nan", "", "en"),
    ],
)
def test_the_language_is_the_best_liked_that_there_is(accepted, wanted, found):
    """And English where there is none."""
    assert words_for(accepted, wanted).language_tag == found


def _line(**fields):
    return LineItem(currency="USD", quantity="0", billable_quantity="0", **fields)


@pytest.mark.parametrize(
    ("fields", "text", "percent"),
    [
        ({"allowance": "100", "quantity": "30"}, "100 pages included, 70 left.", 30),
        (
            {"allowance": "100", "quantity": "130", "billable_quantity": "30"},
            "100 pages included, 0 left.",
            100,
        ),
        ({"allowance": "100", "quantity": "-5"}, "100 pages included, 100 left.", 0),
        ({"free_amount": "50.00", "quantity": "20.50"}, "$50.00 included, $29.50 left.", 41),
        (
            {"event_fees": EventFees(free_event_count=3, free_events=10), "quantity": "7"},
            "10 events included, 7 left.",
            30,
        ),
    ],
)
def test_what_is_left_of_an_allowance_is_said(fields, text, percent):
    """In units, amounts or events, and never below nothing."""
    line = LineItem(**{"currency": "USD", "quantity": "0", "billable_quantity": "0", **fields})
    found = allowance(line, EN, "pages")
    assert (found["text"], found["used_percent"]) == (text, percent)


def test_tiers_that_the_catalog_doesn_t_vouch_for_are_those_that_were_entered():
    """Of a part of a period, of terms of a subscription's own, of a plan that is gone: nothing is said of what lies ahead."""
    tiers = [
        TierAmount(index=0, up_to="10", quantity="10", unit_amount="1", flat_amount="0", amount="10"),
        TierAmount(index=1, up_to="20", quantity="2", unit_amount="0.5", flat_amount="3", amount="4"),
    ]
    line = LineItem(
        model="graduated",
        currency="USD",
        billable_quantity="12",
        tiers=tiers,
        proration=Proration(end=1, total=2),
    )
    found = ladder(line, NOBODY, EN)
    assert found["standing"] == ""
    assert [each["range"] for each in found["rungs"]] == ["0 to 10", "10 to 20"]
    assert found["rungs"][1]["unit_amount"] == "$0.50, and $3.00 once"
    assert [each["is_here"] for each in found["rungs"]] == [False, True]
    # A volume price has its whole quantity in one tier, whose lower end the line doesn't tell.
    volume = LineItem(model="volume", currency="USD", billable_quantity="12", tiers=tiers[1:])
    assert [each["range"] for each in ladder(volume, NOBODY, EN)["rungs"]] == ["up to 20"]
    assert ladder(LineItem(model="flat"), NOBODY, EN) is None
