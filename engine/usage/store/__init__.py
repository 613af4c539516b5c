"""The usage store: how rows come into ClickHouse, and how they come out.

usage_store      opens a store, embedded in this process or a server, and is the one way to it
backends         the two kinds of ClickHouse behind one protocol, and the driver
tables           what is stored, which rows of it count, and what they are reduced to
query            one statement with its bound parameters, and a number of what it reads
"""

__all__ = ["query", "usage_store"]
