"""PDF through typst, in a process of its own.

Rules:
1. The same texts, templates and time give the same bytes: fonts are those in typst and in the template's directory, never the
   machine's, and the time in the file is the document's.
2. A template has the files of its directory, as they were read, and nothing else: the process works on a copy of them, and has no way
   to the network. Packages are not loaded.
3. A process that takes too long is ended.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from engine.billing.documents.shown import Shown
from engine.billing.rendering.templates import FONTS, Templates
from engine.errors import MeterlineError

_TIMEOUT_S: Final = 45
_SAID_CHARACTERS_MAX: Final = 400
_PROCESS: Final = Path(__file__).with_name("typst_process.py")
# typst would load packages: nobody listens on port 9 of this machine.
_NOWHERE: Final = "http://127.0.0.1:9"
_ENVIRONMENT: Final = dict.fromkeys(
    ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), _NOWHERE
)
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")
_PLACE: Final = re.compile(r"(\w[\w.-]*\.typ):(\d+):(\d+)")


class TemplateError(MeterlineError):
    """A template can't make a document: its text says where, and why."""


def pdf_of(shown: Shown, templates: Templates, timestamp_s: int) -> bytes:
    """The PDF of a document, as the template lays it out.

    Raises:
        TemplateError: it doesn't, or takes too long.
    """
    main = templates.typst(shown["document"])
    with tempfile.TemporaryDirectory(prefix="meterline-document-") as folder:
        root = Path(folder) / "root"
        for name, data in templates.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        fonts = root / FONTS
        job = {
            "root": str(root),
            "main": main,
            "fonts": str(fonts) if fonts.is_dir() else "",
            "no_packages": str(Path(folder) / "packages"),
            "document": json.dumps(shown, ensure_ascii=False),
            "timestamp_s": timestamp_s,
        }
        try:
            done = subprocess.run(  # noqa: S603 - our own file
                [sys.executable, "-I", str(_PROCESS)],
                input=json.dumps(job).encode(),
                capture_output=True,
                env=_ENVIRONMENT,
                cwd=folder,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TemplateError(f"{main}: takes longer than {_TIMEOUT_S} s for one document") from None
    if done.returncode:
        raise TemplateError(f"{main}: {_said(done)}")
    return done.stdout


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    text = _ANSI.sub("", done.stderr.decode("utf-8", "replace"))
    if done.returncode < 0:
        return f"takes more time or memory than one document may (signal {-done.returncode})"
    message = text.partition("\n")[0]
    place = _PLACE.search(text)
    where = f"line {place[2]}: " if place is not None else ""
    return f"{where}{message[:_SAID_CHARACTERS_MAX]}"
