"""What a first start makes: the key under which secrets are hashed, and an API key to begin with.

    DIR/api_keys.key   the key of all hashes, in hex, for the engine's own user alone (mode 0600)
    DIR/admin.key      the text of the first API key, for the same user; the command line on this machine finds it

Of a deployment without a data directory, the catalog database has the key of all hashes, and the operator brings the
first API key.

Rules:
1. The file of a key is whole on disk before the database knows the key: a start that breaks off leaves no key that
   nobody has. The next one makes another.
2. The first API key holds every scope. It is made once, while there is no key at all: whoever revoked it, or removed
   the file, has done so for ever.
3. An operator may name a file with a key of theirs instead (`meterline keys generate`), which is made known under its
   id if it is new. One that was revoked stays revoked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.access.access_store import AccessStore
from engine.access.api_keys import (
    HASH_KEY_BYTES,
    ApiKey,
    KeyHasher,
    RandomHex,
    key_id_of,
    new_key_text,
)
from engine.access.caller import DEFAULT_TENANT, Scope
from engine.cluster.deployment import HashKeyPlace
from engine.errors import StartupError
from engine.whole_files import read_secret, write_secret

_MADE_BY: Final = "engine"


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """Where keys begin. `first_key_file` is where the engine writes the first; None: it has no place for it.
    `given_key_file` is the operator's own, or None.
    """

    hash_key: HashKeyPlace
    first_key_file: Path | None
    given_key_file: Path | None
    now_us: Callable[[], int]
    random_hex: RandomHex

    def hasher(self, store: AccessStore) -> KeyHasher:
        """The hasher of this deployment; its key is made if there was never an API key.

        Raises:
            StartupError: the key can't be used, or is missing and was there before.
        """
        kept = self.hash_key.read()
        if kept is None:
            if store.has_keys():
                raise StartupError(
                    f"{self.hash_key.shown}: is missing, and was there before: without it no API key is known; "
                    "restore it from a backup"
                )
            kept = self.random_hex(HASH_KEY_BYTES)
            self.hash_key.write(kept)
        try:
            return KeyHasher(bytes.fromhex(kept))
        except ValueError:
            raise StartupError(
                f"{self.hash_key.shown}: does not hold a key of {HASH_KEY_BYTES} bytes in hex: restore it from a backup"
            ) from None

    def make_known(self, store: AccessStore, hasher: KeyHasher) -> Path | None:
        """Makes the key to begin with, and its tenant, if they are not there; the file that has the key, if one has.

        Raises:
            StartupError: a file can't be used, or there is no key and no place to write one.
        """
        if self.given_key_file is not None:
            self._make_given_key_known(store, hasher, self.given_key_file)
            return self.given_key_file
        place = self.first_key_file
        if not store.has_keys():
            if place is None:
                raise StartupError(
                    "there is no API key yet, and no data directory to write one into: make one with "
                    "meterline keys generate > FILE, and name it with --admin-key-file FILE"
                )
            text = new_key_text(self.random_hex)
            write_secret(place, text)
            self._add(store, hasher, text)
        return place if place is not None and place.exists() else None

    def _make_given_key_known(self, store: AccessStore, hasher: KeyHasher, place: Path) -> None:
        text = read_secret(place)
        key_id = key_id_of(text)
        if key_id is None:
            raise StartupError(f"{place}: does not hold an API key: make one with meterline keys generate")
        kept = store.key(key_id)
        if kept is None:
            self._add(store, hasher, text)
        elif not hasher.is_hash_of(kept.secret_hash, text):
            raise StartupError(
                f"{place}: holds another secret than key {key_id} had so far: make a new key with "
                "meterline keys generate"
            )

    def _add(self, store: AccessStore, hasher: KeyHasher, text: str) -> None:
        key, secret_hash = self._admin_key(text), hasher.hash(text)
        if store.has_tenant(DEFAULT_TENANT):
            store.add_key(key, secret_hash)
        else:
            store.add_tenant(DEFAULT_TENANT, key.created_at_us, key, secret_hash)

    def _admin_key(self, text: str) -> ApiKey:
        return ApiKey(
            key_id=key_id_of(text) or "",
            tenant=DEFAULT_TENANT,
            name="first admin key",
            scopes=frozenset(Scope),
            customer_id=None,
            created_at_us=self.now_us(),
            created_by=_MADE_BY,
        )
