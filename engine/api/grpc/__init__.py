"""The gRPC face: made from the table of operations (engine.api.operations), with what gRPC itself brings.

server   the port, and which method is served by what
calls    how every call is served: parsed, answered, its error mapped, its time measured
peers    what the engine bears of its peers: how many calls are open, and how long one may take
health   grpc.health.v1
"""

__all__ = ["calls", "health", "peers", "server"]
