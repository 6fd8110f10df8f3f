"""Configurations that must be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.configuration.load import load
from worker.errors import ConfigurationError, Problem


def refused(config: Path | None = None, *assignments: str, **environ: str) -> list[Problem]:
    """Load what must be refused and return its problems, with the path of the file shortened to its name."""
    with pytest.raises(ConfigurationError) as error:
        load(config, assignments, environ=environ)
    return [problem._replace(where=problem.where.replace(str(config), "shop.toml")) for problem in error.value.problems]
