"""Services of kinds that have messages of their own: each RPC is one of ResourceService, said in other words.

A kind is a row of TYPED, and a file of the wire contract whose messages are named as those of the others.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from google.protobuf.message import Message

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL
from engine.api.operation import Call, Operation
from engine.api.services.resources.resource_service import ResourceService
from engine.api.services.resources.typed_messages import defined_name, fields_of, typed
from engine.catalog.kinds import KINDS
from engine.errors import FieldMistake, InvalidRequestError
from fields import declaration
from meterline.v1 import customers_pb2, subscriptions_pb2
from meterline.v1 import resources_pb2 as pb


@dataclass(frozen=True, slots=True)
class TypedKind:
    """`noun`: its message, after which its service, requests and answers are named; `module`: where they are."""

    kind: str
    noun: str
    module: ModuleType

    @property
    def names(self) -> Sequence[str]:
        return tuple(declaration(KINDS[self.kind]).names)

    def message(self, name: str) -> type[Message]:
        found: type[Message] = getattr(self.module, name)
        return found


TYPED: Final = (
    TypedKind("customer", "Customer", customers_pb2),
    TypedKind("subscription", "Subscription", subscriptions_pb2),
)


def typed_operations(resources: ResourceService) -> tuple[Operation[Any], ...]:
    """The rows of the services of TYPED."""
    return tuple(each for kind in TYPED for each in _Rows(kind, resources).rows())


@dataclass(frozen=True, slots=True)
class _Rows:
    """Makes the rows of one service."""

    kind: TypedKind
    resources: ResourceService

    def rows(self) -> list[Operation[Any]]:
        return [
            self._row("Create", self._create),
            self._row("Get", self._get),
            self._row("Update", self._update),
            self._row("List", self._list),
            self._row("Archive", self._archive),
            self._row("Delete", self._delete),
        ]

    def _row(self, verb: str, serve: Callable[[Any, Call], dict[str, Any]]) -> Operation[Any]:
        method = f"{verb}{self.kind.noun}{'s' if verb == 'List' else ''}"
        answer = self.kind.message(f"{method}Response")

        def handler(request: Message, call: Call) -> Message:
            return answer(**serve(request, call))

        handler.__name__ = method.lower()
        reads = verb in ("Get", "List")
        return Operation(
            f"{self.kind.noun}Service.{method}",
            self.kind.message(f"{method}Request"),
            handler,
            Scope.READ if reads else Scope.CATALOG,
            CALL,
            audit=None if reads else self._subject,
        )

    def _create(self, request: Any, call: Call) -> dict[str, Any]:  # noqa: ANN401 - of the kind's module
        fields = fields_of(self._typed_of(request), self.kind.names)
        generic = pb.CreateResourceRequest(
            kind=self.kind.kind, definition=json.dumps(fields), idempotency_key=request.idempotency_key
        )
        return self._answer(self.resources.create_resource(generic, call))

    def _get(self, request: Any, call: Call) -> dict[str, Any]:  # noqa: ANN401 - of the kind's module
        generic = pb.GetResourceRequest(kind=self.kind.kind, id=self._id_of(request))
        return self._answer(self.resources.get_resource(generic, call))

    def _update(self, request: Any, call: Call) -> dict[str, Any]:  # noqa: ANN401 - of the kind's module
        message = self._typed_of(request)
        generic = pb.UpdateResourceRequest(
            kind=self.kind.kind,
            id=message.id,
            definition=json.dumps(fields_of(message, self.kind.names)),
            update_mask=[self._defined_path(each) for each in request.update_mask],
            etag=message.etag,
            idempotency_key=request.idempotency_key,
        )
        return self._answer(self.resources.update_resource(generic, call))

    def _list(self, request: Any, call: Call) -> dict[str, Any]:  # noqa: ANN401 - of the kind's module
        generic = pb.ListResourcesRequest(
            kind=self.kind.kind,
            id_prefix=request.id_prefix,
            fields={self._defined_path(path): text for path, text in request.fields.items()},
            include_archived=request.include_archived,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        answer = self.resources.list_resources(generic, call)
        message = self.kind.message(self.kind.noun)
        listed = [typed(each, message, self.kind.names) for each in answer.resources]
        return {f"{self._field}s": listed, "next_page_token": answer.next_page_token}

    def _archive(self, request: Any, call: Call) -> dict[str, Any]:  # noqa: ANN401 - of the kind's module
        return self._answer(
            self.resources.archive_resource(
                pb.ArchiveResourceRequest(
                    kind=self.kind.kind,
                    id=self._id_of(request),
                    etag=request.etag,
                    idempotency_key=request.idempotency_key,
                ),
                call,
            )
        )

    def _delete(self, request: Any, call: Call) -> dict[str, Any]:  # noqa: ANN401 - of the kind's module
        self.resources.delete_resource(
            pb.DeleteResourceRequest(
                kind=self.kind.kind,
                id=self._id_of(request),
                etag=request.etag,
                idempotency_key=request.idempotency_key,
            ),
            call,
        )
        return {}

    @property
    def _field(self) -> str:
        return self.kind.noun.lower()

    def _answer(self, answer: Any) -> dict[str, Any]:  # noqa: ANN401 - an answer that has a resource
        message = self.kind.message(self.kind.noun)
        return {self._field: typed(answer.resource, message, self.kind.names)}

    def _typed_of(self, request: Message) -> Any:  # noqa: ANN401 - of the kind's module
        if not request.HasField(self._field):
            raise InvalidRequestError(FieldMistake(self._field, "is missing"))
        return getattr(request, self._field)

    def _id_of(self, request: Message) -> str:
        found: str = getattr(request, f"{self._field}_id")
        return found

    def _defined_path(self, path: str) -> str:
        first, point, inner = path.partition(".")
        return f"{defined_name(first, self.kind.names)}{point}{inner}"

    def _subject(self, request: Message) -> str:
        """For the audit log: the kind and the id, if it is given."""
        if self._field in request.DESCRIPTOR.fields_by_name:
            return f"{self.kind.kind} {getattr(request, self._field).id}".strip()
        return f"{self.kind.kind} {self._id_of(request)}"
