"""The spend page of a running engine as HTTP gives it: figures, links, refusals, headers."""

import gzip
import http.client
import json
import os
import re
import time

import pytest

from tests.support.pages.page_world import JUNE, JUNE_10, words_of


@pytest.fixture(scope="module")
def token(world):
    return world.link().token


def test_a_link_leads_to_the_page_and_leaves_its_token_in_a_cookie(world):
    """That scripts can't read; the address has it no more, and whatever else stood there stays."""
    link = world.link()
    assert link.url == f"{world.origin}/spend?token={link.token}"
    status, headers, body = world.get(f"/spend?token={link.token}&at=2025-06-10&lang=de")
    assert (status, headers["location"], body) == (303, "/spend?at=2025-06-10&lang=de", b"")
    assert headers["set-cookie"] == f"meterline_spend={link.token}; Path=/spend; HttpOnly; SameSite=Lax"
    assert (headers["cache-control"], headers["referrer-policy"]) == ("private, no-store", "no-referrer")


def test_the_page_has_the_figures_of_get_spend(world, token):
    """20.00 for the month, 1,000 tokens at 0.01 and 500 at 0.0025 are 31.25; of 5.00 credit May's invoice took all."""
    status, html = world.text(f"/spend{JUNE}", token)
    said = words_of(html)
    assert status == 200
    assert "Due so far €31.25 Jun 1 – 30, 2025" in said
    assert "generated Why? 1,500 tokens €11.25" in said
    # The second of three tiers ends at 5,000.
    assert "Tier 2 of 3; the next one begins after 3,500 more." in said
    assert "0 to 1,000 €0.01 1,000 €10.00 1,000 to 5,000 you are here €0.0025 500 €1.25" in said
    assert "over 5,000 €0.001 – –" in said
    assert "100 included, 99 left." in said
    # What May used up is not listed any more.
    assert "welcome" not in said
    assert "tokens by day Day Quantity (tokens) Jun 10, 2025 1,500" in said


def test_terms_of_money_are_shown_step_by_step(world):
    """100.00 less 10 % are 90.00; 110.00 up to the 200.00 that are the least; 30.00 of credit leave 170.00, and 19 % on top."""
    _, html = world.text(f"/spend{JUNE}", world.link("rich").token)
    said = words_of(html)
    assert (
        "€202.30 Usage and fees €100.00 Discounts -€10.00 Up to what was committed €110.00 Paid by credit -€30.00 "
        "Tax €32.30 Due €202.30 Jun 1 – 30, 2025"
    ) in said
    assert "All prices, Jun 1 – 30, 2025: €90.00 of €200.00" in said
    assert "Still to be charged if nothing more is used: €110.00" in said
    assert "topup paid €30.00 €0.00 June 1, 2026" in said
    assert "Discount team -€10.00 Tax vat, 19 % €32.30" in said
    # Times are those of the customer's wall clock.
    assert "Team Jun 1 – 30, 2025 (Europe/Berlin)" in said


def test_a_commitment_over_a_year_shows_what_a_month_draws_and_what_is_left(world):
    """100.00 less 10 % of 1,000.00; nothing is owed of what is left before May."""
    _, html = world.text(f"/spend{JUNE}", world.link("yearly").token)
    said = words_of(html)
    assert "All prices, Jun 1, 2025 – May 31, 2026: €90.00 of €1,000.00" in said
    assert "Of it €90.00 in this billing period; €910.00 left." in said
    assert "Still to be charged if nothing more is used: €0.00" in said


def test_earlier_invoices_are_listed_and_downloaded(world, token):
    """May: 20.00 and 1.00 for 100 tokens, less 5.00 of credit, are 16.00."""
    _, html = world.text(f"/spend{JUNE}", token)
    (number,) = re.findall(r"<strong>(INV-\d+)</strong>", html)
    assert "€16.00 May 1 – 31, 2025" in words_of(html)
    for form, start in (("pdf", b"%PDF-"), ("html", b"<!doctype html>")):
        status, headers, body = world.get(f"/spend/invoices/{number}.{form}", token)
        assert (status, body[: len(start)]) == (200, start)
        assert headers["content-disposition"] == f'attachment; filename="{number}.{form}"'
        assert "sandbox" in headers["content-security-policy"]


def test_credit_notes_are_listed_and_downloaded(world, token):
    """Of bolt's May, 20.00 and 3.00 for 300 tokens, 2.50 are given back; others see nothing of it."""
    bolt = world.link("bolt").token
    _, html = world.text(f"/spend{JUNE}", bolt)
    (invoice,) = re.findall(r"<strong>(INV-\d+)</strong>", html)
    note = world.credit(invoice, "2.50", "slow <b>for</b> a day")
    _, html = world.text(f"/spend{JUNE}", bolt)
    assert f"{note} €2.50 Credits {invoice}," in words_of(html)
    assert "slow &lt;b&gt;for&lt;/b&gt; a day" in html
    for form, start in (("pdf", b"%PDF-"), ("html", b"<!doctype html>")):
        path = f"/spend/credit-notes/{note}.{form}"
        assert f'href="{path}' in html
        status, headers, body = world.get(path, bolt)
        assert (status, body[: len(start)]) == (200, start)
        assert headers["content-disposition"] == f'attachment; filename="{note}.{form}"'
        assert world.get(path, token)[0] == 404
    assert world.get(f"/spend/credit-notes/{note}.csv", bolt)[0] == 400
    _, mine = world.text(f"/spend{JUNE}", token)
    assert "Credit notes" not in mine


def test_each_line_says_why_in_plain_sentences(world, token):
    """On a page of its own, with a way back."""
    _, html = world.text(f"/spend{JUNE}", token)
    (path,) = re.findall(r'href="(/spend/lines/[^"]+)" aria-label="Why\? generated', html)
    status, why = world.text(path, token)
    assert (status, "1,500" in words_of(why), f'href="/spend{JUNE}"' in why) == (200, True, True)


def test_a_link_shows_nothing_of_another_customer(world, token):
    """Neither on the page nor by the address of what is another's: its lines, invoices and events."""
    bolt = world.link("bolt").token
    _, theirs = world.text(f"/spend{JUNE}", bolt)
    secrets = {*re.findall(r"INV-\d+", theirs), *re.findall(r"/spend/lines/([0-9a-f]{32})", theirs)}
    assert len(secrets) == 4
    status, mine = world.text(f"/spend{JUNE}", token)
    assert status == 200
    for each in (*secrets, "bolt", "Bolt", "77,777"):
        assert each not in mine
    for line in (each for each in secrets if not each.startswith("INV")):
        assert world.get(f"/spend/lines/{line}{JUNE}", token)[0] == 404
    for number in (each for each in secrets if each.startswith("INV")):
        assert world.get(f"/spend/invoices/{number}.pdf", token)[0] == 404
    status, said = world.text("/spend/events?customer_id=bolt", token)
    assert (status, "another customer" in said) == (403, True)


@pytest.mark.parametrize(
    "path", ["/spend", "/spend/events", "/spend/lines/" + "0" * 32, "/spend/invoices/INV-000001.pdf"]
)
def test_whoever_has_no_link_sees_one_line_that_says_so(world, token, path):
    """No cookie, an expired one, one that was changed, an API key: each is a page with 401, and no figure."""
    tampered = token[:-1] + ("A" if token[-1] != "A" else "B")
    expired = world.expired_token()
    for shown in (None, "", expired, tampered, os.environ["METERLINE_API_KEY"], "mls_x"):
        status, html = world.text(path, shown)
        assert (status, "<h1>This link can&#39;t be used</h1>" in html) == (401, True), shown
        (message,) = re.findall(r'<p class="message" lang="en">([^<]+)</p>', html)
        words = "has expired" if shown == expired else "is not valid"
        assert message == f"the link {words}: ask for a new one"
    status, headers, _ = world.get(f"/spend?token={expired}")
    assert (status, headers["set-cookie"]) == (401, None)


def test_the_page_speaks_the_reader_s_language(world, token):
    """German and English, with the numbers of the reader's country; a language that was chosen goes before."""
    for accepted, path, tag, total in (
        ("de-DE,de;q=0.9,en;q=0.8", JUNE, "de-DE", "Bisher fällig 31,25 € 1.–30. Juni 2025"),
        ("de-AT", JUNE, "de-AT", "Bisher fällig € 31,25"),
        ("fr;q=0.9, de;q=0.5", JUNE, "de", "Bisher fällig 31,25 €"),
        ("fr, *", JUNE, "en", "Due so far €31.25"),
        ("de", f"{JUNE}&lang=en", "en", "Due so far €31.25"),
        (
            "x" * 5_000 + ",;q=,de;q=high,\N{SNOWMAN}".encode().decode("latin-1"),
            f"{JUNE}&lang=../en",
            "en",
            "Due so far €31.25",
        ),
    ):
        _, html = world.text(f"/spend{path}", token, accept_language=accepted)
        assert f'<html lang="{tag}">' in html
        assert total in words_of(html), accepted


def test_names_are_text_and_never_markup(world, token):
    """A customer's name with a tag in it is shown as it is."""
    _, html = world.text("/spend", token)
    assert "Acme &lt;b&gt;Robotics&lt;/b&gt;" in html
    assert "<b>" not in html


def test_nothing_of_the_page_comes_from_elsewhere_or_runs_in_line(world, token):
    """Its policy says so, and the page keeps to it: no inline script or style, no address but the engine's own."""
    status, headers, body = world.get(f"/spend{JUNE}", token)
    html = body.decode()
    policy = headers["content-security-policy"]
    assert (status, "default-src 'none'" in policy, "frame-ancestors 'none'" in policy) == (200, True, True)
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|<script>| style=| on[a-z]+=|javascript:", html)
    assert all(each.startswith(("/spend", "#")) for each in re.findall(r'(?:src|href)="([^"]*)"', html))


def test_static_files_are_asked_for_once(world, token):
    """Immutable under a name that changes with them, packed, and without any credential; nothing else is there."""
    _, html = world.text("/spend", token)
    paths = set(re.findall(r'"(/spend/static/[^"]+)"', html))
    assert {each.rpartition("/")[2] for each in paths} >= {"uplot-1.6.32.min.js", "uplot-1.6.32.min.css"}
    for path in paths:
        status, headers, body = world.get(path)
        assert (status, headers["cache-control"]) == (200, "public, max-age=31536000, immutable"), path
        _, packed_headers, packed = world.get(path, accept_encoding="gzip, br")
        assert (packed_headers["content-encoding"], gzip.decompress(packed)) == ("gzip", body)
        assert world.get(path, if_none_match=headers["etag"])[0] == 304
    for path in (
        "/spend/static/spend.js",
        "/spend/static/..%2fpage_words.py",
        "/spend/static/",
        "/spend/nothing",
    ):
        assert world.get(path, token)[0] == 404


def test_a_customer_without_a_subscription_is_told_so(world):
    """Kindly, and with nothing that looks like a fault."""
    status, html = world.text("/spend", world.link("empty").token)
    said = words_of(html)
    assert (status, "There is nothing to bill in this period" in said) == (200, True)
    assert "There is no invoice yet" in said


def test_a_date_that_is_none_is_refused(world, token):
    """As a page."""
    for at in ("soon", "2025-13-01", "999999-01-01"):
        status, html = world.text(f"/spend?at={at}", token)
        assert (status, "at: is no date such as 2026-11-30" in html) == (400, True), html


def test_earlier_periods_are_a_click_away(world, token):
    """The period before, and from there back to the current one."""
    _, june = world.text(f"/spend{JUNE}", token)
    (path,) = re.findall(r'<a href="([^"]+)">Earlier billing period', june)
    _, may = world.text(path, token)
    assert "May 1 – 31, 2025" in words_of(may)
    # The subscription began in May.
    assert "Earlier billing period" not in may
    assert '<a href="/spend">Current billing period</a>' in may


def test_an_event_has_the_new_figures_as_html_within_a_second_of_the_ack(world):
    """The fastest of five, for the machine may be busy. Events follow each other at most twice a second, and the newest comes.

    100 tokens of the first tier are 1.00.
    """
    token = world.link("bolt").token
    connection = http.client.HTTPConnection("127.0.0.1", world.engine.http_port, timeout=120)
    connection.request(
        "GET", "/spend/events?customer_id=bolt&at=2025-07-10", headers={"cookie": f"meterline_spend={token}"}
    )
    response = connection.getresponse()
    try:
        assert response.headers["content-type"].startswith("text/event-stream")
        first = _next_html(response)
        assert "€20.00" in first
        waited = []
        for number in range(1, 6):
            acked_s = world.record("bolt", "100", JUNE_10 + 30 * 86_400)
            while f"€{20 + number}.00" not in (html := _next_html(response)):
                pass
            waited.append(time.monotonic() - acked_s)
        print("an event came after", ", ".join(f"{each:.3f} s" for each in waited))
        assert min(waited) < 1
        assert "<script" not in html
    finally:
        connection.close()


def _next_html(response):
    while line := response.readline():
        if line.startswith(b"data: "):
            return json.loads(line[6:])["html"]
    raise AssertionError("the stream ended")
