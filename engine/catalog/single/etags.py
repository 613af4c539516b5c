"""Etags: which version of a resource a caller has seen, as opaque text.

An etag is made from kind, id and version alone, so it is not stored, and the same on every gateway.
"""

from hashlib import blake2b

from engine.errors import FieldMistake, InvalidRequestError, StaleError


def etag_of(kind: str, resource_id: str, version: int) -> str:
    content = f"{kind}\0{resource_id}\0{version}".encode("utf-8", "surrogatepass")
    return f"{version}-{blake2b(content, digest_size=6).hexdigest()}"


def check_etag(given: str, kind: str, resource_id: str, version: int) -> None:
    """Whether a write may go on what the caller has seen; an empty etag lets every write go on.

    Raises:
        InvalidRequestError: it is no etag of this resource.
        StaleError: the resource has another version by now.
    """
    newest = etag_of(kind, resource_id, version)
    if given in ("", newest):
        return
    seen, _, _ = given.partition("-")
    if not (seen.isascii() and seen.isdecimal() and len(seen) <= 9) or given != etag_of(
        kind, resource_id, int(seen)
    ):
        message = f"is not one of the {kind} {resource_id!r}: give what a read of it, or a write, answered"
        raise InvalidRequestError(FieldMistake("etag", message))
    raise StaleError(
        f"the {kind} {resource_id!r} was changed since it was read: it was version {seen} (etag {given}) and is "
        f"version {version} (etag {newest}) now; read it again, and write what is still to be changed"
    )
