"""The chart, rendered by Helm's own code, as `helm install` would: its schema first."""

from pathlib import Path

import helm_python
import yaml

CHART = Path(__file__).parents[3] / "helm" / "meterline"
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
# Values for each mode, by the names of their files.
CASES = {
    path.stem.removesuffix("-values"): yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((CHART / "ci").glob("*.yaml"))
}
RELEASE, NAMESPACE = "usage", "billing"


def rendered(values):
    """Template -> text, those that are not empty. Raises HelmError where the schema or a check refuses the values."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        found = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    return {name.partition("templates/")[2]: text for name, text in sorted(found.items()) if text.strip()}


def manifests(values):
    """What would be sent to Kubernetes."""
    return [
        document
        for name, text in rendered(values).items()
        if name != "NOTES.txt"
        for document in yaml.safe_load_all(text)
        if document is not None
    ]


def only(documents, kind):
    """The one of its kind."""
    (found,) = [each for each in documents if each["kind"] == kind]
    return found


def pod_of(documents):
    """The engine's pod: metadata and spec."""
    (found,) = [each for each in documents if each["kind"] in ("StatefulSet", "Deployment")]
    return found["spec"]["template"]


def configuration_text(documents):
    """The engine's configuration file."""
    (text,) = [
        each["data"]["meterline.yaml"]
        for each in documents
        if each["kind"] == "ConfigMap" and "meterline.yaml" in each["data"]
    ]
    return text


def overridden(values, path, value):
    """The values with another one at a path; the ones given stay as they are."""
    name, *rest = path
    inner = overridden(values.get(name) or {}, rest, value) if rest else value
    return {**values, name: inner}
