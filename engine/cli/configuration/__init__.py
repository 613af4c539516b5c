"""The configuration of an engine: as options of the command that runs it, and shown and checked."""
