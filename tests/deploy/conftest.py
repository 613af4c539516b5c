"""The image's environment, built once."""

import os

import pytest

from tests.support.deploy.container import install


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """/opt/meterline of the image."""
    if os.geteuid() != 0:
        pytest.skip("only root can become the container's user")
    return install(tmp_path_factory.mktemp("image"))
