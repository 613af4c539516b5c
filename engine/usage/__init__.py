"""Usage: events in ClickHouse, from the moment they are admitted to what they come to.

    store        the tables and what counts in them; ClickHouse, embedded or a server
    facts        what is asked of usage, and the SQL that reduces events to an answer
    recording    events in: intake, group commit, and what they are told that others decided
    corrections  what people and the reconciler decide on events: void, amend, restore, undo
    rollups      what events came to, kept by hour and day, and read beside the exact rest
    query        usage out: the one way in to an answer, and its pages

Each stands on those above it in this list. What runs in the background is beside it, in engine.upkeep.
"""
