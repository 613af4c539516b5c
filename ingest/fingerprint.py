"""Fingerprints: 128 bits for an event's identity and 128 for its content, computed on whole columns.

Rules:
1. Each is two lanes of 64 bits that share nothing but the text: own keys, own multipliers, drawn from a secret
   of the process. Nobody outside can aim at a collision, and fingerprints never leave the process.
2. A text goes in as words of 8 bytes with its length. For one word that differs a step is a bijection, so texts
   of one length that differ in one word never collide; taking the lanes for random functions, which nothing
   proves, others do with probability 2^-128 a pair. Against a window of a million identities that is 3e-33 an
   event: at a million events a second, once in some 10^19 years. Only so could an event be taken for a stored
   one.
   A step multiplies twice: multiplying spreads a difference upwards only, so after a single one texts that
   differ in the top bits of two words, as counters at fixed places do, cancel each other out too often. Of the
   two, at least one meets a difference in the lower half, and spreads it over 32 bits that the secret decides:
   texts made for it collide with probability 2^-64.
3. The order of properties does not matter to the content: their marks are summed. Keys are unique in an event.
4. Beside its two lanes a content has a third: 16 bits of each of its fields. Where these differ the fields do, so a
   conflict can say which; where they agree the fields do but for one pair in 65,536. No verdict hangs on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import shake_256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.columns import bytes_of, offsets_of, times_us

Lane = NDArray[np.uint64]
Rows = NDArray[np.int64]
_LANES = 2
CONTENT_LANES = _LANES + 1
# Of which a content's third lane has 16 bits each, in this order.
MARKED_FIELDS = ("event_type", "customer_id", "event_time", "properties")
# Words of the longest text that is hashed, a property's value, and more: beyond it keys repeat.
_KEYS = 256
_WORD = 8
# Drawn before the keys: a start and three multipliers.
_OTHERS = 4
# Rows at once: the working set stays in the cache.
_CHUNK_ROWS = 8_192
# The low bytes of a word that holds the last n bytes of a text.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(_WORD + 1)], np.uint64)
_SHIFT = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Of n events: shapes (2, n) and (CONTENT_LANES, n)."""

    identities: NDArray[np.uint64]
    contents: NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.identities.shape[1])

    def take(self, rows: NDArray[np.int64]) -> "Fingerprints":
        return Fingerprints(self.identities[:, rows], self.contents[:, rows])

    def slice(self, first: int, last: int) -> "Fingerprints":
        return Fingerprints(self.identities[:, first:last], self.contents[:, first:last])

    @classmethod
    def join(cls, parts: list["Fingerprints"]) -> "Fingerprints":
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.identities for part in parts], axis=1),
            np.concatenate([part.contents for part in parts], axis=1),
        )


class Fingerprinter:
    """Makes fingerprints under one secret: only those of one fingerprinter can be compared."""

    def __init__(self, secret: bytes) -> None:
        drawn = shake_256(secret).digest(_LANES * (_KEYS + _OTHERS) * _WORD)
        keys = np.frombuffer(drawn, np.uint64).reshape(_LANES, -1)
        self._lanes = [_Lane(lane) for lane in keys]

    def of(self, events: pa.RecordBatch) -> Fingerprints:
        """The fingerprints of events (EVENT_SCHEMA)."""
        identities = self._follow(
            self._of_uniques(events.column("tenant")), self._of_texts(events.column("event_id"))
        )
        types = self._of_uniques(events.column("event_type"))
        customers = self._of_texts(events.column("customer_id"))
        times = times_us(events).view(np.uint64)
        properties = self._of_properties(events)
        contents = self._follow(self._follow(types, customers), [times] * _LANES)
        contents = self._follow(contents, properties)
        first, *_ = self._lanes
        marks = _marks(types[0], customers[0], first.spread(times), properties[0])
        return Fingerprints(np.stack(identities), np.stack([*contents, marks]))

    def _of_properties(self, events: pa.RecordBatch) -> list[Lane]:
        properties = events.column("properties")
        offsets = offsets_of(properties)
        entries = slice(int(offsets[0]), int(offsets[-1]))
        keys, values = properties.keys[entries], properties.items[entries]
        marks = self._follow(self._of_uniques(keys), self._of_texts(values))
        ends = offsets - offsets[0]
        return [_sums(lane, ends) for lane in marks]

    def _of_uniques(self, texts: pa.StringArray) -> list[Lane]:
        """Of a string array with few different texts."""
        encoded = texts.dictionary_encode()
        codes = encoded.indices.to_numpy().astype(np.intp)
        return [hashes.take(codes) for hashes in self._of_texts(encoded.dictionary)]

    def _of_texts(self, texts: pa.StringArray) -> list[Lane]:
        words = _Words(texts)
        every = [np.empty(len(words), np.uint64) for _ in self._lanes]
        for first in range(0, len(words), _CHUNK_ROWS):
            rows = slice(first, first + _CHUNK_ROWS)
            for lane, hashes in zip(self._lanes, every, strict=True):
                lane.begin(hashes[rows], words.lengths[rows])
            # Each word is read once, for all lanes.
            for number, those, word in words.of(first, first + _CHUNK_ROWS):
                for lane, hashes in zip(self._lanes, every, strict=True):
                    lane.take_in(hashes[rows], word, number, those)
            for lane, hashes in zip(self._lanes, every, strict=True):
                lane.finish(hashes[rows])
        return every

    def _follow(self, firsts: Sequence[Lane], seconds: Sequence[Lane]) -> list[Lane]:
        return [
            lane.follow(first, second)
            for lane, first, second in zip(self._lanes, firsts, seconds, strict=True)
        ]


class _Words:
    """The texts of a string array as words of 8 bytes, the last one filled up with zeros."""

    def __init__(self, texts: pa.StringArray) -> None:
        offsets = offsets_of(texts).astype(np.int64)
        data = bytes_of(texts)
        self._starts, self.lengths = offsets[:-1], np.diff(offsets)
        self._padded = np.concatenate([data, np.zeros(_WORD, np.uint8)])
        # A word begins at every byte.
        self._words = np.ndarray((len(data) + 1,), "<u8", self._padded, strides=(1,))

    def __len__(self) -> int:
        return len(self.lengths)

    def of(self, first: int, last: int) -> Iterator[tuple[int, Rows | None, Lane]]:
        """The words of some texts by their number, each with the texts that have one; None are all of them."""
        starts, lengths = self._starts[first:last], self.lengths[first:last]
        shortest, longest = int(lengths.min()), int(lengths.max())
        for number in range((longest + _WORD - 1) // _WORD):
            past = number * _WORD
            if shortest == longest:
                # Texts of one length, as most ids are, lie in equal steps: no word needs to be looked up.
                word = (
                    np.ndarray((len(lengths),), "<u8", self._padded, int(starts[0]) + past, (shortest,))
                    & _MASKS[min(shortest - past, _WORD)]
                )
                yield number, None, word
                continue
            rows = None if shortest > past else np.flatnonzero(lengths > past)
            places, rest = (starts, lengths) if rows is None else (starts[rows], lengths[rows])
            word = self._words[places + past]
            if shortest - past < _WORD:
                word &= _MASKS[np.minimum(rest - past, _WORD)]
            yield number, rows, word


class _Lane:
    """One of the two hash functions. What it is given to write to, it changes."""

    def __init__(self, keys: Lane) -> None:
        self._keys = keys[_OTHERS:]
        self._start = keys[0]
        # Odd, so that multiplying loses nothing.
        self._multiplier, self._spreader, self._finisher = keys[1:_OTHERS] | np.uint64(1)

    def begin(self, hashes: Lane, lengths: NDArray[np.int64]) -> None:
        # Multiplied, or a length and a first word that differ in the same bits would cancel each other out.
        np.multiply(lengths.view(np.uint64), self._finisher, out=hashes)
        hashes ^= self._start

    def take_in(self, hashes: Lane, word: Lane, number: int, rows: Rows | None) -> None:
        """A word of all texts, or of these."""
        if rows is None:
            self._step(hashes, word, number)
        else:
            some = hashes[rows]
            self._step(some, word, number)
            hashes[rows] = some

    def _step(self, hashes: Lane, word: Lane, number: int) -> None:
        hashes ^= word
        hashes ^= self._keys[number % _KEYS]
        hashes *= self._multiplier
        hashes ^= hashes >> _SHIFT
        hashes *= self._spreader
        hashes ^= hashes >> _SHIFT

    def finish(self, hashes: Lane) -> None:
        hashes *= self._finisher
        hashes ^= hashes >> _SHIFT

    def spread(self, numbers: Lane) -> Lane:
        hashes: Lane = numbers * self._multiplier
        self.finish(hashes)
        return hashes

    def follow(self, first: Lane, second: Lane) -> Lane:
        """A pair, in this order."""
        hashes = np.empty(len(first), np.uint64)
        for start in range(0, len(first), _CHUNK_ROWS):
            rows = slice(start, start + _CHUNK_ROWS)
            part = hashes[rows]
            np.multiply(first[rows], self._multiplier, out=part)
            self.finish(part)
            self._step(part, second[rows], 0)
            self.finish(part)
        return hashes


def differing_fields(marks: Lane, others: Lane) -> NDArray[np.bool_]:
    """Of n pairs of third lanes: which fields are known to differ; shape (n, 4), in the order of MARKED_FIELDS."""
    differ: NDArray[np.bool_] = _fields(marks) != _fields(others)
    return differ


def _marks(*hashes: Lane) -> Lane:
    """16 bits of each field's hash, side by side."""
    marks = np.empty(len(hashes[0]), np.uint64)
    for number, lane in enumerate(hashes):
        _fields(marks)[:, number] = lane
    return marks


def _fields(marks: Lane) -> NDArray[np.uint16]:
    return marks.view(np.uint16).reshape(-1, len(MARKED_FIELDS))


def _sums(marks: Lane, offsets: NDArray[np.int32]) -> Lane:
    """The sum of each list's marks, modulo 2^64."""
    running = np.zeros(len(marks) + 1, np.uint64)
    np.cumsum(marks, out=running[1:])
    return running[offsets[1:]] - running[offsets[:-1]]
