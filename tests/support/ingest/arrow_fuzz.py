"""Mutated Arrow requests through decoding, admission and fingerprints: `python arrow_fuzz.py SEED REQUESTS`.

Runs in a process of its own, because what it looks for is the end of the process. It prints how many requests were
taken and how many refused; a request that ends in any error but a mistake ends the run with its traceback. With
--trusting the same mutations are read without validation, to see what validation is for.
"""

import argparse
import random
import struct
from collections import Counter

import pyarrow as pa

from ingest import Admission, Fingerprinter, Limits, RequestKind, decode
from tests.support.ingest.arrow_streams import NOW_US, request_of, stream_of, varied_batches

LIMITS = Limits()
ADMISSION = Admission(LIMITS, {"call": frozenset({"cost", "int64", "a"})})
FINGERPRINTER = Fingerprinter(b"fuzz")
_EXTREMES = (0, 1, 2, 4, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**20, 2**24, 2**30, 2**31 - 1, 2**31, 2**32 - 1)


def seeds():
    """Streams of one batch, of several, of replaced dictionaries, of deltas and compressed ones."""
    varied = varied_batches()
    streams = [stream_of(batch) for batch in varied]
    streams += [stream_of(batch, batch, batch.slice(1)) for batch in varied]
    encoded = [
        varied[1].set_column(0, "event_id", pa.array(ids).dictionary_encode()) for ids in ("abcd", "abce")
    ]
    streams += [stream_of(*encoded), stream_of(*encoded, emit_dictionary_deltas=True)]
    streams += [stream_of(varied[1], compression=codec) for codec in ("lz4", "zstd")]
    return streams


def mutated(chance, stream):
    """One to four changes: a byte, a word of a header or an offset, a piece cut out, doubled or moved."""
    data = bytearray(stream)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(max(1, len(data) - 8))
        match chance.randrange(7):
            case 0:
                data[place] = chance.randrange(256)
            case 1:
                data[place] ^= 1 << chance.randrange(8)
            case 2 | 3:
                layout = chance.choice(("<I", "<Q", "<H"))
                size = struct.calcsize(layout)
                place -= place % size
                data[place : place + size] = struct.pack(
                    layout, chance.choice(_EXTREMES) & ((1 << 8 * size) - 1)
                )
            case 4:
                del data[place : place + chance.choice((1, 4, 8, 64))]
            case 5:
                piece = data[place : place + chance.choice((4, 8, 16, 64))]
                data[place:place] = piece
            case _:
                size = chance.choice((4, 8, 16))
                other = chance.randrange(max(1, len(data) - 16))
                data[place : place + size] = data[other : other + size]
    return bytes(data)


def run_one(stream):
    """Whether the request was taken."""
    decoded = decode(RequestKind.COLUMNS, [request_of(stream)], LIMITS)
    if decoded.mistakes:
        (mistake,) = decoded.mistakes.values()
        if not mistake.message or "\n" in mistake.message or len(mistake.message) > 500:
            raise ValueError(f"no clear line: {mistake}")
        return False
    admitted = ADMISSION.admit("t", decoded.events, NOW_US)
    FINGERPRINTER.of(admitted.events)
    admitted.events.to_pylist()
    admitted.events.validate(full=True)
    return True


def read_trusting(stream):
    """What a reader does that validates nothing."""
    try:
        with pa.ipc.open_stream(stream) as reader:
            reader.read_all().to_pylist()
    except Exception:  # noqa: BLE001 - whatever it is, the process lives
        return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seed")
    parser.add_argument("requests", type=int)
    parser.add_argument("--trusting", action="store_true")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    streams = seeds()
    read = read_trusting if arguments.trusting else run_one
    ends = Counter(read(mutated(chance, chance.choice(streams))) for _ in range(arguments.requests))
    print(f"{ends[True]} taken, {ends[False]} refused")


if __name__ == "__main__":
    main()
