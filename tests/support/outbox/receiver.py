"""A receiver of webhooks: a real HTTP server that remembers what it was sent, and answers as it is told."""

import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Heard:
    """One message as it came in."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found

    @property
    def object_id(self) -> str:
        data = self.message["data"]
        assert isinstance(data, dict)
        return str(data.get("id"))


@dataclass
class Receiver:
    """`answer` gives the status for a message; `before` runs before it is answered."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answer: Callable[[Heard], int] = lambda _: 204
    before: Callable[[Heard], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of_objects(self) -> dict[str, list[int]]:
        """The steps that were heard of each object, in order."""
        found = defaultdict(list)
        for each in self.heard:
            found[each.object_id].append(each.message["data"]["step"])  # type: ignore[index]
        return found


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """On a free port of loopback, with TLS if there is a context."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard = Heard({name.lower(): value for name, value in self.headers.items()}, body)
            with receiver.lock:
                receiver.heard.append(heard)
                status = receiver.answer(heard)
            receiver.before(heard)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", receiver.url + "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        receiver.url = f"https://localhost:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
