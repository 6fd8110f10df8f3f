"""The dashboards as files."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tools.dashboards.business import BUSINESS
from tools.dashboards.quality import QUALITY
from tools.dashboards.service import SERVICE

DASHBOARDS = (SERVICE, QUALITY, BUSINESS)


def dashboards() -> Iterator[tuple[str, str]]:
    """Name and content of each."""
    for dashboard in DASHBOARDS:
        yield dashboard.name, json.dumps(dashboard.as_json(), indent=2, ensure_ascii=False) + "\n"
