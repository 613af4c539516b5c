"""HTML through Jinja2, in its sandbox: a template has the texts of its document and the files of its directory, and nothing else."""

import base64
import mimetypes
from collections.abc import Callable
from typing import Final

from jinja2 import DictLoader, StrictUndefined
from jinja2 import TemplateError as JinjaError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.billing.documents.shown import Shown
from engine.billing.rendering.pdf import TemplateError
from engine.billing.rendering.templates import Templates

_SAID_CHARACTERS_MAX: Final = 400


def html_of(shown: Shown, templates: Templates) -> str:
    """The page of a document.

    Raises:
        TemplateError: the template names what isn't there, or is none.
    """
    main = templates.html(shown["document"])
    pages = {name: data.decode("utf-8") for name, data in templates.files.items() if name.endswith(".html")}
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader(pages), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.globals["data_url"] = _data_url_of(templates)
    try:
        return environment.get_template(main).render(shown)
    except (JinjaError, SecurityError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        line = getattr(error, "lineno", None) or _line_in_template(error)
        where = f"line {line}: " if line else ""
        said = " ".join(str(error).split())[:_SAID_CHARACTERS_MAX]
        raise TemplateError(f"{main}: {where}{said}") from None


def _data_url_of(templates: Templates) -> Callable[[str], str]:
    def data_url(name: str) -> str:
        """A file of the directory as a URL that holds it, such as a logo."""
        if name not in templates.files:
            raise ValueError(f"there is no file {name!r} beside the template")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(templates.files[name]).decode()}"

    return data_url


def _line_in_template(error: BaseException) -> int | None:
    """Jinja2 writes its own frames with the template's lines."""
    found, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == "<template>":
            found = frame.tb_lineno
        frame = frame.tb_next
    return found
