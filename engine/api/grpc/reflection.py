"""Server reflection, by its name of today (v1) and the older one (v1alpha) that many tools still ask for.

grpcio-reflection ships v1alpha only. The messages of v1 are the same, so its file is made from the older one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import cast

from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from engine.api.grpc.calls import Method, message, stream

_OLD_PACKAGE, _PACKAGE = "grpc.reflection.v1alpha", "grpc.reflection.v1"
METHOD = "ServerReflectionInfo"
NAMES = (f"{_PACKAGE}.ServerReflection", reflection.SERVICE_NAME)


def reflection_method(services: Sequence[str]) -> Method:
    """Answers which services there are, and with the files that describe them."""
    _describe_v1()
    # Typed as if it answered nothing; it never looks at the context.
    serve = cast(
        "Callable[[Iterator[ServerReflectionRequest], None], Iterator[Message]]",
        reflection.ReflectionServicer(services).ServerReflectionInfo,
    )
    return stream(METHOD, message(ServerReflectionRequest), lambda requests, _call: serve(requests, None))


def _describe_v1() -> None:
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    text = text_format.MessageToString(file).replace(_OLD_PACKAGE, _PACKAGE)
    described = text_format.Parse(text.replace("/v1alpha/", "/v1/"), FileDescriptorProto())
    descriptor_pool.Default().Add(described)
