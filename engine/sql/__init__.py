"""The catalog database: one small transactional database, SQLite by default and PostgreSQL in production.

    database         opens it, brings it to this version's schema, and hands out its transactions
    catalog_address  the URL of one that is not in the data directory
    postgresql       what is PostgreSQL's own: who takes turns with whom, settings, errors that pass
    purging          bytes of what was deleted, out of the files
    schema           every table of it, with what its rows mean; invoice_tables has those of invoices, alert_tables of alerts, account_tables
                     those of what is owed and paid, top_up_table that of top-ups, reservation_table that of reservations
    migrations/      how an older database gets there, step by step

What the rows are about belongs to the rooms that read and write them: resources and the fences of expired events
to engine.catalog, the order of ingestion and its leases to engine.cluster. They stand in one schema, since one
transaction may have to change several, and one chain of migrations makes all of them.
"""

__all__ = [
    "account_tables",
    "alert_tables",
    "catalog_address",
    "database",
    "invoice_tables",
    "postgresql",
    "reservation_table",
    "schema",
    "top_up_table",
]
