"""The operator's page over HTTP: who gets in, what ends that, and that its figures are those of the calls."""

import os
import re
import time
from decimal import Decimal

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.api_keys import KeyHasher
from engine.access.signed.operator_sessions import OperatorSession, OperatorSessions
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from meterline.v1.webhooks_pb2 import CreateWebhookEndpointRequest
from meterline.v1.webhooks_pb2_grpc import WebhookServiceStub
from tests.support.pages.operator_browser import Operator, new_key, new_tenant
from tests.support.pages.page_world import words_of

JUNE = "at=2025-06-10"
KEY = os.environ["METERLINE_API_KEY"]


@pytest.fixture
def operator(world):
    """Nobody yet."""
    return Operator(world.engine.http_port)


@pytest.fixture
def signed_in(operator):
    operator.sign_in(KEY)
    return operator


def test_a_key_is_exchanged_for_a_session_in_a_cookie(operator, world):
    """That scripts can't read and no other site sends; the key is in nothing that the browser keeps."""
    status, headers, body = operator.sign_in(KEY, place="/operator/spend?at=2025-06-10")
    assert (status, headers["location"], body) == (303, "/operator/spend?at=2025-06-10", b"")
    cookie, *rules = headers["set-cookie"].split("; ")
    assert rules == ["Path=/operator", "Max-Age=28800", "HttpOnly", "SameSite=Strict"]
    assert cookie.startswith("meterline_operator=mlo_")
    assert KEY.rpartition("_")[2] not in str(headers)
    # Behind a proxy that brings TLS it never travels without.
    _, headers, _ = operator.sign_in(KEY, x_forwarded_proto="https")
    assert headers["set-cookie"].endswith("; HttpOnly; Secure; SameSite=Strict")


def test_whoever_is_not_signed_in_sees_the_form_alone(operator, world):
    """Of each page, with the way back to it; a session that is over, changed or a key's own text is none."""
    hash_key = bytes.fromhex((world.data / "api_keys.key").read_text().strip())
    sessions = OperatorSessions(KeyHasher(hash_key))
    fields = {"tenant": "default", "key_id": KEY.split("_")[1]}
    over = sessions.text(OperatorSession(expires_at_s=int(time.time()) - 1, **fields))
    holds = sessions.text(OperatorSession(expires_at_s=int(time.time()) + 600, **fields))
    operator.session = holds
    assert operator.get("/operator")[0] == 200
    changed = holds[:10] + ("x" if holds[10] != "x" else "y") + holds[11:]
    for session in ("", over, changed, KEY, world.link().token):
        operator.session = session
        for path in ("/operator", "/operator/spend", "/operator/customer?id=acme"):
            status, headers, html = operator.get(path)
            assert (status, "acme" in words_of(html), "€" in html) == (401, False, False)
            assert f'name="place" value="{path}"' in html
            assert headers["cache-control"] == "private, no-store"


def test_a_session_is_no_credential_of_a_call(signed_in, operator):
    """What a browser has opens the pages, which read; a call by it is refused."""
    body = '{"customer_id": "acme"}'
    sent = {"content-type": "application/json", "authorization": f"Bearer {signed_in.session}"}
    operator.session = ""
    status, _, _ = operator.asked("POST", "/meterline.v1.SpendService/GetSpend", body, sent)
    assert status == 401


def test_a_session_ends_with_its_key(operator, world):
    """At the gateway that was asked at once."""
    key_id, text = new_key(world.channel, "READ", "BILL")
    operator.sign_in(text)
    assert operator.get("/operator")[0] == 200
    world.revoke(key_id)
    assert operator.get("/operator")[0] == 401
    assert operator.sign_in(text)[0] == 401


def test_a_customer_s_credential_is_refused(operator, world):
    """A key that is bound to one, a link of one, in the form and in the header."""
    _, bound = new_key(world.channel, "READ", "BILL", customer_id="acme")
    for text in (bound, world.link().token):
        status, headers, body = operator.sign_in(text)
        assert (status, headers.get("set-cookie")) == (403, None)
        assert b"bound to one customer" in body
        status, _, html = operator.get("/operator", authorization=f"Bearer {text}")
        assert (status, "bound to one customer" in html) == (403, True)
        assert "Recorded usage" not in html


def test_a_key_that_is_none_is_refused_in_a_line(operator):
    """And what was typed is not sent back."""
    status, headers, body = operator.sign_in("mlk_nonsense", place="//evil.example/operator")
    assert (status, headers.get("set-cookie")) == (401, None)
    assert b"the credential is not valid" in body
    assert b"mlk_nonsense" not in body
    assert b"evil" not in body


@pytest.mark.parametrize(
    "place",
    ["https://evil.example", "//evil.example", "/operator//evil", "/operatorx", "/operator/\\x", "/spend", "/operator/sign-out"],
)  # fmt: skip
def test_signing_in_leads_to_the_page_alone(operator, place):
    """Whatever the form says."""
    assert operator.sign_in(KEY, place=place)[1]["location"] == "/operator"


def test_forms_of_other_sites_are_refused(operator):
    """Neither signed in nor out by somebody else's page."""
    for headers in (
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ):
        status, found, _ = operator.sign_in(KEY, **headers)
        assert (status, found.get("set-cookie")) == (403, None)
    assert operator.sign_in(KEY, sec_fetch_site="same-origin")[0] == 303
    assert operator.post("/operator/sign-out", {"form_token": "x"})[0] == 403
    assert operator.post("/operator/sign-out", {})[0] == 403
    assert operator.get("/operator/sign-out")[0] == 405


def test_signing_out_ends_the_cookie(signed_in):
    """By the form of a page."""
    _, _, html = signed_in.get("/operator")
    token = html.partition('name="form_token" value="')[2].partition('"')[0]
    status, headers, _ = signed_in.post("/operator/sign-out", {"form_token": token})
    assert (status, headers["location"]) == (303, "/operator")
    assert headers["set-cookie"].startswith("meterline_operator=; Path=/operator; Max-Age=0; ")


def test_a_proxy_s_header_is_the_credential(operator):
    """As of calls: a token of the provider, or a key; there is no session to end then."""
    status, _, html = operator.get("/operator", authorization=f"Bearer {KEY}")
    assert (status, "Sign out" in html) == (200, False)


def test_a_part_that_the_key_does_not_allow_says_so(operator, world):
    """The others stand."""
    _, text = new_key(world.channel, "READ")
    operator.sign_in(text)
    status, _, html = operator.get("/operator")
    said = words_of(html)
    assert status == 200
    assert said.count("the credential lacks the scope &#39;admin&#39;") == 1
    assert said.count("the credential lacks the scope &#39;bill&#39;") == 2
    assert "Events by meter" in said
    _, ingest = new_key(world.channel, "INGEST")
    assert operator.sign_in(ingest)[0] == 403


def test_spend_is_list_spend_s(signed_in, world):
    """Acme's June comes to 20.00 + 1,000 x 0.01 + 500 x 0.0025 = 31.25; every other figure is the call's."""
    status, _, html = signed_in.get(f"/operator/spend?{JUNE}")
    said = words_of(html)
    assert status == 200
    assert "acme €31.25 €31.25 2" in said
    asked = ListSpendRequest(at=Timestamp(seconds=1_749_513_600), limit=20)
    found = SpendServiceStub(world.channel).ListSpend(asked, timeout=120)
    rows = [(each.customer_id, each.amount, each.settled.due, each.event_count) for each in found.spends]
    shown = [
        f"{name} €{Decimal(amount):,.2f} €{Decimal(due):,.2f} {events:,}"
        for name, amount, due, events in rows
    ]
    assert len(shown) >= 8
    assert " ".join(shown) in said
    (total,) = found.totals
    assert f"EUR €{Decimal(total.amount):,.2f} €{Decimal(total.settled.due):,.2f}" in said


def test_a_customer_s_spend_is_get_spend_s(signed_in, world):
    """With its lines and invoices; what the catalog calls it is a text."""
    status, _, html = signed_in.get(f"/operator/customer?id=acme&{JUNE}")
    said = words_of(html)
    asked = GetSpendRequest(customer_id="acme", at=Timestamp(seconds=1_749_513_600))
    found = SpendServiceStub(world.channel).GetSpend(asked, timeout=120)
    assert (found.spends[0].amount, status) == ("31.25", 200)
    assert "Sum of lines €31.25 Due €31.25" in said
    for each in found.line_items:
        assert f"{each.price_id} acme:scale {each.quantity} €{each.amount}" in said
    assert "INV-0000" in said
    assert "Acme &lt;b&gt;Robotics&lt;/b&gt;" in html
    assert "Bolt" not in said


def test_what_is_not_there_is_told_in_a_line(signed_in):
    """With the way back."""
    for path, code, words in (
        ("/operator/customer?id=nobody-here", 404, "is not in the catalog"),
        ("/operator/customer", 400, "name a customer"),
        ("/operator/spend?at=soon", 400, "is no date such as 2026-11-30"),
    ):
        status, _, html = signed_in.get(path)
        assert (status, words in html, 'href="/operator"' in html) == (code, True, True)


def _event(event_id, event_type="call", tokens="5"):
    event = UsageEvent(event_id=event_id, event_type=event_type, customer_id="solo")
    event.event_time.GetCurrentTime()
    event.properties["tokens"].CopyFrom(PropertyValue(string_value=tokens))
    return event


def test_a_tenant_sees_its_own_usage_and_refusals(operator, signed_in, world):
    """Three events recorded today, one of a type that no meter reads, one id used twice; the other tenant has none of it."""
    key = new_tenant(world.channel, "operator-page")
    catalog = (
        "meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]\n"
        "customers: [{id: solo, name: Solo Works}]\n"
    )
    first = _event("a")
    again = _event("a", tokens="6")
    again.event_time.CopyFrom(first.event_time)
    with open_channel(world.engine.target, api_key=key) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=catalog), timeout=120)
        WebhookServiceStub(channel).CreateWebhookEndpoint(
            CreateWebhookEndpointRequest(url="https://hooks.example.com/x", event_types=["*"]), timeout=120
        )
        record = UsageServiceStub(channel).RecordUsage
        record(RecordUsageRequest(events=[first, _event("b"), _event("c")]), timeout=120)
        record(RecordUsageRequest(events=[again, _event("d", event_type="unheard-of")]), timeout=120)
    other = Operator(world.engine.http_port)
    other.sign_in(key)
    ends_s = time.monotonic() + 60
    while True:
        said = words_of(other.get("/operator")[2])
        # The log of problems is a second behind.
        if "no meter reads this event type 1 1" in said or time.monotonic() > ends_s:
            break
        time.sleep(0.2)
    # Of today, unless midnight has just passed.
    assert re.search(r"tokens call [03] 3 0", said)
    assert "no meter reads this event type 1 1" in said
    assert "conflict: the id was used for other content 1 1" in said
    assert "https://hooks.example.com/x active 0 0" in said
    assert "There is no invoice yet." in said
    assert "Tenant operator-page, signed in as key:" in said
    assert other.get("/operator/customer?id=acme")[0] == 404
    mine = words_of(signed_in.get("/operator")[2])
    assert "hooks.example.com" not in mine
    assert signed_in.get("/operator/customer?id=solo")[0] == 404
