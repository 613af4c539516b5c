"""The engine: the only shell, where all I/O lives."""
