"""The composition root: builds the parts, joins them, and takes them apart in the right order.

    serving      one engine from its options to its end; calls the builders below, one for each room
    stores       the data directory, the usage store and the order of ingestion that belong together
    recording    events on their way into the store: admission, hot window, intake, committer
    reading      usage and money on their way out: the reader of usage, the rater
    access       who may call: keys, the gate before every operation, the audit log
    upkeep       what runs in the background, and what may be started by hand beside it
    operations   the services behind the table of operations
    faces        the ports over that table: gRPC and HTTP
    offline      what is done to stores without an engine: migrations, restores
    checks       whether the stores answer
    metrics_port the port of Prometheus and of probes
    standing_metrics  metrics of the build, the bounds and the disk
    logs         how the process writes its log

Here alone the clock and chance enter the engine, and nothing here decides anything: what a part needs, it is given.
"""

__all__ = ["logs", "offline", "serving"]
