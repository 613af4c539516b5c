"""How an engine is configured: one table of settings, from which options, variables, file and reference are made.

    effective(file, given)   what holds, and where each value came from: option, environment, file or default
    settings()               the table: what `configuration.py` declares, flat

Secrets stand in the environment or in files of their own, and never in an option or in the configuration file.
"""

__all__ = ["configuration", "effective", "settings"]
