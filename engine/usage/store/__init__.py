"""The usage store: the tables of ClickHouse, which of their rows count, and how rows come in and out.

    usage_store      opens a store, embedded in this process or a server, and is the one way to it
    schema           the log of events and of facts; rollup_schema and retention_schema beside it
    void_sql         which events count at a watermark
    partials         what a set of events is reduced to, so that sets can be put together
    event_digest     what tells two sets of events apart
    properties       how the log keeps the properties of an event
    query            one statement with its bound parameters, and a number of what it reads
    durability       what an acknowledged event survives
    server_address   where a server is, and how long one waits for it
    own_writes       what a process knows of a store that it alone writes
    write_watch      whether writes of the embedded store reached the disk

The rest is this room's own: the two backends (embedded, server) behind one protocol, the driver, inserts that can be
called off, the migration of older stores, and settings.
"""

__all__ = [
    "durability",
    "event_digest",
    "guarded_insert",
    "own_writes",
    "partials",
    "properties",
    "query",
    "retention_schema",
    "rollup_schema",
    "schema",
    "server_address",
    "usage_store",
    "void_sql",
    "write_watch",
]
