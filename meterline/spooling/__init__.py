"""The spool: events on disk from before `record` returns until they have their verdict."""
