"""What an erasure finds, in numbers, and what becomes of the properties."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureFindings:
    """Of one customer. Events that were sent again may count twice.

    facts: rows of corrections and conflicts. versions: of the catalog's resources.
    rollup_rows: of usage whose events have expired.
    kept, replaced, dropped: properties, each as EVENT_TYPE.NAME.
    """

    events: int = 0
    facts: int = 0
    problems: int = 0
    rollup_rows: int = 0
    versions: int = 0
    api_keys: int = 0
    audit_records: int = 0
    kept: Sequence[str] = field(default_factory=tuple)
    replaced: Sequence[str] = field(default_factory=tuple)
    dropped: Sequence[str] = field(default_factory=tuple)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is held that an erasure is begun for."""
        return not any(
            (
                self.events,
                self.facts,
                self.problems,
                self.rollup_rows,
                self.versions,
                self.api_keys,
                self.audit_records,
            )
        )

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> "ErasureFindings":
        return cls(**json.loads(text))
