"""The HTTP face: the operations of the table as JSON, made from the wire contract, and CloudEvents.

server        the port: a thread with an event loop, and what it bears of its peers
calls         how every call is served: gate, body, handler, answer
answers       a call that is let in: its handler called, its answer written
page_calls    calls that pages make for those who look at them
bodies        a request's body read, within its bounds
cloud_events  CloudEvents as usage events
openapi       the OpenAPI document
"""

__all__ = ["calls", "openapi", "page_calls", "server"]
