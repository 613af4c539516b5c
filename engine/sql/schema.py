"""The tables of the catalog database; the migrations make the same tables.

- revisions: one row for each write that changed something, by tenant, from 1. Rows are only ever added.
- idempotency_keys: what the keys of writes to the catalog were used for, and what came of it, for a while
  (engine.catalog.idempotency).
- resources: one row for each version of each resource; the current one is the newest. Rows are only ever added, and
  changed by an erasure alone (engine.erasure.catalog_erasure).
- event_fences: before which instant a tenant's events are refused, since they expire. It only rises. (The fences of
  inserts are another table, in the usage store: engine.usage.store.backends.guarded_insert.)
- tenants, api_keys: who may call (engine.access). Rows are never deleted.
- tenant_limits: what was set for single tenants in the place of what holds for all (engine.access.tenant_limits).
- audit_records: who changed what (engine.access.audit_log). Rows are only ever added; an erasure takes out of them what
  names its customer.
- outbox: facts that others must hear (engine.outbox), each written in the transaction of its cause. Rows are only added,
  changed by an erasure alone, and deleted once they are old.
- webhook_endpoints, webhook_deliveries, webhook_attempts: where tenants hear those facts, what each endpoint is still to
  hear, and how it went (engine.outbox.webhooks).
- erasures: customers whose personal data was erased, by pseudonym (engine.erasure.jobs).
- closes, invoice_series, invoices: what was billed (engine.sql.invoice_tables).
- reservations: what running work holds of limits (engine.entitlements.reservations). Deleted 35 days after their end, and by an
  erasure.
- account_entries, payments, refunds, credit_notes: what is owed and paid (engine.sql.account_tables).
- alert_crossings, alert_cursors: which thresholds were reached (engine.sql.alert_tables).
- top_ups: what rules have granted (engine.sql.top_up_table).
- deployment: whose database this is, if it is not in a data directory (engine.cluster.deployment_database).
- ingest_order, ingest_in_flight: what gateways that share a usage store agree on (engine.cluster.shared_clock).
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from engine.sql.reservation_table import RESERVATIONS

# Each module of tables imports the one before it, so that whoever has this one knows all of them.
METADATA: Final = RESERVATIONS.metadata

WATCHED_KINDS: Final = {"resources_of_alerts": "alert", "resources_of_top_up_rules": "top_up_rule"}
"""Kinds, as engine.catalog.kinds calls them, by the index that tells who has any: some upkeep asks several times a second."""

REVISIONS: Final = Table(
    "revisions",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # RFC 3339 in UTC, microseconds.
    Column("applied_at", Text, nullable=False),
    # SHA-256 of the document's UTF-8, in hex.
    Column("document_digest", Text, nullable=False),
    # Whose credential made it, as in audit_records; empty for revisions of before there was such a column.
    Column("changed_by", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant", "revision", name="revisions_pk"),
)

RESOURCES: Final = Table(
    "resources",
    METADATA,
    Column("tenant", Text, nullable=False),
    # One of engine.catalog.kinds.
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    # From 1, by one.
    Column("version", Integer, nullable=False),
    # The revision that made this version.
    Column("revision", BigInteger, nullable=False),
    # The place among the revision's changes: the order of the document.
    Column("position", Integer, nullable=False),
    # The canonical JSON of engine.catalog.kinds.
    Column("definition", Text, nullable=False),
    Column("applied_at", Text, nullable=False),
    # "active", or what this version made of the resource: "archived", "deleted". Those keep the definition of before.
    Column("state", Text, nullable=False, server_default="active"),
    PrimaryKeyConstraint("tenant", "kind", "id", "version", name="resources_pk"),
    ForeignKeyConstraint(
        ["tenant", "revision"], ["revisions.tenant", "revisions.revision"], name="resources_revision_fk"
    ),
    Index("resources_by_revision", "tenant", "revision", "position", unique=True),
    *(
        Index(
            name,
            "tenant",
            sqlite_where=text(f"kind = '{kind}'"),
            postgresql_where=text(f"kind = '{kind}'"),
        )
        for name, kind in WATCHED_KINDS.items()
    ),
)

IDEMPOTENCY_KEYS: Final = Table(
    "idempotency_keys",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    # SHA-256 of the request that used it, in hex.
    Column("request_digest", Text, nullable=False),
    # Microseconds since 1970.
    Column("used_at_us", BigInteger, nullable=False),
    # After the write.
    Column("revision", BigInteger, nullable=False),
    # Resources that the write changed, and left as they were; if it changed any, it made the revision.
    Column("changed_count", Integer, nullable=False),
    Column("unchanged_count", Integer, nullable=False),
    PrimaryKeyConstraint("tenant", "key", name="idempotency_keys_pk"),
    Index("idempotency_keys_by_time", "tenant", "used_at_us"),
)

EVENT_FENCES: Final = Table(
    "event_fences",
    METADATA,
    Column("tenant", Text, nullable=False),
    # Microseconds since 1970.
    Column("refused_before_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", name="event_fences_pk"),
)

INGEST_ORDER: Final = Table(
    "ingest_order",
    METADATA,
    # There is one row, 1. Instants are in microseconds since 1970.
    Column("id", Integer, nullable=False),
    # The latest instant that was handed out, as stamp or watermark.
    Column("latest_us", BigInteger, nullable=False),
    # The newest stamp whose group is stored: what a watermark has to reach.
    Column("stored_us", BigInteger, nullable=False),
    # Nothing after it was ever handed out; written in a way that survives power loss.
    Column("ceiling_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("id", name="ingest_order_pk"),
)

INGEST_IN_FLIGHT: Final = Table(
    "ingest_in_flight",
    METADATA,
    Column("stamp_us", BigInteger, autoincrement=False, nullable=False),
    Column("gateway", Text, nullable=False),
    # When others may take the group for lost; 0: its gateway has given it up.
    Column("lease_end_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("stamp_us", name="ingest_in_flight_pk"),
)

TENANTS: Final = Table(
    "tenants",
    METADATA,
    Column("tenant", Text, nullable=False),
    # Instants are in microseconds since 1970.
    Column("created_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", name="tenants_pk"),
)

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    # Names of engine.access.caller.Scope with blanks between them.
    Column("scopes", Text, nullable=False),
    # The one customer that it may read; NULL: all.
    Column("customer_id", Text, nullable=True),
    # HMAC-SHA256 of the key's text, in hex (engine.access.api_keys); of a certificate's key empty.
    Column("secret_hash", Text, nullable=False),
    # The name in a client certificate that stands for the text of the key; NULL: the text itself is shown.
    Column("certificate_subject", Text, nullable=True),
    Column("created_at_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    # NULL: never.
    Column("expires_at_us", BigInteger, nullable=True),
    Column("revoked_at_us", BigInteger, nullable=True),
    PrimaryKeyConstraint("key_id", name="api_keys_pk"),
    Index("api_keys_by_tenant", "tenant", "created_at_us", "key_id"),
    Index("api_keys_by_subject", "certificate_subject"),
)

TENANT_LIMITS: Final = Table(
    "tenant_limits",
    METADATA,
    Column("tenant", Text, nullable=False),
    # One of engine.access.tenant_limits.Limit.
    Column("name", Text, nullable=False),
    # NULL: no limit, whatever holds for all.
    Column("number", BigInteger, nullable=True),
    PrimaryKeyConstraint("tenant", "name", name="tenant_limits_pk"),
)

AUDIT_RECORDS: Final = Table(
    "audit_records",
    METADATA,
    # In the order in which they were written. An Integer, so that SQLite numbers the rows itself.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    # "key:" and the id of the key.
    Column("credential", Text, nullable=False),
    # "<service>.<method>" of the wire contract.
    Column("operation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # The name of the status code.
    Column("code", Text, nullable=False),
    PrimaryKeyConstraint("number", name="audit_records_pk"),
    Index("audit_records_by_tenant", "tenant", "number"),
)

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    # In the order of commits. An Integer, so that SQLite numbers the rows itself.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("tenant", Text, nullable=False),
    # One of engine.outbox.fact_types.
    Column("fact_type", Text, nullable=False),
    # What the fact is about: facts of one object are told in order.
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    # Canonical JSON: ids and figures, no personal data but the customer's id.
    Column("payload", Text, nullable=False),
    Column("recorded_at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("number", name="outbox_pk"),
    Index("outbox_by_tenant", "tenant", "number"),
)

WEBHOOK_ENDPOINTS: Final = Table(
    "webhook_endpoints",
    METADATA,
    Column("endpoint_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("url", Text, nullable=False),
    # What it hears, a JSON list.
    Column("fact_types", Text, nullable=False),
    Column("description", Text, nullable=False),
    # engine.outbox.webhooks.endpoints.EndpointState, and why it is disabled.
    Column("state", Text, nullable=False),
    Column("disabled_reason", Text, nullable=False),
    Column("created_at_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    # From which, and the deployment's key, secrets are derived; the one before is good until an instant.
    Column("secret_nonce", Text, nullable=False),
    Column("previous_nonce", Text, nullable=True),
    Column("previous_until_us", BigInteger, nullable=True),
    # Up to which fact of the outbox it has its deliveries.
    Column("read_number", BigInteger, nullable=False),
    # NULL: the last attempt was a delivery.
    Column("failing_since_us", BigInteger, nullable=True),
    PrimaryKeyConstraint("endpoint_id", name="webhook_endpoints_pk"),
    Index("webhook_endpoints_by_tenant", "tenant", "created_at_us", "endpoint_id"),
)

WEBHOOK_DELIVERIES: Final = Table(
    "webhook_deliveries",
    METADATA,
    Column("endpoint_id", Text, nullable=False),
    # Of the fact in the outbox.
    Column("number", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    # engine.outbox.webhooks.deliveries.DeliveryState.
    Column("state", Text, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("next_attempt_at_us", BigInteger, nullable=False),
    # How the last attempt went; a status of NULL: without an answer.
    Column("last_status", Integer, nullable=True),
    Column("last_error", Text, nullable=False),
    PrimaryKeyConstraint("endpoint_id", "number", name="webhook_deliveries_pk"),
    Index("webhook_deliveries_by_state", "endpoint_id", "state", "number"),
)

WEBHOOK_ATTEMPTS: Final = Table(
    "webhook_attempts",
    METADATA,
    Column("endpoint_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    # From 1, by one.
    Column("attempt", Integer, nullable=False),
    Column("attempted_at_us", BigInteger, nullable=False),
    Column("status", Integer, nullable=True),
    # Why there was no answer.
    Column("error", Text, nullable=False),
    Column("took_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("endpoint_id", "number", "attempt", name="webhook_attempts_pk"),
)

DEPLOYMENT: Final = Table(
    "deployment",
    METADATA,
    # There is one row at most, 1.
    Column("id", Integer, autoincrement=False, nullable=False),
    # Drawn once. The usage store knows it, too: in a database of a server, or in the file of a data directory.
    Column("identity", Text, nullable=False),
    # The form of what the usage store holds: engine.cluster.deployment.FORMAT.
    Column("format", Integer, nullable=False),
    # "embedded" or "server".
    Column("usage_store", Text, nullable=False),
    # Under which the secrets of API keys are hashed, in hex; NULL: a file of the data directory has it.
    Column("api_keys_hash_key", Text, nullable=True),
    PrimaryKeyConstraint("id", name="deployment_pk"),
)

ERASURES: Final = Table(
    "erasures",
    METADATA,
    Column("tenant", Text, nullable=False),
    # What stands in the place of the customer's id everywhere.
    Column("pseudonym", Text, nullable=False),
    # The step that is done (engine.erasure.jobs.Step).
    Column("step", Text, nullable=False),
    # 1 once no version of the catalog names the customer: whoever has read it before reads it anew.
    Column("catalog_is_changed", Integer, nullable=False),
    # By which the customer is known again until the last step: SHA-256 of salt and id, in hex. Empty afterwards.
    Column("salt", Text, nullable=False),
    Column("customer_hash", Text, nullable=False),
    # Instants are in microseconds since 1970. Of the usage up to this watermark.
    Column("as_of_us", BigInteger, nullable=False),
    # The names of the properties that keep their values, a JSON list.
    Column("keep_properties", Text, nullable=False),
    Column("begun_at_us", BigInteger, nullable=False),
    # NULL until the last step.
    Column("ended_at_us", BigInteger, nullable=True),
    Column("begun_by", Text, nullable=False),
    # What was found when it began, a JSON object of numbers (engine.erasure.extent).
    Column("extent", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "pseudonym", name="erasures_pk"),
)
