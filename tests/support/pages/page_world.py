"""An engine with two customers, one without a subscription, and a closed month; and links to their pages."""

import http.client
import re
import time

from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.api_keys import KeyHasher
from engine.access.signed.spend_links import SpendLink, SpendLinks
from meterline import open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, RevokeApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.credit_notes_pb2 import CreateCreditNoteRequest, CreditedLine
from meterline.v1.credit_notes_pb2_grpc import CreditNoteServiceStub
from meterline.v1.invoices_pb2 import ClosePeriodsRequest
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest
from meterline.v1.spend_links_pb2_grpc import SpendLinkServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub

MAY_10, JUNE_1, JUNE_10 = 1_746_835_200, 1_748_736_000, 1_749_513_600
JUNE = "?at=2025-06-10"
CATALOG = """
meters:
  - {id: tokens, event_type: call, aggregation: sum, value: tokens, unit: tokens}
  - {id: calls, event_type: call, aggregation: count}
plans:
  - id: scale
    name: Scale
    currency: EUR
    prices:
      - {id: fee, model: flat, flat_amount: "20"}
      - id: generated
        meter: tokens
        model: graduated
        tiers:
          - {up_to: "1000", unit_amount: "0.01"}
          - {up_to: "5000", unit_amount: "0.0025"}
          - {unit_amount: "0.001"}
      - {id: requests, meter: calls, model: overage, included_units: "100", unit_amount: "0.5"}
  - id: team
    name: Team
    currency: EUR
    percent_off: 10
    minimum_amount: "200"
    prices: [{id: seats, model: flat, flat_amount: "100"}]
  - id: capped
    name: Capped
    currency: EUR
    billing_period: year
    prices:
      - {id: fee, model: flat, flat_amount: "20"}
      - {id: generated, meter: tokens, model: per_unit, unit_amount: "0.01"}
    features: {sso: true, support: gold, audit_log: false}
    limits:
      - {id: token_quota, meter: tokens, quantity: 1000}
      - {id: spending, amount: 25, enforcement: soft}
tax_regions:
  - {id: DE, name: Germany, country: DE, rates: [{id: vat, percent: 19}]}
customers:
  - {id: rich, name: Everything There Is, tax_region: DE, time_zone: Europe/Berlin}
  - {id: acme, name: Acme <b>Robotics</b>}
  - {id: bolt, name: Bolt Secret Works}
  - {id: empty, name: Nobody Yet}
  - {id: yearly, name: A Year Ahead}
  - {id: capped, name: Capped by Quota}
  - {id: saver, name: With a Budget}
  - {id: growing, name: Who Uses More}
  - {id: keeper, name: With Another Budget}
subscriptions:
  - {customer: capped, plan: capped, start: 2025-05-01}
  - {customer: saver, plan: capped, start: 2025-05-01}
  - {customer: growing, plan: capped, start: 2025-05-01}
  - {customer: keeper, plan: capped, start: 2025-05-01}
  - {customer: yearly, plan: team, start: 2025-06-01, commitments: [{amount: "1000", periods: 12}]}
  - {customer: rich, plan: team, start: 2025-06-01T00:00:00+02:00}
  - {customer: acme, plan: scale, start: 2025-05-01}
  - {customer: bolt, plan: scale, start: 2025-05-01}
credit_grants:
  - {id: topup, customer: rich, currency: EUR, amount: "30", category: paid, effective_at: 2025-06-01T00:00:00+02:00, expires_at: 2026-06-01T00:00:00+02:00}
  - {id: welcome, customer: acme, currency: EUR, amount: "5", category: promotional, effective_at: 2025-05-01}
alerts:
  - {id: many, name: Many tokens, measure: usage, meter: tokens, customer: capped, thresholds: [400, 2000], visible_to_customer: true}
  - {id: ours, name: For us alone, measure: usage, meter: tokens, thresholds: [1]}
sellers:
  - {id: us, name: The Seller}
"""


def words_of(html):
    """What a reader sees."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.replace("\N{NO-BREAK SPACE}", " ")))


class PageWorld:
    """Around an engine that serves HTTP."""

    def __init__(self, engine, data):
        self.engine = engine
        self.origin = f"http://127.0.0.1:{engine.http_port}"
        self.data = data
        self.channel = open_channel(engine.target)
        self._events = 0
        CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
        # May: 100 tokens of acme's, 300 of bolt's. Closed, and billed.
        self.record("acme", "100", MAY_10)
        self.record("bolt", "300", MAY_10)
        request = ClosePeriodsRequest(
            period_end_after=Timestamp(seconds=MAY_10), period_end_until=Timestamp(seconds=JUNE_1)
        )
        InvoiceServiceStub(self.channel).ClosePeriods(request, timeout=60)
        self.record("acme", "1500", JUNE_10)
        self.record("bolt", "77777", JUNE_10)

    def close(self):
        self.channel.close()

    def record(self, customer_id, tokens, seconds):
        """When it was acknowledged, by the clock of this process."""
        self._events += 1
        event = UsageEvent(
            event_id=f"e{self._events}",
            event_type="call",
            customer_id=customer_id,
            event_time=Timestamp(seconds=seconds),
            properties={"tokens": PropertyValue(string_value=tokens)},
        )
        UsageServiceStub(self.channel).RecordUsage(RecordUsageRequest(events=[event]), timeout=120)
        return time.monotonic()

    def credit(self, invoice, amount, reason):
        """Gives back so much of the first line of an invoice; the name of the note."""
        line = CreditedLine(line_number=1, amount=amount)
        request = CreateCreditNoteRequest(number=invoice, lines=[line], reason=reason, idempotency_key=reason)
        return CreditNoteServiceStub(self.channel).CreateCreditNote(request, timeout=60).credit_note.number

    def link(self, customer_id="acme", **fields):
        request = CreateSpendLinkRequest(customer_id=customer_id, **fields)
        return SpendLinkServiceStub(self.channel).CreateSpendLink(request, timeout=120)

    def link_of_a_key(self, customer_id):
        """A key made for it, and the token of a link that it made."""
        keys = AccessServiceStub(self.channel)
        scopes = ["SCOPE_READ", "SCOPE_BILL"]
        made = keys.CreateApiKey(CreateApiKeyRequest(name="portal", scopes=scopes), timeout=120)
        with open_channel(self.engine.target, api_key=made.key_text) as channel:
            request = CreateSpendLinkRequest(customer_id=customer_id)
            return made.api_key.key_id, SpendLinkServiceStub(channel).CreateSpendLink(
                request, timeout=120
            ).token

    def revoke(self, key_id):
        AccessServiceStub(self.channel).RevokeApiKey(RevokeApiKeyRequest(key_id=key_id), timeout=120)

    def expired_token(self, customer_id="acme"):
        """Signed by the engine's own key, and over since a second."""
        key = bytes.fromhex((self.data / "api_keys.key").read_text().strip())
        link = SpendLink(
            tenant="default", customer_id=customer_id, expires_at_s=int(time.time()) - 1, key_id=""
        )
        return SpendLinks(KeyHasher(key)).text(link)

    def get(self, path, token=None, **headers):
        """As a browser that has a link's cookie."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if token is not None:
            sent["cookie"] = f"meterline_spend={token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.engine.http_port, timeout=60)
        try:
            connection.request("GET", path, headers=sent)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def text(self, path, token=None, **headers):
        status, _, body = self.get(path, token, **headers)
        return status, body.decode()
