"""What an expression of PromQL selects: names of metrics and of labels. Prometheus itself judges the rest."""

import re
from dataclasses import dataclass

_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^}]*\})?(\s*\()?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_WORDS = {"and", "or", "unless", "offset", "bool"}


@dataclass(frozen=True)
class Selected:
    """`labels`: of each metric those that its selectors match; `grouped`: those that the expression groups or joins by."""

    labels: dict[str, set[str]]
    grouped: set[str]


def selected(expression: str) -> Selected:
    grouped = {
        label.strip()
        for each in _GROUPING.finditer(expression)
        for label in each[1].split(",")
        if label.strip()
    }
    bare = _RANGE.sub("", _GROUPING.sub("", expression))
    labels: dict[str, set[str]] = {}
    # Numbers with a unit, such as an offset's, are not names.
    for name, matchers, call in _SELECTOR.findall(re.sub(r"\b\d\w*", "", bare)):
        if call or name in _WORDS:
            continue
        labels.setdefault(name, set()).update(label for label, _ in _MATCHER.findall(matchers))
    return Selected(labels, grouped)
