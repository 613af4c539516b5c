"""The trace as usage: which request is whose.

The trace (README.md beside this file names its source and licence) has a time and two token counts for each
request; it names no customers. Each request gets a customer and a model from a hash of its row number alone:

- the customer of rank r, in the order of the catalog, gets a share of the requests in proportion to 1/r, so
  that some are large and most are small;
- three of ten requests go to the large model.
"""

import csv
import gzip
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

TRACE = Path(__file__).parent / "llm_trace_2023_11.csv.gz"
_HASH_RANGE = 2**32


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """One row of the trace and whose it is. `time_text` is as in the file, with seven digits of a second."""

    row: int
    time_text: str
    input_tokens: int
    output_tokens: int
    customer_id: str
    model: str

    @property
    def event_id(self) -> str:
        return f"llm-trace-{self.row:05d}"

    @property
    def event_time(self) -> datetime:
        """In UTC; the seventh digit is cut off."""
        return datetime.fromisoformat(self.time_text[:26]).replace(tzinfo=UTC)


def read_trace(customer_ids: Sequence[str], path: Path = TRACE) -> Iterator[TraceRequest]:
    """The requests in the order of the file, which is the order of time."""
    weights = [Fraction(1, rank) for rank in range(1, len(customer_ids) + 1)]
    total = sum(weights)
    bounds = [int(cumulative * _HASH_RANGE / total) for cumulative in accumulate(weights)]
    with gzip.open(path, "rt", encoding="ascii", newline="") as file:
        for row, fields in enumerate(csv.DictReader(file), start=1):
            digest = sha256(str(row).encode()).digest()
            drawn = int.from_bytes(digest[:4], "big")
            yield TraceRequest(
                row=row,
                time_text=fields["TIMESTAMP"],
                input_tokens=int(fields["ContextTokens"]),
                output_tokens=int(fields["GeneratedTokens"]),
                customer_id=customer_ids[min(bisect_right(bounds, drawn), len(customer_ids) - 1)],
                model="large" if digest[4] % 10 < 3 else "small",
            )
