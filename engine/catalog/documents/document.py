"""A catalog document: YAML (or JSON) text to resources, with all of its mistakes at once.

    document = read_document(text, "llm.yaml")   # alone: form, fields, prices; read_lines for lines of JSON
    resources = document.resources(catalog, at)  # against the catalog: references, double billing, totals
    changes = document.changes(catalog, at)      # what of them the catalog hasn't, or has otherwise

Reading is the slow step and needs no store; a store compares then, before its transaction. Only a text that is
no YAML, or no line of JSON, stops at its first mistake; otherwise CatalogDocumentError holds every mistake of both
steps, by line, each as `FILE:LINE: FIELD: what is wrong`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from engine.catalog import limits
from engine.catalog.documents.changes import Changes, changes
from engine.catalog.documents.checks.currency_checks import billed_subscriptions, check_currencies
from engine.catalog.documents.checks.item_checks import check_items
from engine.catalog.documents.checks.plan_changes import check_plans, next_versions
from engine.catalog.documents.checks.rate_checks import check_rates
from engine.catalog.documents.checks.split_checks import check_splits
from engine.catalog.documents.checks.term_checks import check_terms
from engine.catalog.documents.coupon_checks import check_coupons
from engine.catalog.documents.customer_checks import check_customers
from engine.catalog.documents.entries import Entry, read_entries
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.json_lines import LineError, parse_lines
from engine.catalog.documents.mistakes import Mistakes, unreadable
from engine.catalog.documents.references import (
    check_meters,
    check_references,
    check_subscriptions,
)
from engine.catalog.documents.yaml_tree import Node, TextNode, YamlError, parse_yaml
from engine.catalog.kinds import KINDS
from engine.catalog.kinds.resource import Resource
from engine.catalog.snapshots.snapshot import Catalog


@dataclass(frozen=True, slots=True)
class Document:
    """A document that could be parsed. Its entries may have mistakes, which `resources` raises.

    digest: SHA-256 of its text in UTF-8, in hex.
    """

    digest: str
    entries: tuple[Entry, ...]
    own_mistakes: Mistakes

    def resources(self, catalog: Catalog, at: datetime) -> tuple[Resource, ...]:
        """The resources in the document's order, fit for `catalog`. Raises CatalogDocumentError."""
        return self._resources(Excerpt.of(self.entries, catalog), at)

    def changes(self, catalog: Catalog, at: datetime) -> Changes:
        """What the document changes in `catalog` if it is applied at an instant. Raises CatalogDocumentError."""
        excerpt = Excerpt.of(self.entries, catalog)
        return changes(self._resources(excerpt, at), excerpt, at)

    def _resources(self, excerpt: Excerpt, at: datetime) -> tuple[Resource, ...]:
        mistakes = self.own_mistakes.copy()
        check_references(self.entries, excerpt, mistakes)
        check_meters(self.entries, excerpt, mistakes)
        check_subscriptions(self.entries, excerpt, mistakes)
        check_items(self.entries, excerpt, mistakes)
        check_customers(self.entries, excerpt, mistakes)
        check_coupons(self.entries, excerpt, mistakes)
        check_splits(self.entries, excerpt, mistakes)
        check_rates(self.entries, excerpt, mistakes)
        following = next_versions(self.entries, excerpt.catalog, at)
        subscriptions = billed_subscriptions(self.entries, excerpt)
        check_currencies(self.entries, subscriptions, following, excerpt, at, mistakes)
        check_terms(self.entries, subscriptions, following, excerpt, mistakes)
        check_plans(self.entries, following, excerpt.catalog, at, mistakes)
        if mistakes:
            raise mistakes.error()
        return tuple(entry.resource for entry in self.entries if entry.resource is not None)


def read_document(text: str, file_name: str, first_line: int = 1) -> Document:
    """Parses YAML, or JSON, and reads its entries. Raises CatalogDocumentError if it is neither, or empty."""
    return _read(text, file_name, lambda: parse_yaml(text, first_line))


def read_lines(text: str, file_name: str, first_line: int = 1) -> Document:
    """Parses lines of JSON, each a resource. Raises CatalogDocumentError if one of them is none."""
    sections = {each.kind: each.section for each in KINDS.values()}
    return _read(text, file_name, lambda: parse_lines(text, first_line, sections))


def _read(text: str, file_name: str, parse: Callable[[], Node]) -> Document:
    file_name = file_name[: limits.FILE_NAME_CHARS_MAX] or "document"
    try:
        root = parse()
    except (YamlError, LineError) as error:
        raise unreadable(file_name, error.line, error.message) from None
    if isinstance(root, TextNode) and (root.is_empty or root.is_null):
        raise unreadable(file_name, root.line, "the document is empty")
    mistakes = Mistakes(file_name, root)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Document(digest, tuple(read_entries(root, mistakes)), mistakes)
