"""What the engines of one deployment share, and how they take turns.

    deployment           what a deployment has, wherever it lives
    data_directory       a deployment in a directory: its form, its lock, the places of its stores
    deployment_database  a deployment in its catalog's PostgreSQL database
    locks                who may do what alone: files in a directory; database_locks: sessions of the database
    gateway_files        which gateways of a shared directory live: each holds a lock for as long as it does
    shared_clock         the order of ingestion that gateways agree on, kept in the catalog database
    watermarks           up to which instant a read may look
    upkeep_loop          work in the background, done by one engine of all at a time

One engine with embedded stores is the smallest deployment, and takes the same turns as many gateways do.
"""

__all__ = [
    "data_directory",
    "database_locks",
    "deployment",
    "deployment_database",
    "locks",
    "shared_clock",
    "upkeep_loop",
    "watermarks",
]
