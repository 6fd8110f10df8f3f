"""What every test shares: no configuration from outside, hypothesis without a stopwatch, and a real broker for those that ask for one."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.machine", "tests.measured", "tests.distribution", "tests.kafka.fixtures"]

# A slow machine is not a fault: no test of this project asserts on speed.
settings.register_profile("clickscore", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("clickscore")

# A shell that puts `make test` into the background has it, and whatever it starts, ignore Ctrl-C, which tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("CLICKSCORE_")]:
        monkeypatch.delenv(variable)
