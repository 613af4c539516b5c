"""A real Chromium that opens the spend page, and what it saw: requests, their bytes, and what the page complained of."""

import contextlib
import os
import time
from pathlib import Path

AXE = Path(__file__).with_name("axe-core-4.14.1.min.js")
# As a person would notice: far more than a page on this machine takes.
TIMEOUT_MS = 20_000


@contextlib.contextmanager
def chromium(path):
    """`path`: of the program."""
    from playwright.sync_api import sync_playwright

    # Its sandbox needs a user of its own, whom a container's root isn't.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def says(tab, selector, text):
    """Waits until a place on the page says this; when, by the clock of this process."""
    said = "([selector, text]) => document.querySelector(selector).textContent === text"
    tab.page.wait_for_function(said, arg=[selector, text])
    return time.monotonic()


class Tab:
    """One with no cookies but its own."""

    def __init__(self, browser, width=1280, height=800, language="en-US", **options):
        self._context = browser.new_context(
            viewport={"width": width, "height": height}, locale=language, **options
        )
        self._context.set_default_timeout(TIMEOUT_MS)
        self.page = self._context.new_page()
        self.urls, self.complaints, self.nbytes = [], [], 0
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)
        network = self._context.new_cdp_session(self.page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", self._loaded)

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _loaded(self, event):
        self.nbytes += int(event["encodedDataLength"])

    def text(self):
        """What a reader sees, blanks alike."""
        return " ".join(self.page.inner_text("body").split())

    def overflow_px(self):
        """How much wider the page is than its window."""
        return self.page.evaluate(
            "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
        )

    def faults(self):
        """What axe finds that is serious or critical: rule and place of each."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run()")["violations"]
        return [
            (each["id"], node["target"], node.get("failureSummary"))
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    def close(self):
        self._context.close()


class Visit(Tab):
    """A tab that opens the pages of a running engine."""

    def __init__(self, browser, world, **options):
        super().__init__(browser, **options)
        self._world = world

    def open(self, customer_id="acme", query="at=2025-06-10", **link):
        """By a link; the answer."""
        return self.go(f"/spend?token={self._world.link(customer_id, **link).token}&{query}")

    def go(self, path):
        return self.page.goto(self._world.origin + path)
