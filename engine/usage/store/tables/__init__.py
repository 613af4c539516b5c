"""The tables of the usage store: what is in them, which of their rows count, and what these are reduced to.

schema           the log of events and of facts; rollup_schema, retention_schema and problem_schema beside it
booked_schema    the lines of invoices
erasure_schema   what an erasure notes while it is at work
migration        an older store made into one of today's form
durability       what an acknowledged event survives
settings         how ClickHouse keeps parts and answers statements
newest_rows      what the store is asked about its newest rows
properties       how the log keeps the properties of an event
void_sql         which events count at a watermark
event_digest     what tells two sets of events apart
partials         what a set of events is reduced to, so that sets can be put together
"""
