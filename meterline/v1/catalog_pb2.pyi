from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApplyCatalogRequest(_message.Message):
    __slots__ = ("document", "lines", "file_name", "dry_run", "first_line", "expected_revision", "idempotency_key", "with_effect")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    FIRST_LINE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REVISION_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    WITH_EFFECT_FIELD_NUMBER: _ClassVar[int]
    document: str
    lines: str
    file_name: str
    dry_run: bool
    first_line: int
    expected_revision: int
    idempotency_key: str
    with_effect: bool
    def __init__(self, document: _Optional[str] = ..., lines: _Optional[str] = ..., file_name: _Optional[str] = ..., dry_run: _Optional[bool] = ..., first_line: _Optional[int] = ..., expected_revision: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., with_effect: _Optional[bool] = ...) -> None: ...

class ApplyCatalogResponse(_message.Message):
    __slots__ = ("revision", "changes", "unchanged_count", "effect")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changes: _containers.RepeatedCompositeFieldContainer[ResourceChange]
    unchanged_count: int
    effect: CatalogEffect
    def __init__(self, revision: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ResourceChange, _Mapping]]] = ..., unchanged_count: _Optional[int] = ..., effect: _Optional[_Union[CatalogEffect, _Mapping]] = ...) -> None: ...

class CatalogEffect(_message.Message):
    __slots__ = ("changes", "change_count", "totals", "incomplete")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHANGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[OwedChange]
    change_count: int
    totals: _containers.RepeatedCompositeFieldContainer[OwedChange]
    incomplete: bool
    def __init__(self, changes: _Optional[_Iterable[_Union[OwedChange, _Mapping]]] = ..., change_count: _Optional[int] = ..., totals: _Optional[_Iterable[_Union[OwedChange, _Mapping]]] = ..., incomplete: _Optional[bool] = ...) -> None: ...

class OwedChange(_message.Message):
    __slots__ = ("customer_id", "currency", "before", "after")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    before: str
    after: str
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class ApplyCatalogPiecesRequest(_message.Message):
    __slots__ = ("piece",)
    PIECE_FIELD_NUMBER: _ClassVar[int]
    piece: ApplyCatalogRequest
    def __init__(self, piece: _Optional[_Union[ApplyCatalogRequest, _Mapping]] = ...) -> None: ...

class ApplyCatalogPiecesResponse(_message.Message):
    __slots__ = ("piece",)
    PIECE_FIELD_NUMBER: _ClassVar[int]
    piece: ApplyCatalogResponse
    def __init__(self, piece: _Optional[_Union[ApplyCatalogResponse, _Mapping]] = ...) -> None: ...

class ResourceChange(_message.Message):
    __slots__ = ("action", "kind", "id", "version", "fields", "kept_subscription_count")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[ResourceChange.Action]
        ACTION_CREATE: _ClassVar[ResourceChange.Action]
        ACTION_UPDATE: _ClassVar[ResourceChange.Action]
        ACTION_ARCHIVE: _ClassVar[ResourceChange.Action]
        ACTION_DELETE: _ClassVar[ResourceChange.Action]
    ACTION_UNSPECIFIED: ResourceChange.Action
    ACTION_CREATE: ResourceChange.Action
    ACTION_UPDATE: ResourceChange.Action
    ACTION_ARCHIVE: ResourceChange.Action
    ACTION_DELETE: ResourceChange.Action
    ACTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    KEPT_SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    action: ResourceChange.Action
    kind: str
    id: str
    version: int
    fields: _containers.RepeatedCompositeFieldContainer[FieldChange]
    kept_subscription_count: int
    def __init__(self, action: _Optional[_Union[ResourceChange.Action, str]] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., version: _Optional[int] = ..., fields: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ..., kept_subscription_count: _Optional[int] = ...) -> None: ...

class FieldChange(_message.Message):
    __slots__ = ("path", "before", "after")
    PATH_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    path: str
    before: str
    after: str
    def __init__(self, path: _Optional[str] = ..., before: _Optional[str] = ..., after: _Optional[str] = ...) -> None: ...

class GetCatalogRequest(_message.Message):
    __slots__ = ("page_token",)
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_token: str
    def __init__(self, page_token: _Optional[str] = ...) -> None: ...

class GetCatalogResponse(_message.Message):
    __slots__ = ("revision", "resources", "next_page_token")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revision: int
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    next_page_token: str
    def __init__(self, revision: _Optional[int] = ..., resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("kind", "id", "version", "definition", "etag", "archived")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    version: int
    definition: str
    etag: str
    archived: bool
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., version: _Optional[int] = ..., definition: _Optional[str] = ..., etag: _Optional[str] = ..., archived: _Optional[bool] = ...) -> None: ...
