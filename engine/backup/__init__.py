"""Backups of both stores to one point, made while events stream in, and restored into empty stores of any kind.

    manifest       what a backup holds, written last, and how a directory is checked against it
    copied_tables  what is copied of the usage store, and how a copy is compared with it: pure
    catalog_copy   what is copied of the catalog store, and brought to this version's schema
    files          compressed files with a digest
    backups        makes a backup
    restoring      puts one into empty stores
    place          the directory of an engine's backups, judged before a start

A backup is made of rows, not of a store's own files: one of an engine with embedded stores can be restored to a
ClickHouse server and PostgreSQL, and the other way round.
"""

__all__ = ["backups", "manifest", "place", "restoring"]
