"""A pattern in a tab, without an engine: everything that it asks for is answered from memory.

python -m tests.support.pages.pattern_tab FOLDER    writes a picture of each: light, and on a dark phone in German
"""

import shutil
import sys
from pathlib import Path

from engine.api.pages.static_files import static_files
from tests.support.pages.browser import Tab, chromium
from tests.support.pages.operator_patterns import OPERATOR_PATTERNS, operator_pattern_page
from tests.support.pages.patterns import PATTERNS, pattern_page

WAYS = {"light": {}, "dark-phone": {"color_scheme": "dark", "width": 360, "height": 740, "language": "de-DE"}}


# Of the customer's page, and of the operator's.
ALL_PATTERNS = [*PATTERNS, *OPERATOR_PATTERNS]


def open_pattern(browser, name, **options):
    """The tab, which its caller closes."""
    tab = Tab(browser, **options)
    language = options.get("language", "en")[:2]
    headers, content = (
        operator_pattern_page(name) if name in OPERATOR_PATTERNS else pattern_page(name, language)
    )
    by_name = {each.name: each for each in static_files().values()}

    def answer(route):
        file = by_name.get(route.request.url.rpartition("/")[2])
        if file is not None:
            route.fulfill(body=file.content, content_type=file.content_type)
        elif route.request.url.endswith("/pattern"):
            route.fulfill(body=content, headers=headers)
        else:
            route.fulfill(status=503)

    tab.page.route("**/*", answer)
    tab.page.goto("http://pattern.test/pattern")
    return tab


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with chromium(shutil.which("chromium")) as browser:
        for name in ALL_PATTERNS:
            for way, options in WAYS.items():
                tab = open_pattern(browser, name, **options)
                tab.page.screenshot(path=folder / f"{name.replace(' ', '-')}-{way}.png", full_page=True)
                tab.close()


if __name__ == "__main__":
    main()
