"""Messages are signed as Standard Webhooks says."""

import base64
import re
import time
from pathlib import Path

from engine.outbox.webhooks.signing import message_id, secret_of, secret_text, signatures

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
# The vector that the libraries of Standard Webhooks assert (libraries/go/webhook_test.go).
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector_holds():
    """Id, timestamp, body and secret give the published signature; two secrets give two, the newest first."""
    secret = base64.b64decode(SECRET)
    signed = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signatures([secret], *signed) == SIGNATURE
    first, second = signatures([b"x" * 32, secret], *signed).split(" ")
    assert first.startswith("v1,")
    assert second == SIGNATURE


def test_a_secret_is_its_endpoint_s_own():
    """32 bytes, another one with each endpoint, nonce and key; its text is whsec_ and base64."""
    known = {secret_of(key, e, n) for key in (b"a", b"b") for e in ("e", "f") for n in ("1", "2")}
    assert {len(each) for each in known} == {32}
    assert len(known) == 8
    secret = secret_of(b"a", "e", "1")
    assert secret_text(secret) == "whsec_" + base64.b64encode(secret).decode()


def test_a_number_that_is_given_out_again_is_another_message():
    """As after a backup was restored: a receiver that knows the id would take the new fact for a repeat."""
    assert message_id("t", 7, 1) == message_id("t", 7, 1)
    assert (
        len({message_id("t", 7, 1), message_id("t", 7, 2), message_id("t", 8, 1), message_id("u", 7, 1)}) == 4
    )


def test_the_program_of_the_page_checks_what_is_signed():
    """It takes a message of now, by any of two secrets, and neither an old one nor a changed one."""
    secret, now_s = b"s" * 32, int(time.time())
    found: dict[str, object] = {}
    exec(CODE, found)
    is_from_meterline = found["is_from_meterline"]

    def headers(at_s):
        signature = signatures([b"n" * 32, secret], "msg_1", at_s, b"{}")
        return {"webhook-id": "msg_1", "webhook-timestamp": str(at_s), "webhook-signature": signature}

    assert is_from_meterline(secret_text(secret), headers(now_s), b"{}")
    assert not is_from_meterline(secret_text(secret), headers(now_s), b"{ }")
    assert not is_from_meterline(secret_text(b"x" * 32), headers(now_s), b"{}")
    assert not is_from_meterline(secret_text(secret), headers(now_s - 301), b"{}")
