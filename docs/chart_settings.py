"""Writes the settings into the chart's values.yaml and its schema: `make reference`. A test compares them.

A setting that follows from another value of the chart (an address, a volume, a secret) is not among them.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import yaml

from engine.configuration.settings import SettingRow, configuration_schema, settings

_ROOT = Path(__file__).parents[1]
VALUES = _ROOT / "helm" / "meterline" / "values.yaml"
SCHEMA = _ROOT / "helm" / "meterline" / "values.schema.json"
# What a container runs with: the chart's defaults are its.
_CONTAINER = _ROOT / "container" / "meterline.yaml"
# Setting -> the value that it follows from.
FOLLOWS = {
    "data": "persistence",
    "listen": "service.grpcPort",
    "http_listen": "service.http",
    "metrics_listen": "service.metricsPort",
    "usage_store": "stores.usage",
    "usage_store_file": "stores.usage",
    "catalog_store": "stores.catalog",
    "catalog_store_file": "stores.catalog",
    "admin_key_file": "adminKey",
    "tls_cert": "tls.existingSecret",
    "tls_key": "tls.existingSecret",
    "tls_client_ca": "tls.clientCaKey",
}
# Settings that have no meaning there, and why.
FIXED = {
    "share_port": "each pod has an address of its own",
    "no_metrics": "the probes are asked at that port",
}
_BEGIN = "  # settings: made by `make reference`\n"
_END = "  # end of settings\n"
_WIDTH = 120


def own_rows() -> list[SettingRow]:
    """The settings that stand in `config`."""
    return [row for row in settings() if row.name not in FOLLOWS and row.name not in FIXED]


def values() -> str:
    """values.yaml with the settings as they are now."""
    before, _, rest = VALUES.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    defaults = {row.name: row.default for row in settings()}
    defaults |= yaml.safe_load(_CONTAINER.read_text(encoding="utf-8"))
    lines = [line for row in own_rows() for line in _lines(row, defaults[row.name])]
    return before + _BEGIN + "".join(lines) + _END + after


def _lines(row: SettingRow, default: Any) -> list[str]:  # noqa: ANN401 - of any setting
    about = textwrap.wrap(row.about.help, _WIDTH, initial_indent="  # ", subsequent_indent="  # ")
    return [*(f"{line}\n" for line in about), f"  {row.name}: {json.dumps(default)}\n"]


def schema() -> str:
    """values.schema.json with the settings as they are now."""
    found = json.loads(SCHEMA.read_text(encoding="utf-8"))
    every = configuration_schema()["definitions"]["Configuration"]["properties"]
    found["properties"]["config"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {row.name: every[row.name] for row in own_rows()},
    }
    return json.dumps(found, indent=2) + "\n"


def write() -> None:
    """Both files anew."""
    VALUES.write_text(values(), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
