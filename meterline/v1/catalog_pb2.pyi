from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ApplyCatalogRequest(_message.Message):
    __slots__ = ("document", "lines", "file_name", "dry_run", "first_line")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    FIRST_LINE_FIELD_NUMBER: _ClassVar[int]
    document: str
    lines: str
    file_name: str
    dry_run: bool
    first_line: int
    def __init__(self, document: _Optional[str] = ..., lines: _Optional[str] = ..., file_name: _Optional[str] = ..., dry_run: _Optional[bool] = ..., first_line: _Optional[int] = ...) -> None: ...

class ApplyCatalogResponse(_message.Message):
    __slots__ = ("revision", "changes", "unchanged_count")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changes: _containers.RepeatedCompositeFieldContainer[ResourceChange]
    unchanged_count: int
    def __init__(self, revision: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ResourceChange, _Mapping]]] = ..., unchanged_count: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("action", "kind", "id", "version", "fields")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[ResourceChange.Action]
        ACTION_CREATE: _ClassVar[ResourceChange.Action]
        ACTION_UPDATE: _ClassVar[ResourceChange.Action]
    ACTION_UNSPECIFIED: ResourceChange.Action
    ACTION_CREATE: ResourceChange.Action
    ACTION_UPDATE: ResourceChange.Action
    ACTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    action: ResourceChange.Action
    kind: str
    id: str
    version: int
    fields: _containers.RepeatedCompositeFieldContainer[FieldChange]
    def __init__(self, action: _Optional[_Union[ResourceChange.Action, str]] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., version: _Optional[int] = ..., fields: _Optional[_Iterable[_Union[FieldChange, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ("kind", "id", "version", "definition")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    version: int
    definition: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., version: _Optional[int] = ..., definition: _Optional[str] = ...) -> None: ...
