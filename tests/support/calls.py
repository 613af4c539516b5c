"""A call as a service sees it, of somebody who may read."""

from engine.access.caller import Caller, Scope
from engine.api.operation import Call


def call_of(tenant):
    return Call(Caller(tenant, "key:test", frozenset({Scope.READ})), is_active=lambda: True)
