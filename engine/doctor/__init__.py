"""What an operator is told about a deployment: each check is one function that gives findings, and changes nothing.

    finding           well, a warning or wrong: about what, what was found, what to do
    data_directory    whether the directory is there, ours, writable, with room, and its secrets kept from others
    catalog_store     SQLite or PostgreSQL: answers, schema, damage, settings, clock, whose it is
    usage_store       ClickHouse, embedded or a server: answers, version, clock, whose it is
    tls_files         the certificate: fits its key, how long it is valid, its names
    secret_files      who may read a file that holds a secret; whether the first API key is one
    installation      versions of what runs here

The time arrives as an argument. No text of a finding has a password.
"""

__all__ = [
    "catalog_store",
    "data_directory",
    "finding",
    "installation",
    "secret_files",
    "tls_files",
    "usage_store",
]
