"""AccessService and TenantService: API keys, the audit log, tenants."""

import re
from collections.abc import Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from engine.access.access_store import AccessStore, Tenant, in_order
from engine.access.api_keys import ApiKey, shown_key_id
from engine.access.audit_log import AuditLog
from engine.access.caller import Scope
from engine.access.key_ring import KeyRing
from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, sealed
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from meterline.v1 import access_pb2
from meterline.v1.access_pb2 import (
    AuditRecord,
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    CreateTenantRequest,
    CreateTenantResponse,
    ListApiKeysRequest,
    ListApiKeysResponse,
    ListAuditRecordsRequest,
    ListAuditRecordsResponse,
    ListTenantsRequest,
    ListTenantsResponse,
    RevokeApiKeyRequest,
    RevokeApiKeyResponse,
    RotateApiKeyRequest,
    RotateApiKeyResponse,
)

_NAME_BYTES_MAX: Final = 128
_SUBJECT_BYTES_MAX: Final = 256
_PAGE_SIZE_DEFAULT: Final = 100
# A few hundred bytes each.
_PAGE_SIZE_MAX: Final = 1_000
_OVERLAP_DEFAULT_S: Final = 86_400
_OVERLAP_MAX_S: Final = 31_536_000
_TENANT_FORM: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SCOPES: Final = {getattr(access_pb2, f"SCOPE_{each.name}"): each for each in Scope}
_SCOPE_NUMBERS: Final = {scope: number for number, scope in _SCOPES.items()}


class AccessService:
    """The keys and the audit log of the caller's tenant."""

    def __init__(self, ring: KeyRing, store: AccessStore, audit_log: AuditLog) -> None:
        self._ring = ring
        self._store = store
        self._audit_log = audit_log

    def create_api_key(self, request: CreateApiKeyRequest, call: Call) -> CreateApiKeyResponse:
        mistakes = [*text_mistakes("name", request.name, _NAME_BYTES_MAX), *_scope_mistakes(request.scopes)]
        if request.customer_id:
            mistakes += text_mistakes("customer_id", request.customer_id, _NAME_BYTES_MAX)
        if request.certificate_subject:
            mistakes += text_mistakes("certificate_subject", request.certificate_subject, _SUBJECT_BYTES_MAX)
        raise_all(mistakes)
        made = self._ring.create(
            call.caller,
            request.name,
            frozenset(_SCOPES[each] for each in request.scopes),
            request.customer_id or None,
            optional_us(request, "expires_at"),
            request.certificate_subject or None,
        )
        return CreateApiKeyResponse(api_key=_key_message(made.key), key_text=made.text)

    def list_api_keys(self, request: ListApiKeysRequest, call: Call) -> ListApiKeysResponse:
        size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        after_us, after_id = 0, ""
        if request.page_token:
            token = opened(request.page_token, "api keys", int, str)
            after_us, after_id = int(token[0]), str(token[1])
        found = self._store.keys(call.tenant, (after_us, after_id), size + 1)
        response = ListApiKeysResponse(api_keys=map(_key_message, found[:size]))
        if len(found) > size:
            last = found[size - 1]
            response.next_page_token = sealed("api keys", last.created_at_us, last.key_id)
        return response

    def rotate_api_key(self, request: RotateApiKeyRequest, call: Call) -> RotateApiKeyResponse:
        overlap_s = request.overlap_s if request.HasField("overlap_s") else _OVERLAP_DEFAULT_S
        mistakes: list[FieldMistake] = []
        if overlap_s > _OVERLAP_MAX_S:
            mistakes.append(FieldMistake("overlap_s", f"is {overlap_s}: it is at most {_OVERLAP_MAX_S}"))
        raise_all(mistakes)
        made, old = self._ring.rotate(
            call.caller, _key_id(request.key_id), overlap_s * 1_000_000, optional_us(request, "expires_at")
        )
        return RotateApiKeyResponse(
            api_key=_key_message(made.key), key_text=made.text, replaced=_key_message(old)
        )

    def revoke_api_key(self, request: RevokeApiKeyRequest, call: Call) -> RevokeApiKeyResponse:
        key_id = _key_id(request.key_id)
        return RevokeApiKeyResponse(api_key=_key_message(self._ring.revoke(call.caller, key_id)))

    def list_audit_records(self, request: ListAuditRecordsRequest, call: Call) -> ListAuditRecordsResponse:
        size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        before = None
        if request.page_token:
            before = int(opened(request.page_token, "audit records", int)[0])
        found = self._audit_log.records(call.tenant, before, size + 1)
        response = ListAuditRecordsResponse(
            audit_records=[
                AuditRecord(
                    number=each.number,
                    recorded_at=to_timestamp(each.recorded_at_us),
                    credential=each.credential,
                    operation=each.operation,
                    subject=each.subject,
                    code=each.code,
                )
                for each in found[:size]
            ]
        )
        if len(found) > size:
            response.next_page_token = sealed("audit records", found[size - 1].number)
        return response


class TenantService:
    """The tenants of the engine."""

    def __init__(self, ring: KeyRing, store: AccessStore) -> None:
        self._ring = ring
        self._store = store

    def create_tenant(self, request: CreateTenantRequest, call: Call) -> CreateTenantResponse:
        if not _TENANT_FORM.fullmatch(request.tenant):
            raise InvalidRequestError(
                FieldMistake(
                    "tenant", "has 1 to 63 characters: a to z, 0 to 9, - and _, first a letter or digit"
                )
            )
        tenant, made = self._ring.create_tenant(call.caller, request.tenant)
        return CreateTenantResponse(
            tenant=_tenant_message(tenant), api_key=_key_message(made.key), key_text=made.text
        )

    def list_tenants(self, request: ListTenantsRequest, call: Call) -> ListTenantsResponse:
        del call  # all tenants, whoever may ask
        size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        after = str(opened(request.page_token, "tenants", str)[0]) if request.page_token else ""
        found = self._store.tenants(after, size + 1)
        response = ListTenantsResponse(tenants=map(_tenant_message, found[:size]))
        if len(found) > size:
            response.next_page_token = sealed("tenants", found[size - 1].tenant)
        return response


def _key_id(text: str) -> str:
    """Of an id, or of the whole text of a key, which is not repeated anywhere.

    Raises:
        InvalidRequestError: it is neither.
    """
    key_id = shown_key_id(text)
    if not key_id:
        raise InvalidRequestError(
            FieldMistake("key_id", "is not the id of a key: 12 hex digits, the part behind mlk_")
        )
    return key_id


def _scope_mistakes(scopes: Sequence[int]) -> list[FieldMistake]:
    if not scopes:
        return [FieldMistake("scopes", "is empty: name at least one")]
    return [
        FieldMistake(f"scopes[{i}]", f"is {each}, which is not a scope")
        for i, each in enumerate(scopes)
        if each not in _SCOPES
    ]


def _key_message(key: ApiKey) -> access_pb2.ApiKey:
    return access_pb2.ApiKey(
        key_id=key.key_id,
        name=key.name,
        scopes=[_SCOPE_NUMBERS[each] for each in in_order(key.scopes)],
        customer_id=key.customer_id or "",
        created_at=to_timestamp(key.created_at_us),
        created_by=key.created_by,
        expires_at=_optional(key.expires_at_us),
        revoked_at=_optional(key.revoked_at_us),
        certificate_subject=key.certificate_subject or "",
    )


def _optional(instant_us: int | None) -> Timestamp | None:
    return None if instant_us is None else to_timestamp(instant_us)


def _tenant_message(tenant: Tenant) -> access_pb2.Tenant:
    return access_pb2.Tenant(tenant=tenant.tenant, created_at=to_timestamp(tenant.created_at_us))
