"""A delivering process for the SIGKILL test: python delivering.py FILE URL SECRET. It serves nothing and ends on SIGTERM."""

from __future__ import annotations

import sys

from worker.delivery.role import Deliveries
from worker.service.assembly import run_service
from worker.settings import Settings

if __name__ == "__main__":
    path, url, secret = sys.argv[1:]
    settings = Settings.model_validate(
        {
            "embedded": {"path": path},
            "endpoint": {"port": 0},
            "service": {"roles": ["deliver"], "member": "m", "log_level": "warning"},
            "destinations": {"shop": {"url": url, "networks": ["127.0.0.1/32"], "secret": secret, "concurrency": 1, "timeout": "60 s"}},
        }
    )

    def nothing(*_: object) -> None:
        raise AssertionError("no endpoint is asked for")

    run_service(settings, nothing, deliver=Deliveries)  # type: ignore[arg-type]
