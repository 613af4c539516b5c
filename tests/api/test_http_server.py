"""The HTTP port by itself: what becomes of a peer that takes nothing, or asks for nothing."""

import socket
import time

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from engine.api.http import server as server_module
from engine.api.http.server import HttpServer
from engine.errors import StartupError

ANSWER = b"x" * 16_000_000


class LargeAnswers:
    """In place of the operations: every answer is more than a socket holds."""

    def __init__(self):
        self.application = Starlette(routes=[Route("/", lambda _request: Response(ANSWER))])

    def close(self):
        pass


@pytest.fixture
def port(monkeypatch):
    for name in ("_HEAD_TIMEOUT_S", "_KEEP_ALIVE_S", "_ANSWER_TIMEOUT_S"):
        monkeypatch.setattr(server_module, name, 1)
    served = HttpServer(LargeAnswers(), "127.0.0.1:0", None)
    served.start()
    yield served.port
    served.stop(1)


def _connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def _all_of(connection):
    """What comes until the other side closes or breaks off."""
    received = 0
    try:
        while part := connection.recv(1 << 20):
            received += len(part)
    except ConnectionResetError:
        pass
    return received


def test_a_peer_that_takes_nothing_of_its_answer_is_cut_off(port):
    """What is left of the answer is not kept for it."""
    with _connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(3)
        assert _all_of(connection) < len(ANSWER)


def test_a_peer_that_reads_gets_all_of_it(port):
    """However slowly, as long as it goes on."""
    with _connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)
        assert _all_of(connection) > len(ANSWER)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_peer_that_does_not_finish_a_head_is_cut_off(port, said):
    """Silent from the beginning, or in the middle."""
    with _connected(port) as connection:
        connection.sendall(said)
        assert _all_of(connection) == 0


def test_a_kept_connection_must_finish_its_next_head_too(port):
    """The first request does not buy the second more time."""
    with _connected(port) as connection:
        connection.sendall(b"HEAD /none HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")
        began = time.monotonic()
        _all_of(connection)
        assert time.monotonic() - began < 20


def test_a_port_that_is_taken_is_refused_in_a_line(port):
    """It names the option."""
    with pytest.raises(StartupError, match="--http-listen"):
        HttpServer(LargeAnswers(), f"127.0.0.1:{port}", None)
    with pytest.raises(StartupError, match="--http-listen"):
        HttpServer(LargeAnswers(), "nonsense", None)
