"""BackupService: backups of all stores, made at the engine."""

import re
from typing import Final

from engine.api.operation import Call
from engine.backup.backups import Backups
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import to_timestamp
from meterline.v1.backup_pb2 import CreateBackupRequest, CreateBackupResponse

# Safe as the name of a directory wherever it is copied, and no way out of the one above.
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")


class BackupService:
    """Makes backups on demand."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups

    def create_backup(self, request: CreateBackupRequest, call: Call) -> CreateBackupResponse:
        del call
        if not _NAME.fullmatch(request.name):
            raise InvalidRequestError(
                FieldMistake(
                    "name",
                    'must be 1 to 100 letters, digits, ".", "_" and "-", the first a letter or a digit',
                )
            )
        made = self._backups.create(request.name)
        return CreateBackupResponse(
            path=str(made.path),
            watermark=to_timestamp(made.manifest.watermark_us),
            event_count=made.manifest.event_count,
            size_bytes=made.manifest.size_bytes,
        )
