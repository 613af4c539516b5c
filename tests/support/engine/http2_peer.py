"""A peer that speaks just enough HTTP/2 to misbehave: it sends what it is told, and answers nothing by itself.

Headers go out as literals that enter no table (RFC 7541, 6.2.2). gRPC's server sends status and words in plain
text, so a test may look for them in what was received.
"""

import contextlib
import os
import socket
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4
RECORD = "/meterline.v1.UsageService/RecordUsage"


def connect(target):
    """A bare connection, on which nothing is said."""
    host, _, port = target.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def _authorization():
    """Of the key that every engine of a test run knows: a peer without one is not listened to at all."""
    return f"Bearer {os.environ['METERLINE_API_KEY']}"


class Peer:
    """One connection. `window`: the bytes of an answer that it takes on each stream before it is asked again."""

    def __init__(self, target, window=65_535):
        self.socket = connect(target)
        self._next_stream = 1
        # What may still be sent, on the connection (0) and on each stream.
        self._room, self._initial_room = {0: 65_535}, 65_535
        self._arrived = b""
        settings = struct.pack(">HI", INITIAL_WINDOW, window)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def open(self, path=RECORD, content_type="application/grpc", method="POST", **headers):
        """Sends the headers of a call; its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = {
            ":method": method,
            ":scheme": "http",
            ":path": path,
            ":authority": "peer",
            "te": "trailers",
            "content-type": content_type,
            "authorization": _authorization(),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        block = b"".join(_literal(name.encode(), value.encode()) for name, value in fields.items())
        self.frame(HEADERS, END_HEADERS, stream, block)
        return stream

    def open_in_parts(self, size):
        """A call with so many bytes of headers, in CONTINUATION frames; its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = {":method": "POST", ":scheme": "http", ":path": RECORD, ":authority": "peer"}
        fields |= {"te": "trailers", "content-type": "application/grpc", "padding": "x" * size}
        fields["authorization"] = _authorization()
        block = b"".join(_literal(name.encode(), value.encode()) for name, value in fields.items())
        for first in range(0, len(block), 16_384):
            last = first + 16_384 >= len(block)
            kind = CONTINUATION if first else HEADERS
            self.frame(kind, END_HEADERS if last else 0, stream, block[first : first + 16_384])
        return stream

    def send(self, stream, message, part=1.0, compressed=False, end=True):
        """Sends a message, or that part of it."""
        data = struct.pack(">BI", compressed, len(message)) + message
        data = data[: max(1, int(len(data) * part))]
        for first in range(0, len(data), 16_384):
            last = first + 16_384 >= len(data)
            self.frame(
                DATA, END_STREAM if end and last and part == 1 else 0, stream, data[first : first + 16_384]
            )

    def send_in_windows(self, stream, message, compressed=False, end=True):
        """Sends a whole message, no faster than the other side grants room for it."""
        data = struct.pack(">BI", compressed, len(message)) + message
        self._room.setdefault(stream, self._initial_room)
        while data:
            size = min(16_384, len(data), self._room[0], self._room[stream])
            if size > 0:
                self.frame(DATA, END_STREAM if end and size == len(data) else 0, stream, data[:size])
                data = data[size:]
                self._room[0] -= size
                self._room[stream] -= size
                continue
            self._take_windows()

    def _take_windows(self):
        """Counts the room that the other side grants, and forgets whatever else it says."""
        self._arrived += self.socket.recv(65_536)
        while len(self._arrived) >= 9 and len(self._arrived) >= (
            length := 9 + int.from_bytes(self._arrived[:3])
        ):
            kind, flags, where = *self._arrived[3:5], int.from_bytes(self._arrived[5:9])
            payload, self._arrived = self._arrived[9:length], self._arrived[length:]
            if kind == WINDOW_UPDATE and where in self._room:
                self._room[where] += int.from_bytes(payload)
            if kind == SETTINGS and not flags & ACK:
                self.frame(SETTINGS, ACK, 0, b"")
                self._grant(dict(struct.iter_unpack(">HI", payload)).get(INITIAL_WINDOW, 65_535))

    def _grant(self, initial):
        """Every stream has more room by what is now granted at its start."""
        more, self._initial_room = initial - self._initial_room, initial
        self._room = {each: left + more * (each > 0) for each, left in self._room.items()}

    def reset(self, stream):
        self.frame(RST_STREAM, 0, stream, struct.pack(">I", 8))

    def ping(self):
        self.frame(PING, 0, 0, bytes(8))

    def frame(self, kind, flags, stream, payload):
        self.socket.sendall(_frame(kind, flags, stream, payload))

    def received(self, text, timeout_s):
        """What has arrived up to `text`; everything, if the other side closes or the time is over first."""
        arrived, until = b"", time.monotonic() + timeout_s
        while text not in arrived and (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65_536)
            except (TimeoutError, ConnectionError):
                break
            if not data:
                break
            arrived += data
        return arrived

    def is_closed(self, timeout_s):
        """Whether the other side closes the connection within the time."""
        until = time.monotonic() + timeout_s
        with contextlib.suppress(TimeoutError, ConnectionError):
            while (left := until - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(65_536):
                    return True
            return False
        return time.monotonic() < until


def _frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name, value):
    return b"\0" + _text(name) + _text(value)


def _text(data):
    """A string without Huffman's code; its length as an integer of 7 bits and more."""
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, length = len(data) - 127, bytes([127])
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + data
