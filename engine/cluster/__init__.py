"""What the engines of one deployment share, and how they take turns.

    data_directory   the directory that a deployment lives in: its form, its locks, the places of its stores
    gateways         which gateways of a shared directory live: each holds a lock for as long as it does
    shared_clock     the order of ingestion that gateways agree on, kept in the catalog database
    watermarks       up to which instant a read may look
    upkeep_loop      work in the background, done by one engine of all at a time

One engine with embedded stores is the smallest deployment, and takes the same turns as many gateways do.
"""

__all__ = ["data_directory", "gateways", "shared_clock", "upkeep_loop", "watermarks"]
