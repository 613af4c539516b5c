"""A request of every operation, made of a tenant's names (tests.support.engine.tenant_names) and a die: the same of both give the
same request.
"""

import base64
import json

import pyarrow as pa

from tests.support.ingest.arrow_streams import stream_of

JUNE = {"period_end_after": "2025-06-15T00:00:00Z", "period_end_until": "2025-07-01T00:00:00Z"}
JUNE_PERIOD = {"period_start": "2025-06-01T00:00:00Z", "period_end": "2025-07-01T00:00:00Z"}
LATE_JUNE = "2025-06-20T00:00:00Z"
JUNE_10_US = 1_749_513_600_000_000  # 2025-06-10T00:00:00Z
DAY_US = 86_400_000_000
# Without PDF, which takes its time.
_FORMATS = ("DOCUMENT_FORMAT_HTML", "DOCUMENT_FORMAT_JSON", "DOCUMENT_FORMAT_CSV")


def _event(n, d, when=None):
    tokens, model = str(100 * (1 + d.randrange(2))), d.choice(["large", "small"])
    return {
        "event_id": n.event(d),
        "event_type": f"{n.chosen('event type', '').removesuffix('_')}.call",
        "customer_id": n.customer(d),
        "event_time": when or f"2025-06-1{d.randrange(5)}T00:00:00Z",
        "properties": {"tokens": {"string_value": tokens}, "model": {"string_value": model}},
    }


def _commit(n, d):
    held = n.reservation(d)
    event = _event(n, d, n.now) | {"customer_id": held["customer_id"]}
    return {"reservation_id": held["reservation_id"], "event": event}


def _bad_or_good(n, d):
    event = _event(n, d)
    if d.random() < 0.2:
        event["properties"]["tokens"] = {"string_value": n.text}
    return event


def _columns(n, d):
    event = _event(n, d)
    names = ("event_id", "event_type", "customer_id")
    batch = pa.record_batch(
        {
            **{name: pa.array([event[name]]) for name in names},
            "event_time": pa.array([JUNE_10_US + d.randrange(5) * DAY_US], pa.timestamp("us", "UTC")),
            "properties.tokens": pa.array([event["properties"]["tokens"]["string_value"]]),
        }
    )
    return {"arrow_ipc": base64.b64encode(stream_of(batch)).decode()}


def _page(n, d, operation, **fields):
    token = n.token(operation, d)
    return fields | {"page_size": 1 + d.randrange(3)} | ({"page_token": token} if token else {})


def _customer_or_all(n, d):
    return {"customer_id": n.customer(d)} if d.random() < 0.6 else {}


def _ended_in_june(n, d):
    return JUNE | ({"customer_ids": [n.customer(d)]} if d.random() < 0.6 else {})


def _signature(n, name):
    return {"correction_id": name, "recorded_by": n.text, "reason": n.text}


def _void_or_amend(n, d):
    deed = d.choice([{"void": {}}, {"amend": {"set_properties": {"model": n.text}}}])
    which = d.choice(
        [
            {"event_refs": {"events": [{"event_id": n.event(d)}]}},
            {
                "selection": {
                    "start": "2025-06-10T00:00:00Z",
                    "end": "2025-06-12T00:00:00Z",
                    "customer_ids": [n.customer(d)],
                }
            },
        ]
    )
    return {"signature": _signature(n, n.correction(d)), **which, **deed, "dry_run": d.random() < 0.3}


def _invoice(n, d):
    """By its id, which the engine gave, or by its number, which any tenant may have."""
    if d.random() < 0.7:
        return {"invoice_id": n.given("invoice", d)}
    return {"number": f"INV-00000{1 + d.randrange(3)}"}


def _credit_note(n, d):
    if d.random() < 0.7:
        return {"credit_note_id": n.given("credit note", d)}
    return {"number": f"CN-00000{1 + d.randrange(2)}"}


def _payment(n, d):
    return {
        "payment_id": n.payment(d),
        "customer_id": n.customer(d),
        "currency": "USD",
        "amount": f"{1 + d.randrange(30)}.00",
        "received_at": "2025-07-02T00:00:00Z",
        "reference": n.text,
    }


def _typed_customer(n, d):
    return {"customer": {"id": n.newcomer(d), "name": n.text}, **n.repeatable(d)}


def _typed_subscription(n, d):
    return {
        "subscription": {
            "id": n.subscription(d),
            "customer_id": n.customer(d),
            "plan_id": n.plan,
            "start": "2025-06-01T00:00:00Z",
        },
        **n.repeatable(d),
    }


def _definition(n, d):
    return {"definition": json.dumps({"name": f"{n.text} {d.randrange(3)}"})}


def _endpoint(n, d):
    return {"endpoint_id": n.given("endpoint", d)}


REQUESTS = {
    "UsageService.RecordUsage": lambda n, d: {"events": [_bad_or_good(n, d), _event(n, d)]},
    "UsageService.StreamUsage": lambda n, d: {"sequence": 1, "events": [_bad_or_good(n, d)]},
    "UsageService.RecordUsageColumns": _columns,
    "CatalogService.ApplyCatalog": lambda n, d: {
        "document": n.document(d),
        "dry_run": d.random() < 0.3,
        "with_effect": True,
        **n.repeatable(d),
    },
    "CatalogService.ApplyCatalogPieces": lambda n, d: {"piece": {"document": n.document(d)}},
    "CatalogService.GetCatalog": lambda n, d: {"page_token": n.token("CatalogService.GetCatalog", d)},
    "SpendService.GetSpend": lambda n, d: {"customer_id": n.customer(d), "at": LATE_JUNE},
    "SpendService.WatchSpend": lambda n, d: {"customer_id": n.customer(d), "at": LATE_JUNE},
    "SpendService.ListSpend": lambda n, d: {
        "at": LATE_JUNE, "group_by": d.randrange(6), **_customer_or_all(n, d),
    },
    "BillingService.ListLineItems": lambda n, d: _page(
        n, d, "BillingService.ListLineItems", at=LATE_JUNE, **_customer_or_all(n, d)
    ),
    "EntitlementService.CheckAccess": lambda n, d: {"customer_id": n.customer(d)},
    "EntitlementService.ReserveUsage": lambda n, d: {
        **n.reservation(d),
        "limit": "quota",
        "quantity": str(100 * (1 + d.randrange(3))),
        "ttl_s": 86_400,
    },
    "EntitlementService.CommitReservation": _commit,
    "EntitlementService.ReleaseReservation": lambda n, d: {
        "reservation_id": n.reservation(d)["reservation_id"]
    },
    "EntitlementService.ListReservations": lambda n, d: _page(
        n, d, "EntitlementService.ListReservations", **_customer_or_all(n, d)
    ),
    "BillingSettingsService.GetBillingSettings": lambda _n, _d: {},
    "BillingSettingsService.UpdateBillingSettings": lambda _n, d: {"grace_s": 3_600 * (1 + d.randrange(3))},
    "InvoiceService.ClosePeriods": lambda n, d: JUNE
    | _page(n, d, "InvoiceService.ClosePeriods")
    | ({"close_id": n.given("close", d)} if d.random() < 0.3 else {}),
    "InvoiceService.IssueThresholdInvoices": lambda n, d: {"customer_id": n.customer(d)},
    "InvoiceService.ListInvoices": lambda n, d: _page(
        n, d, "InvoiceService.ListInvoices", **_customer_or_all(n, d)
    ),
    "InvoiceService.GetInvoice": _invoice,
    "InvoiceService.ListInvoiceLines": lambda n, d: _page(
        n, d, "InvoiceService.ListInvoiceLines", **_invoice(n, d)
    ),
    "InvoiceService.GetInvoiceDocument": lambda n, d: {
        **_invoice(n, d),
        "format": d.choice(_FORMATS),
        "with_usage": d.random() < 0.5,
    },
    "InvoiceService.VoidInvoice": lambda n, d: {**_invoice(n, d), "reason": n.text},
    "ReceivablesService.RecordPayment": _payment,
    "ReceivablesService.RecordPaymentFailure": lambda n, d: _payment(n, d) | {"reason": n.text},
    "ReceivablesService.RecordRefund": lambda n, d: {
        "refund_id": n.chosen("refund", f"f{d.randrange(3)}"),
        "payment_id": n.payment(d),
        "amount": "1.00",
        "reason": n.text,
    },
    "ReceivablesService.ListPayments": lambda n, d: _page(
        n, d, "ReceivablesService.ListPayments", **_customer_or_all(n, d)
    ),
    "ReceivablesService.WriteOffInvoice": lambda n, d: {**_invoice(n, d), "reason": n.text},
    "ReceivablesService.GetAccount": lambda n, d: {"customer_id": n.customer(d), "currency": "USD"},
    "ReceivablesService.ListAccountEntries": lambda n, d: _page(
        n, d, "ReceivablesService.ListAccountEntries", customer_id=n.customer(d), currency="USD"
    ),
    "CreditNoteService.CreateCreditNote": lambda n, d: {
        **_invoice(n, d),
        "reason": n.text,
        "idempotency_key": n.chosen("idempotency key", f"n{d.randrange(3)}"),
    },
    "CreditNoteService.VoidCreditNote": lambda n, d: {**_credit_note(n, d), "reason": n.text},
    "CreditNoteService.GetCreditNote": _credit_note,
    "CreditNoteService.GetCreditNoteDocument": lambda n, d: {**_credit_note(n, d), "format": d.choice(_FORMATS)},
    "CreditNoteService.ListCreditNotes": lambda n, d: _page(
        n, d, "CreditNoteService.ListCreditNotes", **_customer_or_all(n, d)
    ),
    "DraftInvoiceService.ListDraftInvoices": lambda n, d: _page(
        n, d, "DraftInvoiceService.ListDraftInvoices", filter=_ended_in_june(n, d)
    ),
    "DraftInvoiceService.GetDraftInvoice": lambda n, d: {"customer_id": n.customer(d), "currency": "USD", **JUNE_PERIOD},
    "DraftInvoiceService.HoldDraftInvoice": lambda n, d: {
        "customer_id": n.customer(d), "reason": n.text, **JUNE_PERIOD,
    },
    "DraftInvoiceService.ReleaseDraftInvoice": lambda n, d: {
        "customer_id": n.customer(d), "reason": n.text, **JUNE_PERIOD,
    },
    "DraftInvoiceService.ApproveDraftInvoices": lambda n, d: {
        "filter": _ended_in_june(n, d), "reason": n.text,
    },
    "InvoiceItemService.CreateInvoiceItem": lambda n, d: {
        "invoice_item_id": n.item(d),
        "customer_id": n.customer(d),
        "description": n.text,
        "currency": "USD",
        "amount": d.choice(["12.50", "-3.00"]),
        "service_start": LATE_JUNE,
        **n.repeatable(d),
    },
    "InvoiceItemService.DeleteInvoiceItem": lambda n, d: {"invoice_item_id": n.item(d)},
    "InvoiceItemService.GetInvoiceItem": lambda n, d: {"invoice_item_id": n.item(d)},
    "InvoiceItemService.ListInvoiceItems": lambda n, d: _page(
        n, d, "InvoiceItemService.ListInvoiceItems", **_customer_or_all(n, d)
    ),
    "JournalService.ListJournalEntries": lambda n, d: _page(n, d, "JournalService.ListJournalEntries"),
    "SimulationService.SimulateCatalog": lambda n, d: JUNE
    | _page(n, d, "SimulationService.SimulateCatalog", pieces=[{"document": n.document(d)}]),
    "ReconciliationService.ReconcileBilling": lambda n, d: JUNE
    | _page(n, d, "ReconciliationService.ReconcileBilling"),
    "ExplanationService.ExplainLineItem": lambda n, d: {
        "customer_id": n.customer(d),
        **d.choice([
            {"line_item_id": n.given("line", d), "at": LATE_JUNE},
            {"invoice_number": f"INV-00000{1 + d.randrange(3)}", "line_number": 1, "replay": True},
        ]),
    },
    "MeteringService.QueryUsage": lambda n, d: _page(
        n, d, "MeteringService.QueryUsage",
        meter_id=n.meter, period_start="2025-06-01T00:00:00Z", period_end="2025-07-01T00:00:00Z",
        group_by={"customer": True, "properties": ["model"]},
        customer_ids=[n.customer(d)] if d.random() < 0.5 else [],
    ),
    "EventService.ListEvents": lambda n, d: _page(
        n, d, "EventService.ListEvents",
        include_voided=True,
        **d.choice([
            {"customer_ids": [n.customer(d)]}, {"correction_id": n.correction(d)},
            {"event_ids": [n.event(d)]}, {"meter": {"meter_id": n.meter}}, {},
        ]),
    ),
    "EventService.ListProblems": lambda n, d: {"page_size": 1_000, **_customer_or_all(n, d)},
    "CorrectionService.CorrectUsage": _void_or_amend,
    "CorrectionService.UndoCorrection": lambda n, d: {
        "signature": _signature(n, n.chosen("correction", f"u{d.randrange(4)}")),
        "correction_id": n.correction(d),
    },
    "CorrectionService.ListCorrections": lambda n, d: _page(n, d, "CorrectionService.ListCorrections"),
    "CorrectionService.GetCorrection": lambda n, d: _page(
        n, d, "CorrectionService.GetCorrection", correction_id=n.correction(d)
    ),
    "CorrectionService.ListConflicts": lambda n, d: _page(
        n, d, "CorrectionService.ListConflicts", **({"event_id": n.event(d)} if d.random() < 0.5 else {})
    ),
    "CorrectionService.ReconcileUsage": lambda _n, _d: {
        "period_start": "2025-06-10T00:00:00Z",
        "period_end": "2025-06-12T00:00:00Z",
    },
    "RetentionService.ExpireUsage": lambda _n, d: d.choice(
        [{"before": "2025-06-01T00:00:00Z"}, {"before": "2025-07-01T00:00:00Z", "dry_run": True}]
    ),
    "ResourceService.CreateResource": lambda n, d: {
        "kind": "customer",
        "definition": json.dumps({"id": n.newcomer(d), "name": n.text}),
        **n.repeatable(d),
    },
    "ResourceService.GetResource": lambda n, d: n.resource(d),
    "ResourceService.UpdateResource": lambda n, d: {
        "kind": "customer", "id": n.newcomer(d), **_definition(n, d), **n.repeatable(d)
    },
    "ResourceService.ListResources": lambda n, d: _page(
        n, d, "ResourceService.ListResources", kind=d.choice(["customer", "plan", "meter", "subscription"])
    ),
    "ResourceService.ArchiveResource": lambda n, d: {"kind": "customer", "id": n.newcomer(d)},
    "ResourceService.DeleteResource": lambda n, d: {"kind": "customer", "id": n.newcomer(d)},
    "ResourceService.ListResourceVersions": lambda n, d: _page(
        n, d, "ResourceService.ListResourceVersions", **n.resource(d)
    ),
    "CustomerService.CreateCustomer": _typed_customer,
    "CustomerService.GetCustomer": lambda n, d: {"customer_id": n.customer(d)},
    "CustomerService.UpdateCustomer": _typed_customer,
    "CustomerService.ListCustomers": lambda n, d: _page(n, d, "CustomerService.ListCustomers"),
    "CustomerService.ArchiveCustomer": lambda n, d: {"customer_id": n.newcomer(d)},
    "CustomerService.DeleteCustomer": lambda n, d: {"customer_id": n.newcomer(d)},
    "SubscriptionService.CreateSubscription": _typed_subscription,
    "SubscriptionService.GetSubscription": lambda n, d: {"subscription_id": n.subscription(d)},
    "SubscriptionService.UpdateSubscription": lambda n, d: {
        "subscription": {"id": n.subscription(d), "end": "2027-06-01T00:00:00Z"}
    },
    "SubscriptionService.ListSubscriptions": lambda n, d: _page(
        n, d, "SubscriptionService.ListSubscriptions"
    ),
    "SubscriptionService.ArchiveSubscription": lambda n, _d: {
        "subscription_id": n.chosen("subscription", "sub3")
    },
    "SubscriptionService.DeleteSubscription": lambda n, _d: {
        "subscription_id": n.chosen("subscription", "sub2")
    },
    "SubscriptionService.MigrateSubscriptions": lambda n, d: {
        "plan_id": n.plan, "dry_run": d.random() < 0.5, "at_period_end": True, **n.repeatable(d)
    },
    "SubscriptionService.ChangeSubscription": lambda n, d: {
        "subscription_id": n.subscription(d), "at_period_end": True, "plan_id": n.plan,
        "dry_run": d.random() < 0.5, **n.repeatable(d),
    },
    "PrivacyService.ExportCustomer": lambda n, d: _page(
        n, d, "PrivacyService.ExportCustomer", customer_id=n.customer(d)
    )
    | {"page_size": 1_000},
    "PrivacyService.EraseCustomer": lambda n, d: d.choice(
        [
            {"customer_id": n.chosen("customer", "gone"), "dry_run": not n.erases},
            {"customer_id": n.customer(d), "dry_run": True},
        ]
    ),
    "PrivacyService.ListErasures": lambda n, d: _page(n, d, "PrivacyService.ListErasures"),
    "WebhookService.CreateWebhookEndpoint": lambda n, _d: {
        "url": "http://127.0.0.1:9/", "event_types": ["customer.created", "invoice.issued", "payment.succeeded"], "description": n.text
    },
    "WebhookService.ListWebhookEndpoints": lambda _n, _d: {},
    "WebhookService.GetWebhookEndpoint": _endpoint,
    "WebhookService.UpdateWebhookEndpoint": lambda n, d: _endpoint(n, d) | {"description": n.text},
    "WebhookService.DeleteWebhookEndpoint": _endpoint,
    "WebhookService.RotateWebhookSecret": _endpoint,
    "WebhookService.ListWebhookDeliveries": lambda n, d: _endpoint(n, d) | {"page_size": 1_000},
    "WebhookService.ReplayWebhookDelivery": lambda n, d: _endpoint(n, d)
    | {"number": n.given("delivery", d)},
    "WebhookService.SendTestWebhook": _endpoint,
    "SpendLinkService.CreateSpendLink": lambda n, d: {"customer_id": n.customer(d)},
    "AlertService.ListAlertCrossings": lambda n, d: {
        "page_size": 1_000,
        **d.choice([_customer_or_all(n, d), {"alert_id": n.chosen("alert", "alert0")}]),
    },
    "AlertService.ListCustomerAlerts": lambda n, d: {"customer_id": n.customer(d)},
    "AlertService.SetCustomerBudget": lambda n, d: {
        "customer_id": n.customer(d), **d.choice([{}, {"amount": str(1 + d.randrange(50)), "thresholds": ["50", "100"]}]),
    },
    "AccessService.CreateApiKey": lambda n, d: {
        "name": n.text, "scopes": ["SCOPE_READ"], **_customer_or_all(n, d)
    },
    "AccessService.ListApiKeys": lambda n, d: _page(n, d, "AccessService.ListApiKeys"),
    "AccessService.RotateApiKey": lambda n, d: {"key_id": n.given("key", d)},
    "AccessService.RevokeApiKey": lambda n, d: {"key_id": n.given("key", d)},
    "AccessService.ListAuditRecords": lambda n, d: _page(n, d, "AccessService.ListAuditRecords"),
}  # fmt: skip
