"""One post: over TLS that is checked, within its time, and past every proxy."""

import socket
import ssl
import threading
import time

import pytest
import trustme

from engine.outbox.webhooks.posting import Poster
from tests.support.outbox.receiver import receiving

HEADERS = {"webhook-id": "msg_1", "content-type": "application/json"}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls_receiver(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with receiving(context) as opened:
        yield opened


def test_a_receiver_with_a_certificate_that_is_trusted_is_posted_to(
    tls_receiver, authority, tmp_path, monkeypatch
):
    """By the name in the URL, on the address that was checked."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    result = Poster(allow_private=True)(tls_receiver.url, HEADERS, b"{}")
    assert (result.status, result.error) == (204, "")
    (heard,) = tls_receiver.heard
    assert (heard.body, heard.id) == (b"{}", "msg_1")
    assert heard.headers["host"].startswith("localhost:")


def test_a_certificate_that_nobody_trusts_or_of_another_name_gets_no_message(
    tls_receiver, authority, tmp_path, monkeypatch
):
    """The handshake fails, which is a failed attempt."""
    result = Poster(allow_private=True)(tls_receiver.url, HEADERS, b"{}")
    assert (result.status, "certificate" in result.error) == (None, True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    other = tls_receiver.url.replace("localhost", "127.0.0.1")
    result = Poster(allow_private=True)(other, HEADERS, b"{}")
    assert (result.status, "certificate" in result.error) == (None, True)
    assert tls_receiver.heard == []


def test_a_receiver_that_gives_a_byte_now_and_then_is_cut_off():
    """Each byte comes in time, and the answer never does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()

        def drip():
            connection, _ = server.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                    while not stopped.wait(0.02):
                        connection.sendall(b"y")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began_s = time.monotonic()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        result = Poster(allow_private=True, deadline_s=0.5)(url, HEADERS, b"{}")
        took_s = time.monotonic() - began_s
        stopped.set()
        thread.join()
    assert result.status is None
    assert took_s < 20


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    """They would connect to what nobody has checked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    with receiving() as receiver:
        assert Poster(allow_private=True)(receiver.url, HEADERS, b"{}").is_delivered
