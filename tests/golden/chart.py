"""The chart's manifests, for each mode with the least and with everything."""

from tests.support.deploy.chart import CASES, rendered

# They hold files of observability/, to the byte.
_COPIES = ("dashboard.yaml", "prometheus-rule.yaml")


def record_chart():
    """File name -> text."""
    return {f"chart/{name}.yaml": "\n".join(_texts(values)) for name, values in CASES.items()}


def _texts(values):
    return [f"# {file}\n{text.strip()}\n" for file, text in rendered(values).items() if file not in _COPIES]
