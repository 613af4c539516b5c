"""The tables of the catalog database; the migrations make the same tables.

- revisions: one row for each document that changed something, by tenant, from 1. Rows are only ever added.
- resources: one row for each version of each resource; the current one is the newest. Rows are only ever added.
- event_fences: before which instant a tenant's events are refused, since they expire. It only rises. (The fences of
  inserts are another table, in the usage store: engine.usage.store.backends.guarded_insert.)
- tenants, api_keys: who may call (engine.access). Rows are never deleted.
- tenant_limits: what was set for single tenants in the place of what holds for all (engine.access.tenant_limits).
- audit_records: who changed what (engine.access.audit_log). Rows are only ever added.
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
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

METADATA: Final = MetaData()

REVISIONS: Final = Table(
    "revisions",
    METADATA,
    Column("tenant", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # RFC 3339 in UTC, microseconds.
    Column("applied_at", Text, nullable=False),
    # SHA-256 of the document's UTF-8, in hex.
    Column("document_digest", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "revision", name="revisions_pk"),
)

RESOURCES: Final = Table(
    "resources",
    METADATA,
    Column("tenant", Text, nullable=False),
    # "meter", "plan", "customer", "subscription"
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
    PrimaryKeyConstraint("tenant", "kind", "id", "version", name="resources_pk"),
    ForeignKeyConstraint(
        ["tenant", "revision"], ["revisions.tenant", "revisions.revision"], name="resources_revision_fk"
    ),
    Index("resources_by_revision", "tenant", "revision", "position", unique=True),
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
