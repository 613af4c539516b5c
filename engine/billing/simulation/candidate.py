"""A catalog whose new plan versions everybody has, at all times. Pure.

An apply gives a new version of a plan to who subscribes from then on. A simulation asks what it would come to if all who have the
plan had it, over the whole span: also who is on an earlier version, and who names one by its number.
"""

from dataclasses import replace
from types import MappingProxyType

from engine.catalog.snapshots.snapshot import Catalog


def taken_by_all(before: Catalog, after: Catalog) -> Catalog:
    """`after`, with every plan of which it has a newer version than `before` in that version alone."""
    versions = {
        name: plan.all_as_newest() if _is_new(before, name, plan.newest.version) else plan
        for name, plan in after.plan_versions.items()
    }
    return replace(after, plan_versions=MappingProxyType(versions))


def _is_new(before: Catalog, name: str, version: int) -> bool:
    known = before.plan_versions.get(name)
    return known is not None and known.newest.version != version
