"""helm, where this machine has it."""

from __future__ import annotations

import os

import pytest

from tests.deploy.helm import Helm, find_helm
from tests.machine import NOT_RUN


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    program = find_helm(os.environ.get("HELM", ""))
    if program is None:  # no package of Debian has it, so that even a CI may be without: then the summary says so, and nothing fails
        pytest.skip(f"{NOT_RUN} Helm: none on the PATH, in HELM, or built by `make helm` (Go, some minutes)")
    return Helm(program, tmp_path_factory.mktemp("helm"))
