"""Programs that come from the operating system's packages, which a developer's machine need not have."""

import shutil

import pytest


def outside_tool(request: pytest.FixtureRequest, name: str, package: str) -> str:
    """The path of a program. Without it the test is skipped, or fails where `--require-tools` says that it must be there."""
    found = shutil.which(name)
    if found is None:
        advice = f"{name} is missing: apt-get install --no-install-recommends {package}"
        if request.config.getoption("--require-tools"):
            pytest.fail(advice)
        pytest.skip(advice)
    return found
