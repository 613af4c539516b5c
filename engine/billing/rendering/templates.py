"""The templates and message catalogs of documents: those that Meterline brings, and a company's own over them.

A company's directory may have any of: `invoice.typ`, `invoice.html`, `credit_note.typ`, `credit_note.html`,
`messages/LANGUAGE.yaml`, `fonts/`, and whatever its templates name, such as a logo. What it doesn't have is as Meterline brings it;
a credit note is laid out as an invoice where it has no template of its own.

Rules:
1. A directory is read once, at the start, and whole. What a template names is among the files that were read: nothing else is at hand.
2. A link that leads out of the directory is refused, and so is a directory with too much in it.
"""

import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from babel import Locale, UnknownLocaleError

from engine.billing.documents.languages import ENGLISH, Messages, MessagesError, read_messages
from engine.errors import ConfigurationError

_TYPST: Final = ".typ"
_HTML: Final = ".html"
_EVERY_KIND: Final = "invoice"
FONTS: Final = "fonts"
_MESSAGES: Final = "messages"
_FILES_MAX: Final = 200
# A logo and some fonts; every PDF is made with a copy of them.
_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Templates:
    """files: what templates may name, by its path from the directory, with "/". messages: the catalogs of each language, those that
    are asked first in front.
    """

    files: Mapping[str, bytes]
    messages: Mapping[str, Sequence[Messages]]
    where: str = "Meterline's own templates"

    def typst(self, kind: str) -> str:
        """The name of the template that PDFs of a kind of document are made with."""
        return self._of(kind, _TYPST)

    def html(self, kind: str) -> str:
        """The name of the template of its page."""
        return self._of(kind, _HTML)

    def _of(self, kind: str, form: str) -> str:
        own = f"{kind}{form}"
        return own if own in self.files else f"{_EVERY_KIND}{form}"


def read_templates(directory: Path | None) -> Templates:
    """Meterline's, with what a directory has over them.

    Raises:
        ConfigurationError: names the file at fault, and what is wrong with it.
    """
    brought = dict(_brought())
    english = read_messages(brought[f"{_MESSAGES}/{ENGLISH}.yaml"].decode("utf-8"), None)
    own = {} if directory is None else _read(directory)
    messages: dict[str, list[Messages]] = {}
    for name, data in [*own.items(), *brought.items()]:
        if (language := _language_of(name)) is not None:
            try:
                found = read_messages(data.decode("utf-8"), english)
                _check_locale(language)
            except (MessagesError, UnicodeDecodeError) as error:
                raise _mistake(directory, name, str(error)) from None
            messages.setdefault(language, []).append(found)
    files = {name: data for name, data in (brought | own).items() if _language_of(name) is None}
    for name, data in files.items():
        if PurePosixPath(name).suffix not in (_TYPST, _HTML):
            continue
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _mistake(directory, name, f"is not UTF-8 text: byte {error.start}") from None
    return Templates(files, messages, *(() if directory is None else (str(directory),)))


def _brought() -> Iterator[tuple[str, bytes]]:
    folder = importlib.resources.files(__package__ or "").joinpath("templates")
    for name in (f"{_EVERY_KIND}{_TYPST}", f"{_EVERY_KIND}{_HTML}"):
        yield name, folder.joinpath(name).read_bytes()
    for each in folder.joinpath(_MESSAGES).iterdir():
        if each.name.endswith(".yaml"):
            yield f"{_MESSAGES}/{each.name}", each.read_bytes()


def _read(directory: Path) -> dict[str, bytes]:
    """Every file of a directory; rule 2."""
    if not directory.is_dir():
        raise ConfigurationError(f"document_templates {directory}: is no directory")
    root, size = directory.resolve(), 0
    found: dict[str, bytes] = {}
    try:
        for path in sorted(directory.rglob("*")):
            name = str(PurePosixPath(path.relative_to(directory)))
            if path.is_dir() or any(part.startswith(".") for part in path.relative_to(directory).parts):
                continue
            if not path.resolve().is_relative_to(root):
                raise _mistake(directory, name, "leads out of the directory: put a copy there")
            if not path.is_file():
                raise _mistake(directory, name, "is no regular file")
            size += path.stat().st_size
            if len(found) == _FILES_MAX or size > _BYTES_MAX:
                raise _mistake(
                    directory,
                    name,
                    f"is too much: at most {_FILES_MAX} files of {_BYTES_MAX >> 20} MiB in all",
                )
            found[name] = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"document_templates {directory}: can't be read: {error.strerror}"
        ) from error
    return found


def _language_of(name: str) -> str | None:
    """Of which language a file is the message catalog."""
    path = PurePosixPath(name)
    is_one = path.parts[:-1] == (_MESSAGES,) and path.suffix == ".yaml"
    return path.stem.replace("-", "_") if is_one else None


def _check_locale(name: str) -> None:
    try:
        Locale.parse(name)
    except (ValueError, UnknownLocaleError):
        raise MessagesError("must be called after a language, such as fr.yaml or pt_BR.yaml") from None


def _mistake(directory: Path | None, name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"document_templates {directory or ''}: {name}: {what}")
