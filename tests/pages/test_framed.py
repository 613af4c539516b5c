"""The page over TLS in frames of other sites, in a real browser."""

import contextlib
import http.server
import ssl
import threading

import pytest
import trustme

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest
from meterline.v1.spend_links_pb2_grpc import SpendLinkServiceStub
from tests.support.observability.tools import outside_tool
from tests.support.pages.browser import TIMEOUT_MS, chromium
from tests.support.pages.page_world import CATALOG


@contextlib.contextmanager
def site(certificate):
    """A site of its own that shows whatever its address names in a frame; its origin."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f'<h1>Shop</h1><iframe src="{self.path[1:]}"></iframe>'.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def browser(request):
    with chromium(outside_tool(request, "chromium", "chromium")) as started:
        yield started


def test_the_page_stands_in_frames_of_the_sites_that_may_show_it_and_of_no_other(browser, tmp_path):
    """Its cookie is kept for that site alone, over TLS; 20.00 is the month's fee."""
    certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "tls.key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    with site(certificate) as shop, site(certificate) as stranger:
        options = ("--http-listen", "127.0.0.1:0", "--spend-page-frames", shop)
        tls = ("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))
        with EngineProcess(tmp_path / "data", *options, *tls) as engine:
            url = _link(engine, tmp_path / "tls.crt")
            assert url.startswith(f"https://127.0.0.1:{engine.http_port}/spend?token=mls_")
            context = browser.new_context(ignore_https_errors=True)
            context.set_default_timeout(TIMEOUT_MS)
            page = context.new_page()
            page.goto(f"{shop}/{url}&at=2025-06-10")
            frame = page.frame_locator("iframe")
            frame.get_by_text("Updates by itself.").wait_for()
            assert frame.locator(".due").inner_text() == "€20.00"
            (cookie,) = context.cookies()
            assert (cookie["sameSite"], cookie["secure"], cookie["httpOnly"]) == ("None", True, True)
            assert cookie["partitionKey"] == "https://localhost"
            other = context.new_page()
            other.goto(f"{stranger}/{url}&at=2025-06-10")
            assert not any("spend" in each.url for each in other.frames[1:])
            context.close()


def _link(engine, authority):
    import grpc

    credentials = grpc.ssl_channel_credentials(authority.read_bytes())
    with open_channel(engine.target, api_key=engine.api_key, credentials=credentials) as channel:
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=CATALOG), timeout=120)
        request = CreateSpendLinkRequest(customer_id="acme")
        return SpendLinkServiceStub(channel).CreateSpendLink(request, timeout=120).url
