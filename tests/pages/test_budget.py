"""Limits, alerts and the customer's own budget on the page, as HTTP gives them."""

import http.client
import re
import time
from urllib.parse import urlencode

from meterline.v1.access_pb2 import ListAuditRecordsRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.alerts_pb2 import ListCustomerAlertsRequest
from meterline.v1.alerts_pb2_grpc import AlertServiceStub
from tests.support.pages.page_world import words_of

FORM = "application/x-www-form-urlencoded"


def alerts_of(world, customer_id):
    request = ListCustomerAlertsRequest(customer_id=customer_id)
    return list(AlertServiceStub(world.channel).ListCustomerAlerts(request, timeout=120).alerts)


def fields_of(html):
    """What a browser would send of the form, as it is: names and values in order."""
    (form,) = re.findall(r"<form.*?</form>", html, re.DOTALL)
    found = []
    for tag in re.findall(r"<input [^>]*>", form):
        (name,), (value,) = re.findall(r'name="([^"]*)"', tag), re.findall(r'value="([^"]*)"', tag)
        found.append((name, value))
    return found


def changed(fields, **values):
    """With other values; thresholds in the place of all that there are."""
    thresholds = values.pop("thresholds", None)
    if thresholds is not None:
        fields = [each for each in fields if each[0] != "threshold"] + [
            ("threshold", each) for each in thresholds
        ]
    return [(name, values.get(name, value)) for name, value in fields]


def posted(world, token, fields, content_type=FORM, query=""):
    """The answer's status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", world.engine.http_port, timeout=60)
    try:
        headers = {"content-type": content_type, "cookie": f"meterline_spend={token}"}
        connection.request("POST", f"/spend/budget{query}", urlencode(fields), headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def wait_for(check):
    """Until it holds; a minute is far more than a pass of alerts takes."""
    deadline_s = time.monotonic() + 60
    while not (found := check()):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return found


def test_limits_features_and_alerts_say_where_the_customer_stands(world):
    """600 tokens at 0.01 and a fee of 20.00 are 26.00: past a soft limit of 25.00, within a hard one of 1,000 tokens, past an alert at 400."""
    world.record("capped", "600", int(time.time()))
    token = world.link("capped").token
    wait_for(lambda: any(each.reached for each in alerts_of(world, "capped")[0].thresholds))
    status, html = world.text("/spend", token)
    said = words_of(html)
    assert status == 200
    assert (
        "token_quota 600 tokens of 1,000 tokens used; 400 tokens left. At the limit, access to it ends"
        in said
    )
    assert (
        "spending €26.00 of €25.00 used; €0.00 left. The limit is reached. You may go on. Resets on May 1, "
        in said
    )
    assert "Feature Included audit_log not included sso yes support gold" in said
    assert "Many tokens What you use of tokens in a billing period. 400 tokens: reached on" in said
    assert "2,000 tokens: not reached" in said
    # What the company keeps to itself, it does; and no budget is set here.
    assert "For us alone" not in said
    assert "<form" not in html
    # Of an earlier period nothing is said of now.
    assert "token_quota" not in world.text("/spend?at=2025-06-10", token)[1]


def test_the_script_reads_limits_and_alerts_alone(world):
    """The part of the page, of the link's own customer."""
    token = world.link("capped").token
    status, html = world.text("/spend/standing?customer_id=capped&lang=de", token)
    assert (status, "Was Ihr Tarif enthält" in html, "<html" in html) == (200, True, False)
    assert world.get("/spend/standing?customer_id=saver", token)[0] == 403


def test_a_customer_sets_changes_and_removes_its_budget(world):
    """It is an alert of this customer, which the audit log has as the link's doing. 20.00 of fees are 80 % of 25.00."""
    link = world.link("saver", may_set_budget=True)
    status, headers, body = world.get("/spend", link.token)
    html = body.decode()
    assert (status, "form-action 'self'" in headers["content-security-policy"]) == (200, True)
    form = fields_of(html)
    assert [each for each in form if each[0] not in ("form_token", "etag")] == [
        ("currency", "EUR"), ("amount", ""), ("threshold", "80"), ("threshold", "100"), ("threshold", ""),
    ]  # fmt: skip
    status, headers, _ = posted(world, link.token, changed(form, amount="25"), query="?lang=en")
    assert (status, headers["location"]) == (303, "/spend?lang=en&budget=saved#budget-heading")
    (budget,) = alerts_of(world, "saver")
    assert (budget.set_by_customer, budget.currency, budget.budget) == (True, "EUR", "25")
    wait_for(lambda: alerts_of(world, "saver")[0].thresholds[0].reached)
    said = words_of(world.text("/spend?budget=saved", link.token)[1])
    assert (
        "Your budget in EUR What you use in a billing period, less discounts, before credit and taxes. €20.00 of €25.00"
        in said
    )
    assert "80 %, €20.00: reached on" in said
    assert "100 %, €25.00: not reached" in said
    assert "Your budget is saved." in said
    records = AccessServiceStub(world.channel).ListAuditRecords(
        ListAuditRecordsRequest(page_size=50), timeout=120
    )
    mine = [each for each in records.audit_records if each.operation == "AlertService.SetCustomerBudget"]
    assert (mine[0].subject, mine[0].code) == ("customer saver", "OK")
    assert mine[0].credential.startswith("link:")
    # A link that only reads shows the budget, and no form.
    html = world.text("/spend", world.link("saver").token)[1]
    assert ("Your budget in EUR" in html, "<form" in html) == (True, False)
    form = fields_of(world.text("/spend", link.token)[1])
    status, headers, _ = posted(world, link.token, [*form, ("remove", "1")])
    assert (status, headers["location"]) == (303, "/spend?budget=removed#budget-heading")
    assert alerts_of(world, "saver") == []


def test_a_budget_that_was_changed_meanwhile_is_not_written_over(world):
    """The second of two tabs is told so, and shown what it is now. What is wrong in a form is said, and what was typed stays."""
    token = world.link("keeper", may_set_budget=True).token
    form = fields_of(world.text("/spend", token)[1])
    assert posted(world, token, changed(form, amount="30"))[0] == 303
    known = fields_of(world.text("/spend", token)[1])
    assert posted(world, token, changed(known, amount="40"))[0] == 303
    status, _, html = posted(world, token, changed(known, amount="50"))
    assert (status, "changed elsewhere since this page was loaded" in html) == (409, True)
    assert dict(fields_of(html))["amount"] == "40"
    newest = fields_of(html)
    for values, words in (
        ({"amount": "0"}, "amount: must be more than 0"),
        ({"amount": ""}, "amount: must be more than 0"),
        ({"amount": "1.001"}, "amount: may have 18 digits before and 2 after the point"),
        ({"thresholds": []}, "thresholds: has 0: give 1 to 20"),
        ({"thresholds": ["80", "80.0"]}, "thresholds: names a percentage twice"),
        ({"thresholds": ["1001"]}, "thresholds[0]: must be at most 1000"),
    ):
        status, _, html = posted(world, token, changed(newest, **values))
        assert (status, "It was not saved:" in html, words in html) == (400, True, True), (values, html)
    assert dict(fields_of(html))["amount"] == "40"
    assert ("threshold", "1001") in fields_of(html)
    assert alerts_of(world, "keeper")[0].budget == "40"


def test_only_a_form_of_the_link_s_own_page_is_taken(world):
    """Not one that another site, or another customer's link, makes up; nor one by a link that may set none, or of another shape."""
    link, other = (world.link(each, may_set_budget=True).token for each in ("capped", "acme"))
    form = changed(fields_of(world.text("/spend", link)[1]), amount="30")
    theirs = dict(fields_of(world.text("/spend", other)[1]))["form_token"]
    reader = world.link("capped").token
    for token, fields, content_type, expected in (
        (link, changed(form, form_token=""), FORM, 403),
        (link, changed(form, form_token=theirs), FORM, 403),
        (reader, form, FORM, 403),
        (link, form, "text/plain", 400),
        (link, [*form, *[("x", "y")] * 40], FORM, 400),
        (link, [*form, ("x", "y" * 9_000)], FORM, 400),
        ("mls_x", form, FORM, 401),
    ):
        assert posted(world, token, fields, content_type)[0] == expected, (fields, content_type)
    assert world.get("/spend/budget", link)[0] == 405
    assert [each.name for each in alerts_of(world, "capped")] == ["Many tokens"]
    # By a call the token of the reader is refused, too.
    status, _, said = posted(world, reader, changed(form, form_token=_token_of(reader)))
    assert (status, "lacks the scope" in said) == (403, True)


def _token_of(token):
    """As the page of this link would have it."""
    from engine.api.gate import Shown
    from engine.api.pages.budget_form import form_token

    return form_token(Shown(f"Bearer {token}"))
