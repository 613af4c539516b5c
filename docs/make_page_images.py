"""Takes the pictures of the spend page that the docs show: of the demo's data, in a real Chromium.

python -m docs.make_page_images    needs chromium (apt-get install --no-install-recommends chromium)
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from examples.demo import CATALOG, ENGINE_OPTIONS, apply_catalog, usage_event
from examples.engine_process import EngineProcess
from examples.llm_trace import read_trace
from examples.recompute import read_catalog
from meterline import Client, open_channel
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest
from meterline.v1.spend_links_pb2_grpc import SpendLinkServiceStub

IMAGES: Final = Path(__file__).parent / "images"
# Name, width, height, colors, language.
PICTURES: Final = (
    ("spend-page", 880, 1000, "light", "en-US"),
    ("spend-page-dark", 880, 1000, "dark", "en-US"),
    ("spend-page-phone", 360, 740, "light", "en-US"),
    ("spend-page-phone-dark", 360, 740, "dark", "de-DE"),
)
# What the page says once it updates by itself.
_LIVE: Final = {"en-US": "Updates by itself.", "de-DE": "Aktualisiert sich von selbst."}
_BATCH_EVENTS: Final = 1_000
_COLORS: Final = 64


def main() -> int:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("chromium is missing: apt-get install --no-install-recommends chromium\n")
        return 2
    options = (*ENGINE_OPTIONS, "--http-listen", "127.0.0.1:0")
    with (
        tempfile.TemporaryDirectory(prefix="meterline-images-") as directory,
        EngineProcess(Path(directory) / "data", *options) as engine,
    ):
        url = _page_of_the_demo(engine)
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
            for name, width, height, colors, language in PICTURES:
                picture = _picture(browser, url, width, height, colors, language)
                (IMAGES / f"{name}.png").write_bytes(picture)
                sys.stdout.write(f"{name}.png: {len(picture):,} bytes\n")
            browser.close()
    return 0


def _page_of_the_demo(engine: EngineProcess) -> str:
    customers = [each["id"] for each in read_catalog(CATALOG)["customers"]]
    events = [usage_event(each) for each in read_trace(customers)]
    with (
        open_channel(engine.target, api_key=engine.api_key) as channel,
        Client(engine.target, api_key=engine.api_key) as client,
    ):
        apply_catalog(channel)
        for first in range(0, len(events), _BATCH_EVENTS):
            client.record_batch(events[first : first + _BATCH_EVENTS])
        request = CreateSpendLinkRequest(customer_id=customers[0])
        link: str = SpendLinkServiceStub(channel).CreateSpendLink(request, timeout=30).url
    return f"{link}&at=2023-11-16"


def _picture(browser: Browser, url: str, width: int, height: int, colors: str, language: str) -> bytes:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colors,  # type: ignore[arg-type] # one of its own words
        locale=language,
        device_scale_factor=1.5,
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_function(
        "text => document.getElementById('connection').textContent === text", arg=_LIVE[language]
    )
    picture = Image.open(io.BytesIO(page.screenshot()))
    context.close()
    packed = io.BytesIO()
    picture.convert("RGB").quantize(_COLORS).save(packed, "PNG", optimize=True)
    return packed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
