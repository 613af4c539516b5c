"""The usage store: events in ClickHouse."""
