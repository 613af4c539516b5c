"""Facts that others must hear: each is a row of the outbox, written in the transaction of its cause.

    facts       what a fact is, and how a writer records it
    fact_types  every type of fact that there is

1. A fact is there if and only if what it tells is: both are of one transaction. Who reads the outbox misses nothing that
   was committed, and hears of nothing that was not.
2. Writers of the catalog database take turns (engine.sql.database), so numbers rise in the order of commits: whoever has
   read up to a number has seen every fact up to it.
3. Facts about one object are told in the order of their numbers. Those about different objects may overtake each other.
4. A fact has ids and figures, no personal data but the customer's id: whoever hears it asks the engine for the rest, with
   a credential of its own. An erasure puts the pseudonym in the place of that id (engine.erasure.catalog_erasure).
5. Facts are kept for KEPT_US. The newest one stays, however old: numbers go on behind it, in a restored copy, too.
"""

__all__ = ["fact_types", "facts"]
