"""A document in a format and a language, as bytes."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from babel import Locale

from engine.billing.documents.document import Document, InvoiceDocument
from engine.billing.documents.document_csv import lines_csv, usage_csv
from engine.billing.documents.languages import ENGLISH, language
from engine.billing.documents.local_format import LocalFormat, asked_locale
from engine.billing.documents.shown import Shown, shown_document
from engine.billing.rendering.html_page import html_of
from engine.billing.rendering.pdf import TemplateError, pdf_of
from engine.billing.rendering.sample import CREDIT_NOTE_SAMPLE, SAMPLE_WITH_USAGE
from engine.billing.rendering.templates import Templates
from engine.errors import ConfigurationError
from rating import minor_unit_digits

_US: Final = 1_000_000


class DocumentFormat(StrEnum):
    """What a document is read with; the value is the end of its file's name."""

    PDF = "pdf"
    HTML = "html"
    JSON = "json"
    CSV = "csv"


_CONTENT_TYPES: Final = {
    DocumentFormat.PDF: "application/pdf",
    DocumentFormat.HTML: "text/html; charset=utf-8",
    DocumentFormat.JSON: "application/json",
    DocumentFormat.CSV: "text/csv; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    content: bytes
    content_type: str
    file_name: str


class Renderer:
    """Thread-safe."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def rendered(self, document: Document, form: DocumentFormat, locale_name: str) -> RenderedDocument:
        """`locale_name`: "de", "de-AT"; empty for English. JSON and CSV are the same in every language.

        Raises:
            InvalidRequestError: there is no such locale.
            TemplateError: a template can't make it.
        """
        locale = asked_locale(locale_name or ENGLISH)
        return RenderedDocument(
            self._content(document, form, locale), _CONTENT_TYPES[form], f"{document.number}.{form.value}"
        )

    def check(self) -> None:
        """Whether the templates make documents that have a bit of everything.

        Raises:
            ConfigurationError: they don't; its text names the file, the line and the mistake.
        """
        for sample in (SAMPLE_WITH_USAGE, CREDIT_NOTE_SAMPLE):
            for form in (DocumentFormat.PDF, DocumentFormat.HTML):
                try:
                    self.rendered(sample, form, ENGLISH)
                except TemplateError as error:
                    raise ConfigurationError(f"document_templates {self._templates.where}: {error}") from None

    def _content(self, document: Document, form: DocumentFormat, locale: Locale) -> bytes:
        match form:
            case DocumentFormat.PDF:
                return pdf_of(self._shown(document, locale), self._templates, document.issued_us // _US)
            case DocumentFormat.HTML:
                return html_of(self._shown(document, locale), self._templates).encode()
            case DocumentFormat.JSON:
                return (json.dumps(document.to_fields(), ensure_ascii=False, indent=2) + "\n").encode()
            case DocumentFormat.CSV:
                if isinstance(document, InvoiceDocument) and document.usage is not None:
                    return usage_csv(document.number, document.usage).encode()
                return lines_csv(document).encode()

    def _shown(self, document: Document, locale: Locale) -> Shown:
        said = language(str(locale), self._templates.messages)
        return shown_document(document, said, LocalFormat(locale, minor_unit_digits(document.currency)))
