"""A worker without a process that has scored a small shop, with its endpoint: what a test shows of it, it can change while a page looks on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.service.bench import Bench, settings_of, shop_lines
from worker.endpoints.endpoint import Endpoint
from worker.service.loop import Loop
from worker.service.telemetry.happenings import Happenings
from worker.service.telemetry.logging import open_logger
from worker.service.watch import Watch
from worker.settings import Settings

BINS = ((0.004, 0.003, 840), (0.009, 0.011, 840), (0.015, 0.013, 838), (0.021, 0.024, 841), (0.03, 0.029, 840),
        (0.041, 0.045, 840), (0.057, 0.052, 839), (0.083, 0.09, 840), (0.13, 0.12, 840), (0.27, 0.29, 842))  # fmt: skip


class Shop(Bench):
    """The bench with something that looks from outside."""

    def __init__(self, settings: Settings | None = None, partitions: int = 2) -> None:
        super().__init__(settings or endpoint_settings(), partitions)
        self.watch = Watch(self.clock, self.settings.targets)
        self.happened = Happenings(open_logger(self.settings.service, self.lines), self.metrics, self.clock, self.watch)
        self.endpoint: Endpoint | None = None
        self.turning: Loop | None = None

    def work(self) -> Shop:
        """Score a shop's events, with dead letters among them."""
        self.send(shop_lines())
        self.turning = self.loop()
        self.drain(self.turning, step_s=2)
        return self

    def open(self, port: int = 0) -> int:
        """Serve it; the port. The endpoint lives by the same clock as the worker."""
        self.endpoint = Endpoint(at_port(self.settings, port), self.metrics, self.watch, self.happened, self.clock)
        return self.endpoint.port

    def shut(self) -> None:
        """Serve it no longer."""
        if self.endpoint:
            self.endpoint.close()
            self.endpoint = None

    def judge(self, target: str, cause: str = "event", log_loss: float = 0.1337, bins: Sequence[Sequence[float]] = BINS) -> None:
        """Say how good a target's probabilities were, as its trainer does."""
        of = (target, cause)
        for name, value in {"judged_decisions": 8_400, "base_rate": 0.066, "log_loss_baseline": 0.2437, "roc_auc": 0.812, "calibration_ratio": 1.02}.items():
            self.metrics.set(name, value, *of)
        self.metrics.set("log_loss", log_loss, *of, "published")
        for number, values in enumerate(bins, 1):
            for name, value in zip(("predicted", "observed", "decisions"), values, strict=True):
                self.metrics.set(f"calibration_bin_{name}", value, *of, str(number))


def endpoint_settings(**endpoint: Any) -> Settings:
    return settings_of(endpoint={"port": 0, **endpoint})


def at_port(settings: Settings, port: int) -> Settings:
    """The endpoint takes any free port for 0; `run` serves nothing there."""
    return settings.model_copy(update={"endpoint": settings.endpoint.model_copy(update={"port": port})})
