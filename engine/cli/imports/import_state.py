"""How far an import has come: a small file beside the input, so that a second run sends only what is left.

Rules:
1. It is written anew after each acknowledged request, whole or not at all.
2. It counts rows from the first, without a gap: every row up to `rows` has its verdict.
3. It belongs to one content, one mapping and one engine. For any other it is a mistake to go on from it.
4. An import that came to its end, and could not store some rows, begins anew when it is run again, with other options
   if need be: what refused them may be mended. Ids stay, so what is stored comes back as duplicate; options that
   give other ids would count it twice, and are refused.
5. So does an import of a rejects file that was edited since: its ids don't depend on its content, so they stay, too.
6. Without it nothing is lost: ids are the same again, and what was stored comes back as duplicate.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from engine.cli.terminal.connection import CommandError

_CHUNK_BYTES = 1024 * 1024
_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Content:
    """What a file held when the import began: digest and length of the bytes in it, and how to see that it changes."""

    sha256: str
    size_bytes: int
    file_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, file: BinaryIO, unpacked: BinaryIO) -> "Content":
        """Reads `unpacked`, which is the file itself or what is compressed in it, once to its end."""
        status = os.fstat(file.fileno())
        digest, size_bytes = hashlib.sha256(), 0
        while piece := unpacked.read(_CHUNK_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
        return cls(digest.hexdigest(), size_bytes, status.st_size, status.st_mtime_ns)

    def is_still(self, file: BinaryIO) -> bool:
        status = os.fstat(file.fileno())
        return (status.st_size, status.st_mtime_ns) == (self.file_bytes, self.changed_ns)

    def event_id(self, number: int) -> str:
        """The id of a row that has none of its own."""
        return f"{self.sha256[:_ID_DIGITS]}-{number}"


@dataclass(slots=True)
class Progress:
    """Rows that have their verdict, by verdict, and the length of the rejects file that names the bad ones."""

    rows: int = 0
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    rejects_bytes: int = 0

    @property
    def bad_rows(self) -> int:
        """Rows that are not stored."""
        return self.conflict + self.rejected


@dataclass(slots=True)
class ImportState:
    """The progress of one import, and the file that it is kept in."""

    # None: it is not kept.
    path: Path | None
    content: str
    mapping: str
    ids: str
    target: str
    # Of the API key that it is sent with; None: a certificate shows who sends.
    key_id: str | None = None
    # Whether the ids stay when the content changes: of a rejects file they do.
    is_editable: bool = False
    progress: Progress = field(default_factory=Progress)
    # Whether every row has its verdict.
    is_finished: bool = False

    def load(self, name: str) -> None:
        """Goes on from what an earlier run left.

        Raises:
            CommandError: it can't be read, or belongs to another content, mapping or engine.
        """
        if self.path is None:
            return
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            progress = Progress(**kept["progress"])
            before = {key: kept[key] for key in ("content", "mapping", "target")}
            # States of earlier versions have neither.
            ids, is_finished = kept.get("ids"), bool(kept.get("is_finished", False))
            key_id = kept.get("key_id", self.key_id)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CommandError(
                f"{self.path}: can't be read as the state of an import: {error}. Remove it to begin anew: what is "
                "stored comes back as duplicate"
            ) from None
        is_to_repeat = is_finished and progress.bad_rows > 0
        is_edited = self.is_editable and before["content"] != self.content
        if is_to_repeat and ids == self.ids:
            before["mapping"] = self.mapping
        if is_edited:
            before["content"] = self.content
        self._check(before, name)
        # Another key may be another tenant's, or a new engine's at the same address: what it has is sent again, since
        # its ids make that safe.
        if not is_to_repeat and not is_edited and key_id == self.key_id:
            self.progress, self.is_finished = progress, is_finished

    def _check(self, before: dict[str, str], name: str) -> None:
        if before["content"] != self.content:
            raise CommandError(
                f"{name}: has changed since its import began ({self.path}). Rows whose id is made from the file would "
                "count again under new ids: import the new rows as a file of their own, or name a column with "
                f"--event-id and remove {self.path}"
            )
        if before["mapping"] != self.mapping:
            raise CommandError(
                f"{name}: its import began with other options ({self.path}): repeat them, or remove that file"
            )
        if before["target"] != self.target:
            raise CommandError(
                f"{name}: its import went to {before['target']} ({self.path}): for another engine name a --state"
            )

    def finish(self) -> None:
        """Says that every row has its verdict. Raises CommandError if it can't be written."""
        self.is_finished = True
        self.save()

    def save(self) -> None:
        """Raises CommandError if it can't be written."""
        if self.path is None:
            return
        kept = {
            "content": self.content,
            "mapping": self.mapping,
            "ids": self.ids,
            "is_finished": self.is_finished,
            "target": self.target,
            "key_id": self.key_id,
            "progress": asdict(self.progress),
        }
        beside = self.path.with_name(self.path.name + ".new")
        try:
            beside.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            beside.replace(self.path)
        except OSError as error:
            raise CommandError(
                f"{self.path}: can't be written: {error.strerror}: name another with --state"
            ) from None
