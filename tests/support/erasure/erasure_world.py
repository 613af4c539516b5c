"""Stores with a customer who is to be erased: usage, corrections, problems, keys and audit records that name her.

Every text of hers that is to go is unlike any other, so that raw bytes of files can be looked through for it.
"""

import contextlib
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import text

from engine.access.access_store import AccessStore
from engine.access.audit_log import AuditLog
from engine.access.caller import Caller, Scope
from engine.app.reading import build_reading
from engine.app.recording import KnownEvents
from engine.app.stores import Placement, open_stores
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.closer import Closer
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.closing.unchanged import UnchangedCustomers
from engine.billing.meter_usage import measure_of
from engine.catalog.documents.document import read_document
from engine.cluster.locks import rollups_turn
from engine.erasure.erasures import Erasures, ErasureSurroundings
from engine.erasure.held_records import HeldRecords, RecordPlace
from engine.erasure.usage_erasure import UsageErasure
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.times import datetime_us
from engine.usage.corrections.correction import Amendment, Correction, EventRef, EventRefs, Signature, Undone
from engine.usage.corrections.corrections import Corrections
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.corrections.voids import Kind
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.tables.durability import Durability
from ingest import Limits, partition_batches
from tests.support.ingest.admission_oracle import Row
from tests.support.ingest.event_columns import columns_of

TENANT = "t1"
SHE = "cust-Qx7Rk2Vw"
NAME = "Zephyrine Quockwoggle"
EMAIL = "zq.9fK3@example.net"
SEATS = ("seat-Wq8Lp1", "seat-Wq8Lp2", "seat-Wq8Lp3")
NOTE = "Hn4Jt7-called-about-her-bill"
DEVICE = "device-Lw6Yp3"
VAT_ID = "DE136695976"
BILLING_EMAIL = "bills-8Vt2@example.net"
STREET = "Mx4Gassnerstrasse 12"
ORDER = "PO-Jf83Kd"
# What no file may have afterwards.
TEXTS = (SHE, NAME, EMAIL, *SEATS, NOTE, DEVICE, VAT_ID, BILLING_EMAIL, STREET, ORDER, "9fK3", "Qx7Rk2Vw")
JUNE_US = datetime_us(datetime(2026, 6, 1, tzinfo=UTC))
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
BOB = "bob"

CATALOG = f"""
meters:
  - {{id: tokens, event_type: call, aggregation: sum, value: tokens, group_by: [seat]}}
  - {{id: people, event_type: call, aggregation: unique_count, value: email}}
  - {{id: level, event_type: gauge, aggregation: latest, value: level}}
  - {{id: eu, event_type: call, aggregation: count, filters: {{region: eu}}, group_by: [kind]}}
plans:
  - id: p
    name: P
    currency: USD
    prices:
      - {{id: fee, model: flat, flat_amount: "9.99"}}
      - id: tokens
        meter: tokens
        model: graduated
        tiers: [{{up_to: "100", unit_amount: "0.013"}}, {{unit_amount: "0.0071"}}]
      - {{id: people, meter: people, model: per_unit, unit_amount: "1.5"}}
      - {{id: level, meter: level, model: per_unit, unit_amount: "0.37"}}
      - id: eu
        meter: eu
        model: matrix
        dimensions: [kind]
        cells: [{{match: {{kind: fast}}, unit_amount: "0.2"}}]
        default: "0.1"
customers:
  - id: {SHE}
    name: {NAME}
    metadata: {{email: {EMAIL}}}
    aliases: [{DEVICE}]
    tax_ids: [{{type: eu_vat, value: {VAT_ID}}}]
    billing_name: {NAME} & Daughters
    billing_email: {BILLING_EMAIL}
    billing_address: {{lines: [{STREET}], city: Berlin, postal_code: "10115", country: DE}}
    purchase_order: {ORDER}
  - {{id: bob, name: Bob, parent: {SHE}}}
subscriptions:
  - {{customer: {SHE}, plan: p, start: 2026-06-01}}
  - {{customer: bob, plan: p, start: 2026-06-01}}
credit_grants:
  - {{id: gift-of-{SHE}, customer: {SHE}, currency: USD, amount: "5", effective_at: 2020-01-01, expires_at: 2020-02-01}}
alerts:
  - {{id: budget-{SHE}, name: Budget of {NAME}, measure: spend, customer: {SHE}, currency: USD, thresholds: ["100000"]}}
  - {{id: like-{SHE}, name: "Whoever uses as much as {NAME}", measure: usage, meter: tokens, thresholds: ["100000"]}}
"""


def now_us():
    return time.time_ns() // 1000


def call(event_id, day, tokens, seat, customer=SHE, **more):
    properties = {"tokens": str(tokens), "seat": seat, "email": EMAIL, "note": NOTE, "region": "eu"} | more
    return Row(TENANT, event_id, "call", customer, JUNE_US + day * DAY_US, tuple(sorted(properties.items())))


def gauge(event_id, day, level, customer=SHE):
    properties = (("level", str(level)), ("note", "n" if customer == BOB else NOTE))
    return Row(TENANT, event_id, "gauge", customer, JUNE_US + day * DAY_US, properties)


def usage():
    """Of two months; ties of time, an id that two customers used, and texts of hers in every place."""
    hers = [
        call(f"{SHE}-{i}", 3 * i, 7 * i + 1, SEATS[i % 3], kind="fast" if i % 2 else "slow")
        for i in range(17)
    ]
    # Of one time: the greater id is the newer one.
    ties = [gauge(f"{SHE}-b", 20, 5), gauge(f"{SHE}-a", 20, 8), gauge("Zz-other", 4, 3)]
    his = [
        call(f"bob-{i}", 2 * i, 3 * i + 2, "his", customer=BOB, email="bob@bob", note="n") for i in range(9)
    ]
    # Under an alias, with ids between the others.
    others = [call(f"{DEVICE}-{i}", 5 * i + 1, 11 * i, SEATS[i % 2], customer=DEVICE) for i in range(5)]
    ties.append(gauge(f"{SHE}-aa", 20, 11, customer=DEVICE))
    return [*hers, *ties, *his, *others, gauge("bob-g", 3, 4, customer=BOB)]


class ErasureWorld:
    """Open stores, and what an engine makes of them."""

    def __init__(self, stores, data):
        self.stores, self.data = stores, data
        self.reading = build_reading(stores, now_us)
        self.reconciler = Reconciler(stores.usage, stores.order, now_us)
        self.corrections = Corrections(
            stores.usage, stores.order, self.reconciler, now_us, lambda: secrets.randbits(63)
        )
        self.rollups = Rollups(stores.usage, stores.order, now_us)
        self.access = AccessStore(stores.database)
        self.paused = []

    def apply(self, text=CATALOG):
        document = read_document(text, "catalog.yaml")
        self.stores.catalog.apply(TENANT, document, applied_at=datetime.now(UTC))

    def record(self, events):
        stamp_us = self.stores.order.begin(now_us())
        for batch, _ in partition_batches(columns_of(events), stamp_us, 10_000):
            self.stores.usage.insert(batch)
        self.stores.order.end(stamp_us)

    def correct(self, kind, event_ids, correction_id, reason, amendment=None):
        refs = EventRefs(tuple(EventRef(each) for each in event_ids))
        correction = Correction(kind, refs, amendment)
        return self.corrections.record(TENANT, correction, Signature(correction_id, "key:ann", reason))

    def undo(self, correction_id, own_id):
        signature = Signature(own_id, "key:ann", "it was right")
        return self.corrections.record(TENANT, Correction(Kind.UNDO, Undone(correction_id)), signature)

    def problem(self, customer=SHE):
        rows = {
            "tenant": [TENANT],
            "received_at": pa.array([now_us()], pa.timestamp("us", "UTC")),
            "problem_id": pa.array([secrets.randbits(63)], pa.uint64()),
            "verdict": pa.array([4], pa.uint8()),
            "reason": pa.array([3], pa.uint8()),
            "field": ["event_type"],
            "event_id": [f"{customer}-typo"],
            "event_type": ["coll"],
            "customer_id": [customer],
            "event_time": pa.array([JUNE_US], pa.timestamp("us", "UTC")),
            "credential": ["key:ann"],
        }
        self.stores.usage.insert_plain("problems", pa.table(rows))

    def audit(self, subject):
        log = AuditLog(self.stores.database, now_us, time.monotonic_ns)
        log.record(
            Caller(TENANT, "key:ann", frozenset(Scope)), "CorrectionService.CorrectUsage", subject, "OK"
        )
        log.close()

    def tell(self, kind, object_id, payload):
        """Of a fact of the outbox."""
        with self.stores.database.writing() as connection:
            fact = Fact(FactType.CATALOG_CHANGED, kind, object_id, payload)
            record_facts(connection, TENANT, [fact], now_us())

    def close_until(self, end):
        """Every billing period that has ended by then, at the newest watermark."""
        run = self.closer().begin(
            TENANT, JUNE_US, datetime_us(datetime.fromisoformat(f"{end}T00:00:00+00:00")), 0, "ann"
        )
        step = self.closer().step(run, 0)
        assert not step.next_row

    def closer(self):
        return Closer(
            self.reading.rater,
            InvoiceStore(self.stores.database),
            BookedLines(self.stores.usage),
            UnchangedCustomers(self.stores.database, self.stores.catalog, self.stores.usage),
            now_us,
            secrets.token_hex,
        )

    def invoices(self):
        return InvoiceStore(self.stores.database).invoices(TENANT, "", 0, 1_000)

    def invoice_lines(self, invoice):
        return BookedLines(self.stores.usage).of_invoice(invoice).to_pylist()

    def erasures(self, draw=secrets.token_hex, turn=None):
        return Erasures(
            self.stores.database,
            self.stores.catalog,
            UsageErasure(self.stores.usage, self.rollups, self.reading.usage),
            self.reconciler,
            self.stores.order,
            ErasureSurroundings(
                turn or (lambda: rollups_turn(self.stores.deployment.locks, 60)),
                now_us,
                self.paused.append,
                draw,
            ),
        )

    def erase(self, customer=SHE, keep=()):
        return self.erasures().erase(TENANT, customer, keep, "key:ann")

    def meter(self, meter_id):
        return measure_of(TENANT, self.stores.catalog.snapshot(TENANT).meters[meter_id].resource)

    def quantity(self, meter, customer):
        """Of all groups together, over June, July and August."""
        as_of_us = self.stores.order.watermark(now_us())
        request = meter.asked([customer], (JUNE_US, JUNE_US + 90 * DAY_US), as_of_us)
        return sum(each.quantity for each in self.reading.usage.read(request, 1_000))

    def lines(self, customer, as_of_us=None):
        """What is billed for June and July, without names: amounts, quantities, counts, digests, formulas."""
        found = []
        for at_us in (JUNE_US + DAY_US, JUNE_US + 40 * DAY_US):
            snapshot = self.reading.rater.snapshot(TENANT, at_us, as_of_us)
            rated = self.reading.rater.rate_customer(snapshot, customer)
            found += map(_without_names, rated.line_items(np.arange(len(rated))))
        return found

    def held(self, customer):
        as_of_us = self.stores.order.watermark(now_us())
        records = HeldRecords(self.stores.database, self.stores.usage)
        found, place = [], RecordPlace()
        while page := records.page(TENANT, customer, place, as_of_us, 3):
            found += page
            place = page[-1].following
        return found


def _without_names(item):
    return (
        item.charge.billed.price.id,
        item.charge.period.start,
        item.quantity,
        item.rated,
        item.event_count,
        item.event_digest,
        item.unreadable_event_count,
        item.missing_value_event_count,
        sorted(item.dimensions),
    )


@contextlib.contextmanager
def open_world(data, catalog=None, usage=None):
    """The world of a data directory; stores elsewhere by their addresses."""
    known = KnownEvents.none(Limits())
    placement = Placement(Path(data), usage, catalog)
    with open_stores(placement, Durability.PROCESS, known.warming, now_us) as stores:
        yield ErasureWorld(stores, Path(data))


def fill(world, *, aliases=True):
    """Everything there is about her, and about Bob; without aliases also without what came under hers."""
    catalog = CATALOG if aliases else CATALOG.replace(f"    aliases: [{DEVICE}]\n", "")
    world.apply(catalog)
    world.apply(catalog.replace(NAME, f"{NAME} Ltd"))
    world.record([each for each in usage() if aliases or each.customer_id != DEVICE])
    # An id that was used twice: the first stands.
    world.record([call("bob-1", 2, 500, SEATS[0], note=NOTE)])
    world.reconciler.settle_until(world.stores.order.watermark(now_us()))
    world.correct(Kind.VOID, [f"{SHE}-3"], f"fix-{SHE}", f"{NAME} was charged twice")
    world.correct(
        Kind.AMEND,
        [f"{SHE}-5"],
        "more",
        "tokens were wrong",
        Amendment(set_properties=(("tokens", "1000"),)),
    )
    world.correct(Kind.VOID, [f"{SHE}-6", "bob-2"], "double", "sent twice")
    world.problem()
    world.audit(f"fix-{SHE}")
    world.audit("double")


def files_with(directory, texts):
    """Files below a directory whose raw bytes have one of these texts."""
    found = []
    for path in sorted(Path(directory).rglob("*")):
        if path.is_file():
            data = path.read_bytes().lower()
            found += [(str(path), each) for each in texts if each.lower().encode() in data]
    return found


def files_of_postgresql(database, texts):
    """As `files_with`, of the files of a PostgreSQL's database, but for its log; none of another database."""
    if not database.is_shared:
        return []
    with database.session() as session:
        session.execute(text("CHECKPOINT"))
        root = session.scalar(text("SHOW data_directory"))
        number = session.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    return files_with(Path(root) / "base" / str(number), texts)
