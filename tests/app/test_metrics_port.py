"""The port of Prometheus and of probes by itself: its first answer, its addresses, and peers that say nothing."""

import contextlib
import http.client
import socket
import threading

import pytest

from engine.app import metrics_port
from engine.app.metrics_port import serve_metrics
from engine.errors import StartupError
from engine.health.condition import Condition


def _get(port, path, host="127.0.0.1"):
    connection = http.client.HTTPConnection(host, port, timeout=120)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_first_answer_is_of_the_path_that_was_asked_for():
    """A probe that comes with the port itself is not told of metrics, which would be a yes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers, go_on = [], threading.Event()

    def ask():
        while not go_on.is_set():
            with contextlib.suppress(OSError):
                answers.append(_get(port, "/startupz")[0])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20):
            with serve_metrics(f"127.0.0.1:{port}", Condition(), None):
                before = len(answers)
                while len(answers) < before + 2:
                    pass
    finally:
        go_on.set()
        asking.join()
    assert set(answers) == {503}


def test_a_path_that_is_not_served_is_told_which_are():
    """And an IPv6 address is one, too."""
    with serve_metrics("[::1]:0", Condition(), None) as port:
        status, body = _get(port, "/", host="::1")
    assert status == 404
    for path in (b"/metrics", b"/livez", b"/readyz", b"/startupz", b"/healthz"):
        assert path in body


def test_a_peer_that_says_nothing_is_let_go(monkeypatch):
    """It would hold a thread for ever."""
    monkeypatch.setattr(metrics_port._Handler, "timeout", 0.2)
    with serve_metrics("127.0.0.1:0", Condition(), None) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=120) as silent:
            assert silent.recv(1) == b""
        assert _get(port, "/livez")[0] == 200


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "127.0.0.1:x", "192.0.2.1:7071"])
def test_an_address_that_can_not_be_had_is_a_clear_error(listen):
    """With what to do about it."""
    with (
        pytest.raises(StartupError, match="name another HOST:PORT with --metrics-listen"),
        serve_metrics(listen, Condition(), None),
    ):
        pass
