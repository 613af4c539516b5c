"""Golden files: what the engine answers, byte by byte, so that a change of behaviour is seen and meant.

`files/` holds the answers of RPCs, of commands and of /metrics, and the schemas on disk:

    demo/     examples/llm.yaml with the first hundreds of requests of its trace
    models/   a catalog of every price model and every aggregation (tests.golden.catalog), corrections and all
    help/     --help of every command

`make golden` writes them anew; a test compares, and another judges the rated lines by the oracles. Everything is asked
for through gRPC, the command line and HTTP: what is behind them may move. What no run repeats stands as a placeholder:
instants of today (`<instant 1>` is the first in its file), page tokens, and the engine's address.
"""
