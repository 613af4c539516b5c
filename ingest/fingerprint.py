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
"""

from dataclasses import dataclass
from hashlib import shake_256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingest.columns import bytes_of, offsets_of, times_us

Lane = NDArray[np.uint64]
_LANES = 2
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
    """Of n events; both have shape (2, n)."""

    identities: NDArray[np.uint64]
    contents: NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.identities.shape[1])

    def take(self, rows: NDArray[np.int64]) -> "Fingerprints":
        return Fingerprints(self.identities[:, rows], self.contents[:, rows])

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
        ids, customers = _Words(events.column("event_id")), _Words(events.column("customer_id"))
        tenants, types = _Uniques(events.column("tenant")), _Uniques(events.column("event_type"))
        properties = events.column("properties")
        offsets = offsets_of(properties)
        entries = slice(int(offsets[0]), int(offsets[-1]))
        keys, values = _Uniques(properties.keys[entries]), _Words(properties.items[entries])
        ends = offsets - offsets[0]
        times = times_us(events).view(np.uint64)
        shape = (_LANES, len(events))
        identities, contents = np.empty(shape, np.uint64), np.empty(shape, np.uint64)
        for number, lane in enumerate(self._lanes):
            identities[number] = lane.follow(lane.of_uniques(tenants), lane.of_words(ids))
            marks = lane.follow(lane.of_uniques(keys), lane.of_words(values))
            content = lane.follow(lane.of_uniques(types), lane.of_words(customers))
            content = lane.follow(content, times)
            contents[number] = lane.follow(content, _sums(marks, ends))
        return Fingerprints(identities, contents)


class _Words:
    """The texts of a string array as words of 8 bytes, the last one filled up with zeros."""

    def __init__(self, texts: pa.StringArray) -> None:
        offsets = offsets_of(texts).astype(np.int64)
        data = bytes_of(texts)
        self.starts, self.lengths = offsets[:-1], np.diff(offsets)
        padded = np.concatenate([data, np.zeros(_WORD, np.uint8)])
        # A word begins at every byte.
        self.words = np.ndarray((len(data) + 1,), "<u8", padded, strides=(1,))


class _Uniques:
    """A string array with few different texts."""

    def __init__(self, texts: pa.StringArray) -> None:
        encoded = texts.dictionary_encode()
        self.codes = encoded.indices.to_numpy()
        self.words = _Words(encoded.dictionary)


class _Lane:
    """One of the two hash functions."""

    def __init__(self, keys: Lane) -> None:
        self._keys = keys[_OTHERS:]
        self._start = keys[0]
        # Odd, so that multiplying loses nothing.
        self._multiplier, self._spreader, self._finisher = keys[1:_OTHERS] | np.uint64(1)

    def of_uniques(self, texts: _Uniques) -> Lane:
        hashes: Lane = self.of_words(texts.words)[texts.codes]
        return hashes

    def of_words(self, texts: _Words) -> Lane:
        hashes = np.empty(len(texts.starts), np.uint64)
        for first in range(0, len(hashes), _CHUNK_ROWS):
            rows = slice(first, first + _CHUNK_ROWS)
            hashes[rows] = self._of_chunk(texts.words, texts.starts[rows], texts.lengths[rows])
        return hashes

    def _of_chunk(self, words: Lane, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Lane:
        # Multiplied, or a length and a first word that differ in the same bits would cancel each other out.
        hashes = self._start ^ (lengths.astype(np.uint64) * self._finisher)
        for number in range((int(lengths.max(initial=0)) + _WORD - 1) // _WORD):
            rest = lengths - number * _WORD
            if rest.min() > 0:
                hashes = self._step(hashes, self._word(words, starts, rest, number), number)
                continue
            rows = np.flatnonzero(rest > 0)
            word = self._word(words, starts[rows], rest[rows], number)
            hashes[rows] = self._step(hashes[rows], word, number)
        return self._finish(hashes)

    @staticmethod
    def _word(words: Lane, starts: NDArray[np.int64], rest: NDArray[np.int64], number: int) -> Lane:
        return words[starts + number * _WORD] & _MASKS[np.minimum(rest, _WORD)]

    def _step(self, hashes: Lane, word: Lane, number: int) -> Lane:
        hashes = (hashes ^ word ^ self._keys[number % _KEYS]) * self._multiplier
        hashes ^= hashes >> _SHIFT
        hashes *= self._spreader
        hashes ^= hashes >> _SHIFT
        return hashes

    def _finish(self, hashes: Lane) -> Lane:
        hashes *= self._finisher
        hashes ^= hashes >> _SHIFT
        return hashes

    def follow(self, first: Lane, second: Lane) -> Lane:
        """A pair, in this order."""
        return self._finish(self._step(self._finish(first * self._multiplier), second, 0))


def _sums(marks: Lane, offsets: NDArray[np.int32]) -> Lane:
    """The sum of each list's marks, modulo 2^64."""
    running = np.zeros(len(marks) + 1, np.uint64)
    np.cumsum(marks, out=running[1:])
    return running[offsets[1:]] - running[offsets[:-1]]
